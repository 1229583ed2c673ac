//! AMD's `Am79C970A` (data sheet).

use qtest::pci::Bar;
use qtest::{Bench, Failure, Test, Width};

use crate::ethernet::{LENGTH, check_frame, frame};

/// Ports: data and address of the control registers, and data of the bus registers.
const DATA: u64 = 0x10;
const ADDRESS: u64 = 0x12;
const BUS_DATA: u64 = 0x16;

/// Bus register 20: structures of 32 bits.
const SOFTWARE_STYLE: u64 = 20;
const STYLE_32: u64 = 2;
/// Control register 0: initialise, start, transmit now; initialisation is done.
const INITIALISE: u64 = 1;
const START: u64 = 1 << 1;
const DEMAND: u64 = 1 << 3;
const INITIALISED: u64 = 1 << 8;
/// Mode: loopback.
const LOOPBACK: u16 = 1 << 2;
/// The upper 16 bits of a descriptor's second word: the card owns it; it starts and ends a frame; errors.
const OWN: u16 = 1 << 15;
const ERROR: u16 = 1 << 14;
const WHOLE: u16 = 1 << 9 | 1 << 8;

const BASE: Test = Test {
    models: &["pcnet"],
    arguments: &["-device", "pcnet,addr=4,mac=52:54:00:0c:0d:0e"],
    ..Test::of("pcnet", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "has-its-address",
        description: "The first bytes of the PROM are the Ethernet address",
        body: |bench| has_address(bench, [0x52, 0x54, 0x00, 0x0c, 0x0d, 0x0e]),
        ..BASE
    },
    Test {
        name: "identifies-its-chip",
        description: "Registers 88 and 89 have the part number of an Am79C970A",
        body: |bench| identifies_chip(bench, 0x0262_1003),
        ..BASE
    },
    Test {
        name: "receives-its-own-frame",
        description: "In loopback mode, a frame that is sent arrives in the receive ring with a checksum",
        needs: &["pci", "dma"],
        body: |bench| loops_back(bench, 63),
        ..BASE
    },
];

fn card(bench: &mut Bench<'_>) -> Result<Bar, Failure> {
    bench.region(0x1022, 0x2000, 0)
}

/// Writes a register through this data port.
fn set(bench: &mut Bench<'_>, bar: Bar, port: u64, index: u64, value: u64) -> Result<(), Failure> {
    bench.write(bar, Width::W, ADDRESS, index)?;
    bench.write(bar, Width::W, port, value)
}

fn has_address(bench: &mut Bench<'_>, expected: [u64; 6]) -> Result<(), Failure> {
    let bar = card(bench)?;
    for (at, expected) in (0u64..).zip(expected) {
        let found = bench.read(bar, Width::B, at)?;
        bench.check(format!("byte {at} of the PROM"), found, expected)?;
    }
    Ok(())
}

fn identifies_chip(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = card(bench)?;
    let mut chip = 0;
    for (register, shift) in [(88, 0), (89, 16)] {
        bench.write(bar, Width::W, ADDRESS, register)?;
        chip |= bench.read(bar, Width::W, DATA)? << shift;
    }
    // The version is in the upper four bits.
    bench.check("part number", chip & 0x0fff_ffff, expected)
}

/// A descriptor of a buffer that the card owns.
fn descriptor(buffer: u64, length: u32, flags: u16) -> Vec<u8> {
    let mut bytes = buffer.to_le_bytes()[..4].to_vec();
    // The length is negative, in 16 bits.
    bytes.extend(&length.wrapping_neg().to_le_bytes()[..2]);
    bytes.extend((OWN | flags).to_le_bytes());
    bytes.resize(16, 0);
    bytes
}

fn loops_back(bench: &mut Bench<'_>, last: u8) -> Result<(), Failure> {
    const BUFFER: u32 = 2048;
    const CHECKSUM: u64 = 4;
    let bar = card(bench)?;
    let memory = bench.allocate(0x1000, 16)?;
    let [block, receive, transmit] = [memory, memory + 0x40, memory + 0x80];
    let [packet, buffer] = [memory + 0x100, memory + 0x800];
    bench.session.write(packet, &frame())?;
    bench
        .session
        .write(receive, &descriptor(buffer, BUFFER, 0))?;
    bench
        .session
        .write(transmit, &descriptor(packet, LENGTH, WHOLE))?;
    // Rings of one descriptor, no multicast addresses.
    let mut bytes = u32::from(LOOPBACK).to_le_bytes().to_vec();
    bytes.extend([0x52, 0x54, 0x00, 0x0c, 0x0d, 0x0e, 0, 0]);
    bytes.extend([0; 8]);
    bytes.extend(&receive.to_le_bytes()[..4]);
    bytes.extend(&transmit.to_le_bytes()[..4]);
    bench.session.write(block, &bytes)?;
    set(bench, bar, BUS_DATA, SOFTWARE_STYLE, STYLE_32)?;
    set(bench, bar, DATA, 1, block & 0xffff)?;
    set(bench, bar, DATA, 2, block >> 16)?;
    set(bench, bar, DATA, 0, INITIALISE)?;
    let status = bench.read(bar, Width::W, DATA)?;
    bench.check("initialisation", status & INITIALISED, INITIALISED)?;
    set(bench, bar, DATA, 0, START)?;
    set(bench, bar, DATA, 0, DEMAND)?;
    let flags = bench.session.read_le(Width::W, transmit + 6)?;
    let done = u64::from(OWN | ERROR);
    bench.check("transmit descriptor", flags & done, 0)?;
    let flags = bench.session.read_le(Width::W, receive + 6)?;
    bench.check(
        "receive descriptor",
        flags & (done | u64::from(WHOLE)),
        WHOLE.into(),
    )?;
    let length = bench.session.read_le(Width::W, receive + 8)? & 0xfff;
    bench.check("length", length, u64::from(LENGTH) + CHECKSUM)?;
    check_frame(bench, buffer, last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "has-its-address", "byte 5", |bench| {
            has_address(bench, [0x52, 0x54, 0x00, 0x0c, 0x0d, 0x0f])
        });
        check_fails(TESTS, "identifies-its-chip", "part", |bench| {
            identifies_chip(bench, 0)
        });
        check_fails(TESTS, "receives-its-own-frame", "last byte", |bench| {
            loops_back(bench, 0)
        });
    }
}

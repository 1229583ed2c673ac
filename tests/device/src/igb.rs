//! Intel's 82576 gigabit controller (82576EB Gigabit Ethernet Controller Datasheet, sections 7, 8 and 9).

use qtest::pci::{Bar, Function, register};
use qtest::{Bench, Failure, Test, Width};

use crate::e1000::{self, Card, VENDOR};

/// Most registers are those of the 82540EM. QEMU has the registers of interrupt causes at these addresses only, which
/// are aliases.
const CARD: Card = Card {
    device: 0x10c9,
    eeprom_shift: 2,
    eeprom_done: 1 << 1,
};

const TRANSMIT_CONTROL: u64 = 0x0400;
/// Registers of the first transmit queue: address, length, head, tail and control.
const RING: u64 = 0xe000;
const RING_LENGTH: u64 = 0xe008;
const RING_HEAD: u64 = 0xe010;
const RING_TAIL: u64 = 0xe018;
const RING_CONTROL: u64 = 0xe028;

const TRANSMIT_ENABLE: u64 = 1 << 1;
const RING_ENABLE: u64 = 1 << 25;

/// An advanced data descriptor: type, end of packet, report status, advanced.
const DESCRIPTOR: u32 = 0x3 << 20 | 1 << 24 | 1 << 27 | 1 << 29;
/// Status of a descriptor: done.
const DONE: u32 = 1;

/// The extended capability of virtual functions, and registers in it.
const SR_IOV: u32 = 0x0010;
const IOV_CONTROL: u16 = 0x08;
const IOV_TOTAL: u16 = 0x0e;
const IOV_COUNT: u16 = 0x10;
const IOV_OFFSET: u16 = 0x14;
const IOV_STRIDE: u16 = 0x16;
const IOV_DEVICE: u16 = 0x1a;
/// Control: virtual functions are enabled, and respond to memory accesses.
const IOV_ENABLE: u32 = 1 | 1 << 3;

const BASE: Test = Test {
    models: &["igb"],
    arguments: &["-device", "igb,addr=4,mac=52:54:00:0c:0d:0e"],
    ..Test::of("igb", &["pci"])
};

/// The extended configuration space is accessible in memory only.
const EXTENDED: Test = Test {
    needs: &["ecam"],
    ..BASE
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "has-address-in-eeprom",
        description: "The first words of the EEPROM are the Ethernet address",
        body: |bench| e1000::has_eeprom(bench, CARD, [0x5452, 0x0c00, 0x0e0d]),
        ..BASE
    },
    Test {
        name: "has-address-in-receive-filter",
        description: "The first receive address is the Ethernet address, and is valid",
        body: |bench| e1000::has_address(bench, CARD, 0x8000_0e0d),
        ..BASE
    },
    Test {
        name: "reports-full-duplex",
        description: "The status says full duplex",
        body: |bench| e1000::reports_duplex(bench, CARD, e1000::FULL_DUPLEX),
        ..BASE
    },
    Test {
        name: "clears-causes-by-reading",
        description: "Interrupt causes that are set are read once",
        body: |bench| e1000::clears_causes(bench, CARD, 0x14),
        ..BASE
    },
    Test {
        name: "masks-causes",
        description: "The mask keeps bits that are set until they are cleared",
        body: |bench| e1000::masks(bench, CARD, 0x04),
        ..BASE
    },
    Test {
        name: "ends-reset",
        description: "The reset bit clears itself",
        body: |bench| e1000::resets(bench, CARD, 0),
        ..BASE
    },
    Test {
        name: "transmits-advanced-descriptor",
        description: "A transmitted descriptor is marked as done, and the head reaches the tail",
        needs: &["pci", "dma"],
        body: |bench| transmits(bench, DONE),
        ..BASE
    },
    Test {
        name: "has-eight-virtual-functions",
        description: "The capability of virtual functions has their number and identification",
        body: |bench| has_virtual_functions(bench, 8),
        ..EXTENDED
    },
    Test {
        name: "enables-virtual-functions",
        description: "Enabled virtual functions appear at offset and stride of the capability, and no others do",
        body: |bench| enables_virtual_functions(bench, [true, true, false]),
        ..EXTENDED
    },
];

fn find(bench: &mut Bench<'_>) -> Result<Bar, Failure> {
    bench.region(VENDOR, CARD.device, 0)
}

fn transmits(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    const LENGTH: u32 = 64;
    const RING_BYTES: u64 = 128;
    let bar = find(bench)?;
    let packet = bench.allocate(LENGTH.into(), 16)?;
    let ring = bench.allocate(RING_BYTES, 128)?;
    bench.session.memset(packet, LENGTH as usize, 0xff)?;
    let mut descriptor = packet.to_le_bytes().to_vec();
    descriptor.extend((DESCRIPTOR | LENGTH).to_le_bytes());
    descriptor.extend((LENGTH << 14).to_le_bytes());
    bench.session.write(ring, &descriptor)?;
    for (at, value) in [
        (RING, ring & 0xffff_ffff),
        (RING + 4, ring >> 32),
        (RING_LENGTH, RING_BYTES),
        (RING_CONTROL, RING_ENABLE),
        (TRANSMIT_CONTROL, TRANSMIT_ENABLE),
        (RING_TAIL, 1),
    ] {
        bench.write(bar, Width::L, at, value)?;
    }
    bench.wait_until("the head reaches the tail", |bench| {
        Ok(bench.read(bar, Width::L, RING_HEAD)? == 1)
    })?;
    let status = bench.session.read(ring + 12, 4)?;
    let status = u32::from_le_bytes([status[0], status[1], status[2], status[3]]);
    bench.check("status of the descriptor", status & DONE, expected)
}

/// Finds the extended capability of virtual functions.
fn virtual_functions(bench: &mut Bench<'_>) -> Result<(Function, u16), Failure> {
    let function = bench.function(VENDOR, CARD.device)?;
    let mut at = 0x100;
    for _ in 0..16 {
        let header = bench.config(function, Width::L, at)?;
        if header & 0xffff == SR_IOV {
            return Ok((function, at));
        }
        at = (header >> 20 & 0xffc) as u16;
        if at == 0 {
            break;
        }
    }
    Err(Failure::Missing("virtual functions".to_owned()))
}

fn has_virtual_functions(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let (function, at) = virtual_functions(bench)?;
    let total = bench.config(function, Width::W, at + IOV_TOTAL)?;
    bench.check("number of virtual functions", total, expected)?;
    let count = bench.config(function, Width::W, at + IOV_COUNT)?;
    bench.check("enabled virtual functions", count, 0)?;
    let device = bench.config(function, Width::W, at + IOV_DEVICE)?;
    bench.check("device of virtual functions", device, 0x10ca)
}

fn enables_virtual_functions(bench: &mut Bench<'_>, expected: [bool; 3]) -> Result<(), Failure> {
    let (function, at) = virtual_functions(bench)?;
    let offset = bench.config(function, Width::W, at + IOV_OFFSET)?;
    let stride = bench.config(function, Width::W, at + IOV_STRIDE)?;
    bench.set_config(function, Width::W, at + IOV_COUNT, 2)?;
    bench.set_config(function, Width::W, at + IOV_CONTROL, IOV_ENABLE)?;
    for (index, expected) in (0u32..).zip(expected) {
        let route = u32::from(function.devfn()) + offset + index * stride;
        let other = Function {
            bus: (route >> 8 & 0xff) as u8,
            device: (route >> 3 & 0x1f) as u8,
            function: (route & 7) as u8,
        };
        // The class is that of a network controller. The identification of a virtual function is all ones.
        let class = bench.config(other, Width::L, register::CLASS)?;
        bench.check(
            format!("virtual function {index}"),
            class >> 8 == 0x02_0000,
            expected,
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "has-address-in-eeprom", "word 2", |bench| {
            e1000::has_eeprom(bench, CARD, [0x5452, 0x0c00, 0x0f0d])
        });
        check_fails(TESTS, "has-address-in-receive-filter", "high", |bench| {
            e1000::has_address(bench, CARD, 0x0e0d)
        });
        check_fails(TESTS, "reports-full-duplex", "duplex", |bench| {
            e1000::reports_duplex(bench, CARD, 0)
        });
        check_fails(TESTS, "clears-causes-by-reading", "causes", |bench| {
            e1000::clears_causes(bench, CARD, 0)
        });
        check_fails(TESTS, "masks-causes", "mask after", |bench| {
            e1000::masks(bench, CARD, 0x14)
        });
        check_fails(TESTS, "ends-reset", "reset bit", |bench| {
            e1000::resets(bench, CARD, e1000::RESET)
        });
        check_fails(TESTS, "transmits-advanced-descriptor", "status", |bench| {
            transmits(bench, 0)
        });
        check_fails(TESTS, "has-eight-virtual-functions", "number", |bench| {
            has_virtual_functions(bench, 7)
        });
        check_fails(TESTS, "enables-virtual-functions", "function 2", |bench| {
            enables_virtual_functions(bench, [true; 3])
        });
    }
}

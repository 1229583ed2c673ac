//! Realtek's RTL8139D (data sheet).

use qtest::pci::Bar;
use qtest::{Bench, Failure, Test, Width};

use crate::ethernet::{LENGTH, check_frame, frame};

const TRANSMIT_STATUS: u64 = 0x10;
const TRANSMIT_START: u64 = 0x20;
const RECEIVE_START: u64 = 0x30;
const COMMAND: u64 = 0x37;
const INTERRUPTS: u64 = 0x3e;
const TRANSMIT_CONFIGURATION: u64 = 0x40;
const RECEIVE_CONFIGURATION: u64 = 0x44;

/// Command: the receive buffer is empty; transmit, receive, reset.
const EMPTY: u64 = 1;
const TRANSMIT: u64 = 1 << 2;
const RECEIVE: u64 = 1 << 3;
const RESET: u64 = 1 << 4;
/// Transmit configuration: loopback.
const LOOPBACK: u64 = 3 << 17;
/// Transmit status: the card owns the buffer; the frame was sent.
const OWN: u64 = 1 << 13;
const SENT: u64 = 1 << 15;
/// Interrupts: a frame was received, and one was sent.
const RECEIVED: u64 = 1;
const TRANSMITTED: u64 = 1 << 2;

const BASE: Test = Test {
    models: &["rtl8139"],
    arguments: &["-device", "rtl8139,addr=4,mac=52:54:00:0c:0d:0e"],
    ..Test::of("rtl8139", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "has-its-address",
        description: "The first registers are the Ethernet address",
        body: |bench| has_address(bench, [0x52, 0x54, 0x00, 0x0c, 0x0d, 0x0e]),
        ..BASE
    },
    Test {
        name: "ends-reset",
        description: "The reset bit clears itself, and the receive buffer is empty",
        body: |bench| ends_reset(bench, EMPTY),
        ..BASE
    },
    Test {
        name: "receives-its-own-frame",
        description: "In loopback mode, a frame that is sent arrives in the receive buffer behind its length",
        needs: &["pci", "dma"],
        body: |bench| loops_back(bench, 63),
        ..BASE
    },
];

fn card(bench: &mut Bench<'_>) -> Result<Bar, Failure> {
    bench.region(0x10ec, 0x8139, 0)
}

fn has_address(bench: &mut Bench<'_>, expected: [u64; 6]) -> Result<(), Failure> {
    let bar = card(bench)?;
    for (at, expected) in (0u64..).zip(expected) {
        let found = bench.read(bar, Width::B, at)?;
        bench.check(format!("byte {at} of the address"), found, expected)?;
    }
    Ok(())
}

fn ends_reset(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = card(bench)?;
    bench.write(bar, Width::B, COMMAND, RESET)?;
    let found = bench.read(bar, Width::B, COMMAND)?;
    bench.check("command after the reset", found & (RESET | EMPTY), expected)
}

fn loops_back(bench: &mut Bench<'_>, last: u8) -> Result<(), Failure> {
    /// The card appends a checksum.
    const CHECKSUM: u32 = 4;
    /// All physical, multicast and broadcast addresses; an 8 KiB buffer.
    const ALL: u64 = 0x0f;
    let bar = card(bench)?;
    let buffer = bench.allocate(8192 + 16 + 1536, 256)?;
    let packet = bench.allocate(LENGTH.into(), 16)?;
    bench.session.write(packet, &frame())?;
    bench.write(bar, Width::B, COMMAND, TRANSMIT | RECEIVE)?;
    for (at, value) in [
        (RECEIVE_START, buffer),
        (RECEIVE_CONFIGURATION, ALL),
        (TRANSMIT_CONFIGURATION, LOOPBACK),
        (TRANSMIT_START, packet),
        (TRANSMIT_STATUS, LENGTH.into()),
    ] {
        bench.write(bar, Width::L, at, value)?;
    }
    bench.wait_until("the frame is sent", |bench| {
        Ok(bench.read(bar, Width::L, TRANSMIT_STATUS)? & SENT != 0)
    })?;
    let status = bench.read(bar, Width::L, TRANSMIT_STATUS)?;
    bench.check("owner of the transmit buffer", status & OWN, OWN)?;
    let interrupts = bench.read(bar, Width::W, INTERRUPTS)?;
    let both = RECEIVED | TRANSMITTED;
    bench.check("interrupts", interrupts & both, both)?;
    let empty = bench.read(bar, Width::B, COMMAND)? & EMPTY;
    bench.check("empty receive buffer", empty, 0)?;
    let status = bench.session.read_le(Width::W, buffer)?;
    bench.check("status of the received frame", status & 1, 1)?;
    let length = bench.session.read_le(Width::W, buffer + 2)?;
    bench.check("length", length, (LENGTH + CHECKSUM).into())?;
    check_frame(bench, buffer + 4, last)
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
        check_fails(TESTS, "ends-reset", "command", |bench| {
            ends_reset(bench, RESET)
        });
        check_fails(TESTS, "receives-its-own-frame", "last byte", |bench| {
            loops_back(bench, 0)
        });
    }
}

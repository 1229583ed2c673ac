//! The CAN controller SJA1000 on PCI cards (data sheet of Philips Semiconductors, section 6.4).

use qtest::pci::{Bar, Function};
use qtest::{Bench, Failure, Test, Width};

const MODE: u64 = 0;
const COMMAND: u64 = 1;
const STATUS: u64 = 2;
/// The acceptance code in reset mode; the frame in operating mode.
const BUFFER: u64 = 16;
const CLOCK_DIVIDER: u64 = 31;

/// Mode: reset, and one long filter.
const RESET: u64 = 1;
const SINGLE_FILTER: u64 = 1 << 3;
/// Command: send, and release the received frame.
const SEND: u64 = 1;
const RELEASE: u64 = 1 << 2;
/// Clock divider: the extended mode.
const PELICAN: u64 = 1 << 7;

const BASE: Test = Test {
    models: &["kvaser_pci"],
    arguments: &[
        "-object",
        "can-bus,id=bus",
        "-device",
        "kvaser_pci,canbus=bus,addr=4",
        "-device",
        "kvaser_pci,canbus=bus,addr=5",
    ],
    ..Test::of("sja1000", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "receives-only-accepted-identifiers",
    description: "A frame is received if its identifier passes the acceptance filter",
    body: |bench| receives_accepted(bench, 0x123),
    ..BASE
}];

/// Starts the controller of a card that accepts one identifier of eleven bits.
fn start(bench: &mut Bench<'_>, device: u8, identifier: u16) -> Result<Bar, Failure> {
    let card = Function {
        bus: 0,
        device,
        function: 0,
    };
    let (session, pci) = bench.pci()?;
    pci.enable(session, card)?;
    // On some machines, a region at address 0 is in use and would hide another one.
    bench.map(card, 0)?;
    let bar = bench.map(card, 1)?;
    bench.write(bar, Width::B, MODE, RESET)?;
    bench.write(bar, Width::B, CLOCK_DIVIDER, PELICAN)?;
    let [high, low] = (identifier << 5).to_be_bytes();
    // Four bytes of code, and four of a mask whose zeroes are compared. The data does not matter.
    let filter = [high, low, 0, 0, 0x00, 0x1f, 0xff, 0xff];
    for (at, byte) in (BUFFER..).zip(filter) {
        bench.write(bar, Width::B, at, byte.into())?;
    }
    bench.write(bar, Width::B, MODE, SINGLE_FILTER | RESET)?;
    bench.write(bar, Width::B, MODE, SINGLE_FILTER)?;
    Ok(bar)
}

fn receives_accepted(bench: &mut Bench<'_>, accepted: u16) -> Result<(), Failure> {
    let sender = start(bench, 4, 0)?;
    let receiver = start(bench, 5, accepted)?;
    for (identifier, expected) in [(0x122u16, 0), (0x123, 1), (0x133, 0), (0x523, 0)] {
        let [high, low] = (identifier << 5).to_be_bytes();
        for (at, byte) in (BUFFER..).zip([1, high, low, 0x42]) {
            bench.write(sender, Width::B, at, byte.into())?;
        }
        bench.write(sender, Width::B, COMMAND, SEND)?;
        let status = bench.read(receiver, Width::B, STATUS)?;
        bench.check(
            format!("frame {identifier:#x} received"),
            status & 1,
            expected,
        )?;
        bench.write(receiver, Width::B, COMMAND, RELEASE)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        let name = "receives-only-accepted-identifiers";
        check_fails(TESTS, name, "frame 0x122", |bench| {
            receives_accepted(bench, 0x122)
        });
    }
}

//! Intel's 82540EM gigabit controller (PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual).

use qtest::pci::Bar;
use qtest::{Bench, Failure, Test, Width};

pub(crate) const VENDOR: u16 = 0x8086;

const CONTROL: u64 = 0x0000;
const STATUS: u64 = 0x0008;
const EEPROM_READ: u64 = 0x0014;
const CAUSE_READ: u64 = 0x00c0;
const CAUSE_SET: u64 = 0x00c8;
const MASK_SET: u64 = 0x00d0;
const MASK_CLEAR: u64 = 0x00d8;
const RECEIVE_ADDRESS: u64 = 0x5400;

pub(crate) const RESET: u64 = 1 << 26;
pub(crate) const FULL_DUPLEX: u64 = 1;
const EEPROM_START: u64 = 1;

const BASE: Test = Test {
    models: &["e1000"],
    arguments: &["-device", "e1000,addr=4,mac=52:54:00:0c:0d:0e"],
    ..Test::of("e1000", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "has-address-in-eeprom",
        description: "The first words of the EEPROM are the Ethernet address",
        body: |bench| has_eeprom(bench, CARD, [0x5452, 0x0c00, 0x0e0d]),
        ..BASE
    },
    Test {
        name: "has-address-in-receive-filter",
        description: "The first receive address is the Ethernet address, and is valid",
        body: |bench| has_address(bench, CARD, 0x8000_0e0d),
        ..BASE
    },
    Test {
        name: "reports-full-duplex",
        description: "The status says full duplex",
        body: |bench| reports_duplex(bench, CARD, FULL_DUPLEX),
        ..BASE
    },
    Test {
        name: "clears-causes-by-reading",
        description: "Interrupt causes that are set are read once",
        body: |bench| clears_causes(bench, CARD, 0x14),
        ..BASE
    },
    Test {
        name: "masks-causes",
        description: "The mask keeps bits that are set until they are cleared",
        body: |bench| masks(bench, CARD, 0x04),
        ..BASE
    },
    Test {
        name: "ends-reset",
        description: "The reset bit clears itself",
        body: |bench| resets(bench, CARD, 0),
        ..BASE
    },
];

/// A card of this family: its PCI device, and where a word of the EEPROM is requested and done.
#[derive(Clone, Copy)]
pub(crate) struct Card {
    pub(crate) device: u16,
    pub(crate) eeprom_shift: u32,
    pub(crate) eeprom_done: u64,
}

const CARD: Card = Card {
    device: 0x100e,
    eeprom_shift: 8,
    eeprom_done: 1 << 4,
};

impl Card {
    fn find(self, bench: &mut Bench<'_>) -> Result<Bar, Failure> {
        bench.region(VENDOR, self.device, 0)
    }
}

pub(crate) fn has_eeprom(
    bench: &mut Bench<'_>,
    card: Card,
    expected: [u64; 3],
) -> Result<(), Failure> {
    let bar = card.find(bench)?;
    for (word, expected) in (0u64..).zip(expected) {
        bench.write(
            bar,
            Width::L,
            EEPROM_READ,
            word << card.eeprom_shift | EEPROM_START,
        )?;
        bench.wait_until("the EEPROM is read", |bench| {
            Ok(bench.read(bar, Width::L, EEPROM_READ)? & card.eeprom_done != 0)
        })?;
        let found = bench.read(bar, Width::L, EEPROM_READ)? >> 16;
        bench.check(format!("word {word} of the EEPROM"), found, expected)?;
    }
    Ok(())
}

pub(crate) fn has_address(bench: &mut Bench<'_>, card: Card, high: u64) -> Result<(), Failure> {
    let bar = card.find(bench)?;
    let low = bench.read(bar, Width::L, RECEIVE_ADDRESS)?;
    bench.check("low half of the address", low, 0x0c00_5452)?;
    let found = bench.read(bar, Width::L, RECEIVE_ADDRESS + 4)?;
    bench.check("high half of the address", found, high)
}

pub(crate) fn reports_duplex(
    bench: &mut Bench<'_>,
    card: Card,
    expected: u64,
) -> Result<(), Failure> {
    let bar = card.find(bench)?;
    let status = bench.read(bar, Width::L, STATUS)?;
    bench.check("full duplex", status & FULL_DUPLEX, expected)
}

pub(crate) fn clears_causes(
    bench: &mut Bench<'_>,
    card: Card,
    expected: u64,
) -> Result<(), Failure> {
    let bar = card.find(bench)?;
    bench.read(bar, Width::L, CAUSE_READ)?;
    bench.write(bar, Width::L, CAUSE_SET, 0x14)?;
    let causes = bench.read(bar, Width::L, CAUSE_READ)?;
    bench.check("causes", causes & 0xff, expected)?;
    let again = bench.read(bar, Width::L, CAUSE_READ)?;
    bench.check("causes when read again", again & 0xff, 0)
}

pub(crate) fn masks(bench: &mut Bench<'_>, card: Card, expected: u64) -> Result<(), Failure> {
    let bar = card.find(bench)?;
    bench.write(bar, Width::L, MASK_SET, 0x14)?;
    let set = bench.read(bar, Width::L, MASK_SET)?;
    bench.check("mask", set, 0x14)?;
    bench.write(bar, Width::L, MASK_CLEAR, 0x10)?;
    let cleared = bench.read(bar, Width::L, MASK_SET)?;
    bench.check("mask after a bit was cleared", cleared, expected)
}

pub(crate) fn resets(bench: &mut Bench<'_>, card: Card, expected: u64) -> Result<(), Failure> {
    let bar = card.find(bench)?;
    bench.write(bar, Width::L, CONTROL, RESET)?;
    let control = bench.read(bar, Width::L, CONTROL)?;
    bench.check("reset bit", control & RESET, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "has-address-in-eeprom", "word 2", |bench| {
            has_eeprom(bench, CARD, [0x5452, 0x0c00, 0x0f0d])
        });
        check_fails(
            TESTS,
            "has-address-in-receive-filter",
            "high half",
            |bench| has_address(bench, CARD, 0x0e0d),
        );
        check_fails(TESTS, "reports-full-duplex", "full duplex", |bench| {
            reports_duplex(bench, CARD, 0)
        });
        check_fails(TESTS, "clears-causes-by-reading", "causes", |bench| {
            clears_causes(bench, CARD, 0)
        });
        check_fails(TESTS, "masks-causes", "mask after", |bench| {
            masks(bench, CARD, 0x14)
        });
        check_fails(TESTS, "ends-reset", "reset bit", |bench| {
            resets(bench, CARD, RESET)
        });
    }
}

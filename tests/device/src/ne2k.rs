//! An NE2000 on PCI: the controller DP8390D (National Semiconductor data sheet) with its PROM and packet memory.

use qtest::pci::Bar;
use qtest::{Bench, Failure, Test, Width};

/// Registers of page 0.
const COMMAND: u64 = 0x00;
const STATUS: u64 = 0x07;
const DMA_ADDRESS: u64 = 0x08;
const DMA_COUNT: u64 = 0x0a;
const DATA_CONFIGURATION: u64 = 0x0e;
/// The port of the packet memory, and the one that resets the card.
const DATA: u64 = 0x10;
const RESET: u64 = 0x1f;

const STOP: u64 = 1;
const START: u64 = 1 << 1;
const READ: u64 = 1 << 3;
const WRITE: u64 = 2 << 3;
const NO_DMA: u64 = 4 << 3;
const PAGE_1: u64 = 1 << 6;
const DMA_DONE: u64 = 1 << 6;
const RESET_DONE: u64 = 1 << 7;

const PROM: u64 = 0;
/// The first byte of the packet memory.
const MEMORY: u64 = 0x4000;

const BASE: Test = Test {
    models: &["ne2k_pci"],
    arguments: &["-device", "ne2k_pci,addr=4,mac=52:54:00:0c:0d:0e"],
    ..Test::of("ne2k", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "has-address-in-prom",
        description: "The PROM has the Ethernet address, each byte twice, and the signature WW",
        body: |bench| has_prom(bench, [0x52, 0x54, 0x00, 0x0c, 0x0d, 0x0e]),
        ..BASE
    },
    Test {
        name: "keeps-packet-memory",
        description: "The packet memory keeps what remote DMA writes",
        body: |bench| keeps(bench, 0x5aa5),
        ..BASE
    },
    Test {
        name: "reports-end-of-remote-dma",
        description: "The last byte of remote DMA sets a status bit, which software clears",
        body: |bench| ends_dma(bench, DMA_DONE),
        ..BASE
    },
    Test {
        name: "reports-reset",
        description: "A card in reset says so in its status",
        body: |bench| resets(bench, RESET_DONE),
        ..BASE
    },
    Test {
        name: "keeps-physical-address",
        description: "Page 1 has the physical address, which page 0 does not change",
        body: |bench| keeps_address(bench, 0x66),
        ..BASE
    },
];

fn find(bench: &mut Bench<'_>) -> Result<Bar, Failure> {
    let bar = bench.region(0x10ec, 0x8029, 0)?;
    bench.write(bar, Width::B, COMMAND, STOP | NO_DMA)?;
    // Transfers of words.
    bench.write(bar, Width::B, DATA_CONFIGURATION, 0x49)?;
    Ok(bar)
}

/// Starts remote DMA of some bytes.
fn transfer(
    bench: &mut Bench<'_>,
    bar: Bar,
    command: u64,
    address: u64,
    count: u64,
) -> Result<(), Failure> {
    for (register, value) in [(DMA_COUNT, count), (DMA_ADDRESS, address)] {
        bench.write(bar, Width::B, register, value & 0xff)?;
        bench.write(bar, Width::B, register + 1, value >> 8)?;
    }
    bench.write(bar, Width::B, COMMAND, START | command)
}

fn has_prom(bench: &mut Bench<'_>, expected: [u64; 6]) -> Result<(), Failure> {
    let bar = find(bench)?;
    transfer(bench, bar, READ, PROM, 32)?;
    for (at, byte) in expected.into_iter().enumerate() {
        let found = bench.read(bar, Width::W, DATA)?;
        bench.check(format!("byte {at} of the address"), found, byte << 8 | byte)?;
    }
    for at in 6..16 {
        let found = bench.read(bar, Width::W, DATA)?;
        if at >= 14 {
            bench.check("signature", found, 0x5757)?;
        }
    }
    Ok(())
}

fn keeps(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = find(bench)?;
    transfer(bench, bar, WRITE, MEMORY + 0x100, 4)?;
    for value in [0x1234, 0x5aa5] {
        bench.write(bar, Width::W, DATA, value)?;
    }
    transfer(bench, bar, READ, MEMORY + 0x100, 6)?;
    let first = bench.read(bar, Width::W, DATA)?;
    bench.check("first word", first, 0x1234)?;
    let second = bench.read(bar, Width::W, DATA)?;
    bench.check("second word", second, expected)?;
    let behind = bench.read(bar, Width::W, DATA)?;
    bench.check("word behind them", behind, 0)
}

fn ends_dma(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = find(bench)?;
    bench.write(bar, Width::B, STATUS, 0xff)?;
    transfer(bench, bar, READ, MEMORY, 4)?;
    bench.read(bar, Width::W, DATA)?;
    let before = bench.read(bar, Width::B, STATUS)?;
    bench.check("status before the end", before & DMA_DONE, 0)?;
    bench.read(bar, Width::W, DATA)?;
    let found = bench.read(bar, Width::B, STATUS)?;
    bench.check("status at the end", found & DMA_DONE, expected)?;
    bench.write(bar, Width::B, STATUS, DMA_DONE)?;
    let after = bench.read(bar, Width::B, STATUS)?;
    bench.check("status that was cleared", after & DMA_DONE, 0)
}

fn resets(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = find(bench)?;
    let value = bench.read(bar, Width::B, RESET)?;
    bench.write(bar, Width::B, RESET, value)?;
    let found = bench.read(bar, Width::B, STATUS)?;
    bench.check("status", found & RESET_DONE, expected)
}

fn keeps_address(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = find(bench)?;
    bench.write(bar, Width::B, COMMAND, STOP | NO_DMA | PAGE_1)?;
    bench.write(bar, Width::B, 6, 0x66)?;
    bench.write(bar, Width::B, COMMAND, STOP | NO_DMA)?;
    // Register 6 of page 0 is the upper byte of a count.
    bench.write(bar, Width::B, 6, 0x77)?;
    bench.write(bar, Width::B, COMMAND, STOP | NO_DMA | PAGE_1)?;
    let found = bench.read(bar, Width::B, 6)?;
    bench.check("last byte of the address", found, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "has-address-in-prom", "byte 5", |bench| {
            has_prom(bench, [0x52, 0x54, 0x00, 0x0c, 0x0d, 0x0f])
        });
        check_fails(TESTS, "keeps-packet-memory", "second word", |bench| {
            keeps(bench, 0xa55a)
        });
        check_fails(TESTS, "reports-end-of-remote-dma", "at the end", |bench| {
            ends_dma(bench, 0)
        });
        check_fails(TESTS, "reports-reset", "status", |bench| resets(bench, 0));
        check_fails(TESTS, "keeps-physical-address", "last byte", |bench| {
            keeps_address(bench, 0x77)
        });
    }
}

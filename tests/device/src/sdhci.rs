//! An SD host controller on PCI (SD Host Controller Simplified Specification 2.0).

use qtest::pci::Bar;
use qtest::{Bench, Failure, Test, Width};

use crate::ide::DISK;

const BLOCK_SIZE: u64 = 0x04;
const BLOCK_COUNT: u64 = 0x06;
const ARGUMENT: u64 = 0x08;
const TRANSFER_MODE: u64 = 0x0c;
const COMMAND: u64 = 0x0e;
const RESPONSE: u64 = 0x10;
const DATA: u64 = 0x20;
const PRESENT_STATE: u64 = 0x24;
const POWER: u64 = 0x29;
const CLOCK: u64 = 0x2c;
const SOFTWARE_RESET: u64 = 0x2f;
/// Normal interrupts, and errors in the upper 16 bits.
const INTERRUPTS: u64 = 0x30;
const INTERRUPTS_ENABLE: u64 = 0x34;

/// Interrupts: the end of a command and of a transfer, and a buffer for data.
const COMMAND_COMPLETE: u64 = 1;
const TRANSFER_COMPLETE: u64 = 1 << 1;
const WRITE_READY: u64 = 1 << 4;
const READ_READY: u64 = 1 << 5;

/// A command register: the index, and the type of the response with its checks. Some have data.
mod command {
    const LONG: u64 = 0x09;
    const UNCHECKED: u64 = 0x02;
    const CHECKED: u64 = 0x1a;
    const BUSY: u64 = 0x1b;
    const WITH_DATA: u64 = CHECKED | 1 << 5;

    pub(super) const RESET: u64 = 0;
    pub(super) const ALL_IDENTIFY: u64 = 2 << 8 | LONG;
    pub(super) const ADDRESS: u64 = 3 << 8 | CHECKED;
    pub(super) const SELECT: u64 = 7 << 8 | BUSY;
    pub(super) const INTERFACE_CONDITION: u64 = 8 << 8 | CHECKED;
    pub(super) const READ_BLOCK: u64 = 17 << 8 | WITH_DATA;
    pub(super) const WRITE_BLOCK: u64 = 24 << 8 | WITH_DATA;
    pub(super) const OPERATING_CONDITION: u64 = 41 << 8 | UNCHECKED;
    pub(super) const APPLICATION: u64 = 55 << 8 | CHECKED;
}

/// The voltage that a card is asked for, with a pattern that it returns.
const CONDITION: u64 = 0x1aa;
const BLOCK: u64 = 512;

const BASE: Test = Test {
    models: &["sdhci-pci"],
    arguments: &["-device", "sdhci-pci,addr=4"],
    ..Test::of("sdhci", &["pci"])
};

const WITH_CARD: Test = Test {
    models: &["sdhci-pci", "sd-card"],
    arguments: &[
        "-drive",
        DISK,
        "-device",
        "sdhci-pci,addr=4",
        "-device",
        "sd-card,drive=disk",
    ],
    ..BASE
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "has-no-card",
        description: "The present state has no card, and no command is running",
        body: |bench| reads_state(bench, 0),
        ..BASE
    },
    Test {
        name: "ends-reset",
        description: "The software reset clears itself and the block size",
        body: |bench| ends_reset(bench, 0),
        ..BASE
    },
    Test {
        name: "card-answers-command",
        description: "A card returns the voltage and the pattern of SEND_IF_COND",
        body: |bench| answers(bench, CONDITION),
        ..WITH_CARD
    },
    Test {
        name: "card-keeps-blocks",
        description: "A block that is written through the data port is read back, and the next one is not changed",
        body: |bench| keeps_blocks(bench, 0x5aa5_0000),
        ..WITH_CARD
    },
];

fn sdhci(bench: &mut Bench<'_>) -> Result<Bar, Failure> {
    bench.region(0x1b36, 0x0007, 0)
}

fn reads_state(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = sdhci(bench)?;
    let state = bench.read(bar, Width::L, PRESENT_STATE)?;
    bench.check("card inserted", state & 1 << 16, expected)?;
    bench.check("command inhibited", state & 1, 0)
}

fn ends_reset(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = sdhci(bench)?;
    bench.write(bar, Width::W, BLOCK_SIZE, BLOCK)?;
    let before = bench.read(bar, Width::W, BLOCK_SIZE)?;
    bench.check("block size before", before & 0xfff, BLOCK)?;
    bench.write(bar, Width::B, SOFTWARE_RESET, 1)?;
    let reset = bench.read(bar, Width::B, SOFTWARE_RESET)?;
    bench.check("reset", reset, 0)?;
    let after = bench.read(bar, Width::W, BLOCK_SIZE)?;
    bench.check("block size after", after & 0xfff, expected)
}

/// Sends a command. Returns the first word of the response.
fn send(bench: &mut Bench<'_>, bar: Bar, command: u64, argument: u64) -> Result<u64, Failure> {
    let index = command >> 8;
    bench.write(bar, Width::L, INTERRUPTS, 0xffff_ffff)?;
    bench.write(bar, Width::L, ARGUMENT, argument)?;
    bench.write(bar, Width::W, COMMAND, command)?;
    let interrupts = bench.read(bar, Width::L, INTERRUPTS)?;
    bench.check(format!("errors of command {index}"), interrupts >> 16, 0)?;
    let is_complete = interrupts & COMMAND_COMPLETE;
    bench.check(
        format!("end of command {index}"),
        is_complete,
        COMMAND_COMPLETE,
    )?;
    bench.read(bar, Width::L, RESPONSE)
}

/// Switches power and clock on, and resets the card.
fn card(bench: &mut Bench<'_>) -> Result<Bar, Failure> {
    /// 3.3 V, and the power is on.
    const VOLTAGE: u64 = 0x0f;
    let bar = sdhci(bench)?;
    bench.write(bar, Width::B, POWER, VOLTAGE)?;
    // The internal clock, which is stable at once, then the clock of the card.
    bench.write(bar, Width::W, CLOCK, 1)?;
    bench.wait_until("the clock is stable", |bench| {
        Ok(bench.read(bar, Width::W, CLOCK)? & 2 != 0)
    })?;
    bench.write(bar, Width::W, CLOCK, 1 | 1 << 2)?;
    bench.write(bar, Width::L, INTERRUPTS_ENABLE, 0x01ff_00ff)?;
    send(bench, bar, command::RESET, 0)?;
    Ok(bar)
}

fn answers(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = card(bench)?;
    let found = send(bench, bar, command::INTERFACE_CONDITION, CONDITION)?;
    bench.check("response", found, expected)
}

/// Brings the card from the idle to the transfer state.
fn selected_card(bench: &mut Bench<'_>) -> Result<Bar, Failure> {
    /// All voltages, and the host supports cards of high capacity.
    const HOST: u64 = 0x40ff_8000;
    const READY: u64 = 1 << 31;
    let bar = card(bench)?;
    send(bench, bar, command::INTERFACE_CONDITION, CONDITION)?;
    send(bench, bar, command::APPLICATION, 0)?;
    let condition = send(bench, bar, command::OPERATING_CONDITION, HOST)?;
    bench.check("card is ready", condition & READY, READY)?;
    send(bench, bar, command::ALL_IDENTIFY, 0)?;
    let address = send(bench, bar, command::ADDRESS, 0)? & 0xffff_0000;
    send(bench, bar, command::SELECT, address)?;
    bench.write(bar, Width::W, BLOCK_SIZE, BLOCK)?;
    bench.write(bar, Width::W, BLOCK_COUNT, 1)?;
    Ok(bar)
}

/// Starts the transfer of a block, and waits until the data port is ready. A card of this size has byte addresses.
fn transfer(
    bench: &mut Bench<'_>,
    bar: Bar,
    (command, ready): (u64, u64),
    block: u64,
) -> Result<(), Failure> {
    let mode = u64::from(ready == READ_READY) << 4;
    bench.write(bar, Width::W, TRANSFER_MODE, mode)?;
    send(bench, bar, command, block * BLOCK)?;
    bench.wait_until("the data port is ready", |bench| {
        Ok(bench.read(bar, Width::L, INTERRUPTS)? & ready != 0)
    })
}

fn keeps_blocks(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = selected_card(bench)?;
    transfer(bench, bar, (command::WRITE_BLOCK, WRITE_READY), 5)?;
    for word in 0..BLOCK / 4 {
        bench.write(bar, Width::L, DATA, 0x5aa5_0000 + word)?;
    }
    bench.wait_until("the block is written", |bench| {
        Ok(bench.read(bar, Width::L, INTERRUPTS)? & TRANSFER_COMPLETE != 0)
    })?;
    for (block, first, step) in [(6, 0, 0), (5, expected, 1)] {
        transfer(bench, bar, (command::READ_BLOCK, READ_READY), block)?;
        for word in 0..BLOCK / 4 {
            let found = bench.read(bar, Width::L, DATA)?;
            bench.check(
                format!("word {word} of block {block}"),
                found,
                first + step * word,
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "has-no-card", "card", |bench| {
            reads_state(bench, 1 << 16)
        });
        check_fails(TESTS, "ends-reset", "block size after", |bench| {
            ends_reset(bench, 0x200)
        });
        check_fails(TESTS, "card-answers-command", "response", |bench| {
            answers(bench, 0x2aa)
        });
        check_fails(TESTS, "card-keeps-blocks", "word 0 of block 5", |bench| {
            keeps_blocks(bench, 0)
        });
    }
}

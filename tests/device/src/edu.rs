//! QEMU's educational device (docs/specs/edu.rst).
//!
//! Up to QEMU 10.0 at least, its registers have the byte order of the target, although PCI is
//! little-endian. The tests run on little-endian targets, where both agree.

use qtest::pci::{Bar, Function, register};
use qtest::{Bench, Failure, Test, Width};

const VENDOR: u16 = 0x1234;
const DEVICE: u16 = 0x11e8;

const IDENTIFICATION: u64 = 0x00;
const LIVENESS: u64 = 0x04;
const FACTORIAL: u64 = 0x08;
const STATUS: u64 = 0x20;
const INTERRUPT_STATUS: u64 = 0x24;
const INTERRUPT_RAISE: u64 = 0x60;
const INTERRUPT_ACKNOWLEDGE: u64 = 0x64;

/// Status: the factorial computation is running.
const COMPUTING: u64 = 0x01;
/// Status: the end of a computation raises an interrupt.
const INTERRUPT_WANTED: u64 = 0x80;
/// Interrupt status: a computation has ended.
const COMPUTED: u64 = 0x01;
/// PCI status: the function asserts its interrupt pin.
const INTX: u32 = 1 << 3;

const BASE: Test = Test {
    models: &["edu"],
    arguments: &["-device", "edu,addr=4"],
    ..Test::of("edu", &["pci", "little-endian"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "identifies-itself",
        description: "The identification register has the version and 0xed",
        body: |bench| identifies(bench, 0x0100_00ed),
        ..BASE
    },
    Test {
        name: "inverts-liveness-word",
        description: "The liveness register returns the complement of what was written",
        body: |bench| inverts(bench, 0xedcb_a987),
        ..BASE
    },
    Test {
        name: "computes-factorial",
        description: "The factorial of a number replaces it when the status says so",
        body: |bench| computes(bench, (10, 3_628_800)),
        ..BASE
    },
    Test {
        name: "interrupts-after-computation-on-request",
        description: "The end of a computation raises an interrupt while the status register requests it",
        body: |bench| interrupts_on_request(bench, COMPUTED),
        ..BASE
    },
    Test {
        name: "raises-interrupt-by-pin",
        description: "A raised interrupt is pending until all its bits are acknowledged",
        body: |bench| raises(bench, 0b101),
        ..BASE
    },
    Test {
        name: "sends-interrupt-as-message",
        description: "With MSI enabled, an interrupt is a write of the message's data to its address",
        needs: &["pci", "dma", "little-endian"],
        body: |bench| sends_message(bench, 0x4b49),
        ..BASE
    },
];

fn find(bench: &mut Bench<'_>) -> Result<(Function, Bar), Failure> {
    let function = bench.function(VENDOR, DEVICE)?;
    let bar = bench.map(function, 0)?;
    bench.check("size of BAR 0", bar.size, 1 << 20)?;
    Ok((function, bar))
}

fn identifies(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let (_, bar) = find(bench)?;
    let found = bench.read(bar, Width::L, IDENTIFICATION)?;
    bench.check("identification", found, expected)
}

fn inverts(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let (_, bar) = find(bench)?;
    bench.write(bar, Width::L, LIVENESS, 0x1234_5678)?;
    let found = bench.read(bar, Width::L, LIVENESS)?;
    bench.check("liveness", found, expected)
}

fn computes(bench: &mut Bench<'_>, (number, factorial): (u64, u64)) -> Result<(), Failure> {
    let (_, bar) = find(bench)?;
    bench.write(bar, Width::L, FACTORIAL, number)?;
    bench.wait_until("the factorial is computed", |bench| {
        Ok(bench.read(bar, Width::L, STATUS)? & COMPUTING == 0)
    })?;
    let found = bench.read(bar, Width::L, FACTORIAL)?;
    bench.check(format!("factorial of {number}"), found, factorial)
}

fn interrupts_on_request(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let (_, bar) = find(bench)?;
    bench.write(bar, Width::L, STATUS, INTERRUPT_WANTED)?;
    let status = bench.read(bar, Width::L, STATUS)?;
    bench.check("status with interrupts", status, INTERRUPT_WANTED)?;
    bench.write(bar, Width::L, FACTORIAL, 5)?;
    bench.wait_until("the interrupt is raised", |bench| {
        Ok(bench.read(bar, Width::L, INTERRUPT_STATUS)? != 0)
    })?;
    let found = bench.read(bar, Width::L, INTERRUPT_STATUS)?;
    bench.check("interrupt status", found, expected)?;
    bench.write(bar, Width::L, INTERRUPT_ACKNOWLEDGE, found)?;
    bench.write(bar, Width::L, STATUS, 0)?;
    let status = bench.read(bar, Width::L, STATUS)?;
    bench.check("status without interrupts", status, 0)
}

fn raises(bench: &mut Bench<'_>, bits: u64) -> Result<(), Failure> {
    let (function, bar) = find(bench)?;
    let pending = |bench: &mut Bench<'_>| {
        Ok::<_, Failure>(bench.config(function, Width::W, register::STATUS)? & INTX)
    };
    let before = pending(bench)?;
    bench.check("pending before", before, 0)?;
    bench.write(bar, Width::L, INTERRUPT_RAISE, 0b101)?;
    let found = bench.read(bar, Width::L, INTERRUPT_STATUS)?;
    bench.check("interrupt status", found, bits)?;
    let raised = pending(bench)?;
    bench.check("pending when raised", raised, INTX)?;
    bench.write(bar, Width::L, INTERRUPT_ACKNOWLEDGE, 0b100)?;
    let half = pending(bench)?;
    bench.check("pending with one bit left", half, INTX)?;
    bench.write(bar, Width::L, INTERRUPT_ACKNOWLEDGE, 0b001)?;
    let after = pending(bench)?;
    bench.check("pending when acknowledged", after, 0)
}

fn sends_message(bench: &mut Bench<'_>, data: u64) -> Result<(), Failure> {
    let (function, bar) = find(bench)?;
    let target = bench.allocate(4, 4)?;
    bench.enable_msi(function, target, 0x4b49)?;
    bench.write(bar, Width::L, INTERRUPT_RAISE, 1)?;
    let found = bench.session.read_le(Width::L, target)?;
    bench.check("data of the message", found, data)?;
    let status = bench.config(function, Width::W, register::STATUS)?;
    bench.check("pending by pin", status & INTX, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "identifies-itself", "identification", |bench| {
            identifies(bench, 0x0100_00ee)
        });
        check_fails(TESTS, "inverts-liveness-word", "liveness", |bench| {
            inverts(bench, 0x1234_5678)
        });
        check_fails(TESTS, "computes-factorial", "factorial of 10", |bench| {
            computes(bench, (10, 3_628_801))
        });
        check_fails(
            TESTS,
            "interrupts-after-computation-on-request",
            "interrupt status",
            |bench| interrupts_on_request(bench, 0x02),
        );
        check_fails(
            TESTS,
            "raises-interrupt-by-pin",
            "interrupt status",
            |bench| raises(bench, 0b001),
        );
        check_fails(
            TESTS,
            "sends-interrupt-as-message",
            "data of the message",
            |bench| sends_message(bench, 0),
        );
    }
}

//! The timer 8254 at the ports of a PC (Intel data sheet 231164).

use qtest::{Bench, Failure, Test};

const PIT: u16 = 0x40;

const BASE: Test = Test::of("i8254", &["isa"]);

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "reports-its-mode",
        description: "The read-back command of the 8254 returns mode and access of a counter",
        body: |bench| reports_mode(bench, 0x34),
        ..BASE
    },
    Test {
        name: "interrupts-each-period",
        description: "Counter 0 in mode 2 raises its interrupt once per period of 1,193,182 Hz",
        clock: true,
        body: |bench| counts_periods(bench, 16),
        ..BASE
    },
];

/// Sets counter 0 to mode 2 with two bytes of count, and reads its status back.
fn status_of_counter(bench: &mut Bench<'_>) -> Result<u8, Failure> {
    const STATUS_OF_0: u8 = 0xe2;
    for (port, value) in [
        (PIT + 3, 0x34),
        (PIT, 0x00),
        (PIT, 0x10),
        (PIT + 3, STATUS_OF_0),
    ] {
        bench.session.outb(port, value)?;
    }
    Ok(bench.session.inb(PIT)?)
}

fn reports_mode(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let status = status_of_counter(bench)?;
    bench.check("access, mode and BCD", status & 0x3f, expected)
}

fn counts_periods(bench: &mut Bench<'_>, expected: usize) -> Result<(), Failure> {
    // 16 periods of 4096 ticks, and half a period so that rounding does not count.
    const NANOSECONDS: u64 = 4096 * 33 * 1_000_000_000 / (2 * 1_193_182);
    bench.session.irq_intercept_in("ioapic")?;
    for (port, value) in [(PIT + 3, 0x34), (PIT, 0x00), (PIT, 0x10)] {
        bench.session.outb(port, value)?;
    }
    bench.session.take_irqs();
    bench.session.clock_step(Some(NANOSECONDS))?;
    let irqs = bench.session.take_irqs();
    // Lines are counted as interrupts of ISA, before the override that leads the timer to input 2.
    let raised = irqs.iter().filter(|irq| irq.line == 0 && irq.raised);
    bench.check("interrupts", raised.count(), expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "reports-its-mode", "access", |bench| {
            reports_mode(bench, 0x36)
        });
        check_fails(TESTS, "interrupts-each-period", "interrupts", |bench| {
            counts_periods(bench, 15)
        });
    }
}

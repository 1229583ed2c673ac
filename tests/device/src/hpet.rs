//! The high-precision event timer of a PC (IA-PC HPET Specification 1.0a).

use qtest::{Bench, Failure, Test, Width};

const HPET: u64 = 0xfed0_0000;

const BASE: Test = Test::of("hpet", &["isa"]);

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "reports-period",
        description: "The period of the counter is 10 ns, and there are at least three comparators",
        body: |bench| reports_period(bench, 10_000_000),
        ..BASE
    },
    Test {
        name: "disabled-counter-keeps-value",
        description: "The main counter of a timer that is not enabled keeps what is written",
        body: |bench| keeps_counter(bench, 0x1234_5678),
        ..BASE
    },
    Test {
        name: "comparator-fires-once",
        description: "A one-shot comparator requests its interrupt at its time, once",
        clock: true,
        body: |bench| fires_once(bench, 1),
        ..BASE
    },
];

fn reports_period(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let period = bench.session.readl(HPET + 4)?;
    bench.check("period in femtoseconds", period, expected)?;
    let capabilities = bench.session.readl(HPET)?;
    let comparators = (capabilities >> 8 & 0x1f) + 1;
    bench.check("three comparators", comparators >= 3, true)
}

fn keeps_counter(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    bench.session.write_width(Width::Q, HPET + 0x10, 0)?;
    bench.session.writel(HPET + 0xf0, 0x1234_5678)?;
    let found = bench.session.readl(HPET + 0xf0)?;
    bench.check("counter", u64::from(found), expected)?;
    let again = bench.session.readl(HPET + 0xf0)?;
    bench.check("counter when read again", u64::from(again), expected)
}

fn fires_once(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    const ENABLE: u32 = 1;
    const LEVEL: u32 = 1 << 1;
    const INTERRUPT: u32 = 1 << 2;
    const STATUS: u64 = HPET + 0x20;
    const TIMER: u64 = HPET + 0x100;
    // A tick takes 10 ns: the interrupt is due after 10 µs.
    bench.session.writel(TIMER, LEVEL | INTERRUPT)?;
    bench.session.writel(TIMER + 8, 1000)?;
    bench.session.writel(TIMER + 12, 0)?;
    bench.session.writel(HPET + 0x10, ENABLE)?;
    bench.session.clock_step(Some(9_000))?;
    let early = bench.session.readl(STATUS)?;
    bench.check("status before its time", early, 0)?;
    bench.session.clock_step(Some(2_000))?;
    let due = bench.session.readl(STATUS)?;
    bench.check("status at its time", due, expected)?;
    bench.session.writel(STATUS, 1)?;
    bench.session.clock_step(Some(1_000_000))?;
    let later = bench.session.readl(STATUS)?;
    bench.check("status after it was cleared", later, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "reports-period", "period", |bench| {
            reports_period(bench, 1)
        });
        check_fails(TESTS, "disabled-counter-keeps-value", "counter", |bench| {
            keeps_counter(bench, 0)
        });
        check_fails(TESTS, "comparator-fires-once", "its time", |bench| {
            fires_once(bench, 0)
        });
    }
}

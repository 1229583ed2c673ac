//! Arm's real-time clock PL031 (DDI 0224).

use qtest::{Bench, Failure, Test};

use crate::primecell::identifies;

const BASE: Test = Test {
    arguments: &["-rtc", "base=2023-11-14T22:13:20,clock=vm"],
    ..Test::of("pl031", &["primecell"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "identifies-itself",
        description: "The identification registers have part number 0x031",
        body: |bench| identifies(bench, "pl031", 0x31),
        ..BASE
    },
    Test {
        name: "shows-base-time",
        description: "The data register has the seconds since 1970 that QEMU was told",
        body: |bench| shows_time(bench, 1_700_000_000),
        ..BASE
    },
    Test {
        name: "takes-a-new-time",
        description: "A time that is loaded is the new time",
        body: |bench| loads_time(bench, 0x1234_5678),
        ..BASE
    },
    Test {
        name: "matches-at-its-time",
        description: "The alarm is raised in the second that it matches, and stays until it is cleared",
        clock: true,
        body: |bench| matches_time(bench, 1),
        ..BASE
    },
];

fn shows_time(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let base = bench.at("pl031")?;
    let found = bench.session.readl(base)?;
    bench.check("time", found, expected)
}

fn loads_time(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let base = bench.at("pl031")?;
    bench.session.writel(base + 0x08, 0x1234_5678)?;
    let found = bench.session.readl(base)?;
    bench.check("time", found, expected)
}

fn matches_time(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let base = bench.at("pl031")?;
    let now = bench.session.readl(base)?;
    bench.session.writel(base + 0x04, now + 2)?;
    bench.session.writel(base + 0x10, 1)?;
    bench.session.clock_step(Some(1_000_000_000))?;
    let early = bench.session.readl(base + 0x14)?;
    bench.check("raw status before the match", early, 0)?;
    bench.session.clock_step(Some(1_500_000_000))?;
    let due = bench.session.readl(base + 0x18)?;
    bench.check("status at the match", due, expected)?;
    bench.session.writel(base + 0x1c, 1)?;
    let cleared = bench.session.readl(base + 0x14)?;
    bench.check("raw status after it was cleared", cleared, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "shows-base-time", "time", |bench| {
            shows_time(bench, 1)
        });
        check_fails(TESTS, "takes-a-new-time", "time", |bench| {
            loads_time(bench, 1)
        });
        check_fails(TESTS, "matches-at-its-time", "at the match", |bench| {
            matches_time(bench, 0)
        });
    }
}

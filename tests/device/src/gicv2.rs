//! The distributor of the interrupt controller `GICv2` (Arm IHI 0048).

use qtest::{Bench, Failure, Test};

const BASE: Test = Test {
    arguments: &["-machine", "gic-version=2"],
    ..Test::of("gicv2", &["primecell"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "reports-its-lines",
        description: "The distributor has 288 interrupt lines, 32 of them per processor",
        body: |bench| reports_lines(bench, 8),
        ..BASE
    },
    Test {
        name: "enables-and-disables-lines",
        description: "Set-enable and clear-enable registers change only the bits that are written",
        body: |bench| enables_lines(bench, 0x6),
        ..BASE
    },
    Test {
        name: "keeps-priorities",
        description: "The priority of a shared interrupt is kept",
        body: |bench| keeps_priority(bench, 0xa0),
        ..BASE
    },
    Test {
        name: "pends-a-driven-line",
        description: "A shared interrupt is pending while its line is driven",
        clock: true,
        body: |bench| pends_line(bench, 1 << 9),
        ..BASE
    },
];

fn reports_lines(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let base = bench.at("gic")?;
    let found = bench.session.readl(base + 0x004)?;
    bench.check("lines in units of 32, less one", found & 0x1f, expected)
}

fn enables_lines(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let base = bench.at("gic")?;
    bench.session.writel(base + 0x104, 0x7)?;
    bench.session.writel(base + 0x184, 0x1)?;
    let found = bench.session.readl(base + 0x104)?;
    bench.check("enabled lines", found, expected)
}

fn keeps_priority(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let base = bench.at("gic")?;
    bench.session.writeb(base + 0x420, 0xa0)?;
    let found = bench.session.readb(base + 0x420)?;
    bench.check("priority", found, expected)
}

fn pends_line(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    const LINE: u32 = 9;
    let base = bench.at("gic")?;
    let chip = bench.device_path("arm_gic")?;
    let before = bench.session.readl(base + 0x204)?;
    bench.check("pending before", before & (1 << LINE), 0)?;
    bench.session.set_irq_in(&chip, "", LINE, 1)?;
    let driven = bench.session.readl(base + 0x204)?;
    bench.check("pending while it is driven", driven & (1 << LINE), expected)?;
    bench.session.set_irq_in(&chip, "", LINE, 0)?;
    let released = bench.session.readl(base + 0x204)?;
    bench.check("pending after", released & (1 << LINE), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "reports-its-lines", "lines", |bench| {
            reports_lines(bench, 1)
        });
        check_fails(TESTS, "enables-and-disables-lines", "enabled", |bench| {
            enables_lines(bench, 0x7)
        });
        check_fails(TESTS, "keeps-priorities", "priority", |bench| {
            keeps_priority(bench, 0)
        });
        check_fails(TESTS, "pends-a-driven-line", "driven", |bench| {
            pends_line(bench, 0)
        });
    }
}

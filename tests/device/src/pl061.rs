//! Arm's GPIO controller PL061 (DDI 0190).

use qtest::{Bench, Failure, Test};

use crate::primecell::identifies;

const BASE: Test = Test::of("pl061", &["primecell"]);

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "identifies-itself",
        description: "The identification registers have part number 0x061",
        body: |bench| identifies(bench, "pl061", 0x61),
        ..BASE
    },
    Test {
        name: "masks-data-by-address",
        description: "Bits of the address select which bits of the data register are written",
        body: |bench| masks_data(bench, 0x0a),
        ..BASE
    },
    Test {
        name: "shows-its-inputs",
        description: "A line that is driven from outside shows in the data register and requests an interrupt",
        clock: true,
        body: |bench| shows_input(bench, 1 << 5),
        ..BASE
    },
];

fn shows_input(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    const LINE: u32 = 5;
    let base = bench.at("pl061")?;
    let chip = bench.device_path("pl061")?;
    // The interrupt of this line follows the rising edge.
    bench.session.writel(base + 0x40c, 1 << LINE)?;
    bench.session.writel(base + 0x410, 1 << LINE)?;
    bench.session.set_irq_in(&chip, "", LINE, 1)?;
    let data = bench.session.readl(base + (0xff << 2))?;
    bench.check("data", data & (1 << LINE), expected)?;
    let status = bench.session.readl(base + 0x418)?;
    bench.check("masked interrupt status", status, expected)?;
    bench.session.set_irq_in(&chip, "", LINE, 0)?;
    let data = bench.session.readl(base + (0xff << 2))?;
    bench.check("data of the released line", data & (1 << LINE), 0)
}

fn masks_data(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let base = bench.at("pl061")?;
    // All lines are outputs.
    bench.session.writel(base + 0x400, 0xff)?;
    bench.session.writel(base + (0xff << 2), 0)?;
    bench.session.writel(base + (0x0a << 2), 0xff)?;
    let found = bench.session.readl(base + (0xff << 2))?;
    bench.check("data", found, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "masks-data-by-address", "data", |bench| {
            masks_data(bench, 0xff)
        });
        check_fails(TESTS, "shows-its-inputs", "data", |bench| {
            shows_input(bench, 0)
        });
    }
}

//! Arm's UART PL011 (DDI 0183).

use qtest::{Bench, Failure, Test, Version};

use crate::primecell::identifies;

const BASE: Test = Test::of("pl011", &["primecell"]);

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "identifies-itself",
        description: "The identification registers have part number 0x011",
        body: |bench| identifies(bench, "pl011", 0x11),
        ..BASE
    },
    Test {
        name: "flags-are-idle",
        description: "After a reset, the transmit FIFO is empty and so is the receive FIFO",
        body: |bench| reads_flags(bench, 0x90),
        ..BASE
    },
    Test {
        name: "keeps-baud-rate",
        description: "The divisors of the baud rate keep 16 and 6 bits",
        // Older versions keep 32 bits.
        oldest_qemu: Version::new(10, 0, 0),
        body: |bench| keeps_divisors(bench, 0x3f),
        ..BASE
    },
];

fn reads_flags(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let base = bench.at("pl011")?;
    let flags = bench.session.readl(base + 0x18)?;
    bench.check("flags", flags & 0xf8, expected)
}

fn keeps_divisors(bench: &mut Bench<'_>, fraction: u32) -> Result<(), Failure> {
    let base = bench.at("pl011")?;
    bench.session.writel(base + 0x24, 0xffff_ffff)?;
    bench.session.writel(base + 0x28, 0xffff_ffff)?;
    let whole = bench.session.readl(base + 0x24)?;
    bench.check("integer divisor", whole, 0xffff)?;
    let found = bench.session.readl(base + 0x28)?;
    bench.check("fractional divisor", found, fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "identifies-itself", "part number", |bench| {
            identifies(bench, "pl011", 0x10)
        });
        check_fails(TESTS, "flags-are-idle", "flags", |bench| {
            reads_flags(bench, 0)
        });
        check_fails(TESTS, "keeps-baud-rate", "fractional", |bench| {
            keeps_divisors(bench, 0xff)
        });
    }
}

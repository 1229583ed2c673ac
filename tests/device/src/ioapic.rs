//! The I/O APIC 82093AA of a PC (Intel data sheet 290566).

use qtest::{Bench, Failure, Test};

const IOAPIC: u64 = 0xfec0_0000;

const BASE: Test = Test::of("ioapic", &["isa"]);

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "reports-24-entries",
        description: "The version register has the number of redirection entries",
        body: |bench| reports_entries(bench, 24),
        ..BASE
    },
    Test {
        name: "keeps-redirection-entry",
        description: "An entry keeps its vector and mask; its status bits are read-only",
        body: |bench| keeps_entry(bench, 0x1_0035),
        ..BASE
    },
];

fn register(bench: &mut Bench<'_>, register: u8) -> Result<u32, Failure> {
    bench.session.writel(IOAPIC, register.into())?;
    Ok(bench.session.readl(IOAPIC + 0x10)?)
}

fn reports_entries(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let version = register(bench, 1)?;
    bench.check("redirection entries", (version >> 16 & 0xff) + 1, expected)
}

fn keeps_entry(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    // Delivery status (bit 12) and remote IRR (bit 14) are read-only.
    bench.session.writel(IOAPIC, 0x10)?;
    bench.session.writel(IOAPIC + 0x10, 0x1_5035)?;
    let found = register(bench, 0x10)?;
    bench.check("redirection entry", found, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "reports-24-entries", "entries", |bench| {
            reports_entries(bench, 16)
        });
        check_fails(TESTS, "keeps-redirection-entry", "entry", |bench| {
            keeps_entry(bench, 0x1_5035)
        });
    }
}

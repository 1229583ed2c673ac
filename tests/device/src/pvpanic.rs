//! pvpanic on PCI (QEMU's docs/specs/pvpanic.rst).

use qtest::{Bench, Failure, Test, Width};

const BASE: Test = Test {
    models: &["pvpanic-pci"],
    arguments: &["-device", "pvpanic-pci,addr=4"],
    ..Test::of("pvpanic", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "reports-supported-events",
    description: "The register has panic and crash-loaded",
    body: |bench| reports_events(bench, 0b11),
    ..BASE
}];

fn reports_events(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = bench.region(0x1b36, 0x0011, 0)?;
    let events = bench.read(bar, Width::B, 0)?;
    bench.check("events", events & 0b11, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "reports-supported-events", "events", |bench| {
            reports_events(bench, 0)
        });
    }
}

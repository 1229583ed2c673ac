//! An BASE USB controller (Enhanced Host Controller Interface 1.0).

use qtest::{Bench, Failure, Test, Width};

const BASE: Test = Test {
    models: &["usb-ehci"],
    arguments: &["-device", "usb-ehci,addr=4"],
    ..Test::of("ehci", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "reports-version",
        description: "The version of the interface is 1.0",
        body: |bench| reports_version(bench, 0x0100),
        ..BASE
    },
    Test {
        name: "ends-reset",
        description: "The reset bit clears itself, and the controller is halted",
        body: |bench| ends_reset(bench, 1 << 12),
        ..BASE
    },
];

fn reports_version(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = bench.region(0x8086, 0x24cd, 0)?;
    let found = bench.read(bar, Width::W, 2)?;
    bench.check("version", found, expected)
}

fn ends_reset(bench: &mut Bench<'_>, halted: u64) -> Result<(), Failure> {
    let bar = bench.region(0x8086, 0x24cd, 0)?;
    let operational = bench.read(bar, Width::B, 0)?;
    bench.write(bar, Width::L, operational, 2)?;
    let command = bench.read(bar, Width::L, operational)?;
    bench.check("reset bit", command & 2, 0)?;
    let status = bench.read(bar, Width::L, operational + 4)?;
    bench.check("halted", status & 1 << 12, halted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "reports-version", "version", |bench| {
            reports_version(bench, 0x0110)
        });
        check_fails(TESTS, "ends-reset", "halted", |bench| ends_reset(bench, 0));
    }
}

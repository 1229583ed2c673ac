//! An OHCI USB controller (`OpenHCI` 1.0a).

use qtest::{Bench, Failure, Test, Width};

const BASE: Test = Test {
    models: &["pci-ohci"],
    arguments: &["-device", "pci-ohci,addr=4"],
    ..Test::of("ohci", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "reports-revision",
    description: "The revision is 1.0",
    body: |bench| reports_revision(bench, 0x10),
    ..BASE
}];

fn reports_revision(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = bench.region(0x106b, 0x003f, 0)?;
    let found = bench.read(bar, Width::L, 0)?;
    bench.check("revision", found & 0xff, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "reports-revision", "revision", |bench| {
            reports_revision(bench, 0x11)
        });
    }
}

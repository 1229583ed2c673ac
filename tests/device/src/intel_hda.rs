//! Intel's HD Audio controller (High Definition Audio Specification 1.0a).

use qtest::{Bench, Failure, Test, Width};

const BASE: Test = Test {
    models: &["intel-hda"],
    arguments: &["-device", "intel-hda,addr=4"],
    // The registers have the byte order of the target in QEMU 10.0, although PCI is little-endian.
    ..Test::of("intel-hda", &["pci", "little-endian"])
};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "leaves-reset",
    description: "The controller is in reset until bit 0 of the control register is set, and has version 1.0",
    body: |bench| leaves_reset(bench, 1),
    ..BASE
}];

fn leaves_reset(bench: &mut Bench<'_>, major: u64) -> Result<(), Failure> {
    let bar = bench.region(0x8086, 0x2668, 0)?;
    let minor = bench.read(bar, Width::B, 2)?;
    bench.check("minor version", minor, 0)?;
    let found = bench.read(bar, Width::B, 3)?;
    bench.check("major version", found, major)?;
    let before = bench.read(bar, Width::L, 8)?;
    bench.check("out of reset before", before & 1, 0)?;
    bench.write(bar, Width::L, 8, 1)?;
    let after = bench.read(bar, Width::L, 8)?;
    bench.check("out of reset", after & 1, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "leaves-reset", "major", |bench| {
            leaves_reset(bench, 2)
        });
    }
}

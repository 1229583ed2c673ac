//! A BASE USB controller, the one of a PIIX3 (Universal Host Controller Interface 1.1).

use qtest::{Bench, Failure, Test, Width};

const BASE: Test = Test {
    models: &["piix3-usb-uhci"],
    arguments: &["-device", "piix3-usb-uhci,addr=4"],
    ..Test::of("uhci", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "starts-frames-on-time",
        description: "The start-of-frame register is 64 after a reset",
        body: |bench| reads_start_of_frame(bench, 0x40),
        ..BASE
    },
    Test {
        name: "reports-two-ports",
        description: "Bit 7 of both port registers is always set, and no device is connected",
        body: |bench| reports_ports(bench, 0x80),
        ..BASE
    },
];

fn reads_start_of_frame(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = bench.region(0x8086, 0x7020, 4)?;
    let found = bench.read(bar, Width::B, 0x0c)?;
    bench.check("start-of-frame register", found, expected)
}

fn reports_ports(bench: &mut Bench<'_>, always: u64) -> Result<(), Failure> {
    let bar = bench.region(0x8086, 0x7020, 4)?;
    for port in [0x10, 0x12] {
        let found = bench.read(bar, Width::W, port)?;
        bench.check("bit 7 of a port", found & 0x80, always)?;
        bench.check("connected", found & 1, 0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "starts-frames-on-time", "start-of-frame", |bench| {
            reads_start_of_frame(bench, 0x3f)
        });
        check_fails(TESTS, "reports-two-ports", "bit 7", |bench| {
            reports_ports(bench, 0)
        });
    }
}

//! USB host controllers: UHCI 1.1, OHCI 1.0a, EHCI 1.0 and xHCI 1.1.

use qtest::{Bench, Failure, Test, Width};

const BASE: Test = Test::of("usb-controllers", &["pci"]);

const UHCI: Test = Test {
    models: &["piix3-usb-uhci"],
    arguments: &["-device", "piix3-usb-uhci,addr=4"],
    ..BASE
};

const EHCI: Test = Test {
    models: &["usb-ehci"],
    arguments: &["-device", "usb-ehci,addr=4"],
    ..BASE
};

const XHCI: Test = Test {
    models: &["qemu-xhci"],
    arguments: &["-device", "qemu-xhci,addr=4,p2=4,p3=4"],
    ..BASE
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "uhci-starts-frames-on-time",
        description: "The start-of-frame register is 64 after a reset",
        body: |bench| uhci_sof(bench, 0x40),
        ..UHCI
    },
    Test {
        name: "uhci-reports-two-ports",
        description: "Bit 7 of both port registers is always set, and no device is connected",
        body: |bench| uhci_ports(bench, 0x80),
        ..UHCI
    },
    Test {
        name: "ohci-reports-revision",
        description: "The revision is 1.0",
        models: &["pci-ohci"],
        arguments: &["-device", "pci-ohci,addr=4"],
        body: |bench| ohci_revision(bench, 0x10),
        ..BASE
    },
    Test {
        name: "ehci-reports-version",
        description: "The version of the interface is 1.0",
        body: |bench| ehci_version(bench, 0x0100),
        ..EHCI
    },
    Test {
        name: "ehci-ends-reset",
        description: "The reset bit clears itself, and the controller is halted",
        body: |bench| ehci_reset(bench, 1 << 12),
        ..EHCI
    },
    Test {
        name: "xhci-reports-ports",
        description: "The structural parameters have the ports of both speeds",
        body: |bench| xhci_ports(bench, 8),
        ..XHCI
    },
    Test {
        name: "xhci-keeps-ring-addresses",
        description: "The device context array pointer keeps its address, without reserved bits",
        body: |bench| xhci_pointer(bench, 0x1234_5640),
        ..XHCI
    },
];

fn uhci_sof(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = bench.region(0x8086, 0x7020, 4)?;
    let found = bench.read(bar, Width::B, 0x0c)?;
    bench.check("start-of-frame register", found, expected)
}

fn uhci_ports(bench: &mut Bench<'_>, always: u64) -> Result<(), Failure> {
    let bar = bench.region(0x8086, 0x7020, 4)?;
    for port in [0x10, 0x12] {
        let found = bench.read(bar, Width::W, port)?;
        bench.check("bit 7 of a port", found & 0x80, always)?;
        bench.check("connected", found & 1, 0)?;
    }
    Ok(())
}

fn ohci_revision(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = bench.region(0x106b, 0x003f, 0)?;
    let found = bench.read(bar, Width::L, 0)?;
    bench.check("revision", found & 0xff, expected)
}

fn ehci_version(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = bench.region(0x8086, 0x24cd, 0)?;
    let found = bench.read(bar, Width::W, 2)?;
    bench.check("version", found, expected)
}

fn ehci_reset(bench: &mut Bench<'_>, halted: u64) -> Result<(), Failure> {
    let bar = bench.region(0x8086, 0x24cd, 0)?;
    let operational = bench.read(bar, Width::B, 0)?;
    bench.write(bar, Width::L, operational, 2)?;
    let command = bench.read(bar, Width::L, operational)?;
    bench.check("reset bit", command & 2, 0)?;
    let status = bench.read(bar, Width::L, operational + 4)?;
    bench.check("halted", status & 1 << 12, halted)
}

fn xhci_ports(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = bench.region(0x1b36, 0x000d, 0)?;
    let found = bench.read(bar, Width::L, 4)?;
    bench.check("ports", found >> 24, expected)
}

fn xhci_pointer(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = bench.region(0x1b36, 0x000d, 0)?;
    let operational = bench.read(bar, Width::B, 0)?;
    bench.write(bar, Width::L, operational + 0x30, 0x1234_567f)?;
    let found = bench.read(bar, Width::L, operational + 0x30)?;
    bench.check("device context array pointer", found, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(
            TESTS,
            "uhci-starts-frames-on-time",
            "start-of-frame",
            |bench| uhci_sof(bench, 0x3f),
        );
        check_fails(TESTS, "uhci-reports-two-ports", "bit 7", |bench| {
            uhci_ports(bench, 0)
        });
        check_fails(TESTS, "ohci-reports-revision", "revision", |bench| {
            ohci_revision(bench, 0x11)
        });
        check_fails(TESTS, "ehci-reports-version", "version", |bench| {
            ehci_version(bench, 0x0110)
        });
        check_fails(TESTS, "ehci-ends-reset", "halted", |bench| {
            ehci_reset(bench, 0)
        });
        check_fails(TESTS, "xhci-reports-ports", "ports", |bench| {
            xhci_ports(bench, 4)
        });
        check_fails(TESTS, "xhci-keeps-ring-addresses", "pointer", |bench| {
            xhci_pointer(bench, 0x1234_567f)
        });
    }
}

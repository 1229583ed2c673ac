//! Storage controllers: AHCI 1.3.1, SD Host Controller 2.0, and the floppy controller 82077AA.

use qtest::pci::Bar;
use qtest::{Bench, Failure, Test, Width};

const BASE: Test = Test::of("storage-controllers", &["pci"]);

const AHCI: Test = Test {
    models: &["ich9-ahci"],
    arguments: &["-device", "ich9-ahci,addr=4"],
    ..BASE
};

const SDHCI: Test = Test {
    models: &["sdhci-pci"],
    arguments: &["-device", "sdhci-pci,addr=4"],
    ..BASE
};

const FLOPPY: Test = Test {
    needs: &["pc"],
    models: &["isa-fdc"],
    arguments: &["-device", "isa-fdc"],
    ..BASE
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "ahci-implements-six-ports",
        description: "The register of implemented ports has six ports",
        body: |bench| ahci_ports(bench, 0x3f),
        ..AHCI
    },
    Test {
        name: "ahci-ends-reset",
        description: "A reset clears itself and the interrupt enable",
        body: |bench| ahci_reset(bench, 0),
        ..AHCI
    },
    Test {
        name: "ahci-port-has-no-device",
        description: "The status of a port without a device says so",
        body: |bench| ahci_status(bench, 0),
        ..AHCI
    },
    Test {
        name: "sdhci-has-no-card",
        description: "The present state has no card, and no command is running",
        body: |bench| sdhci_state(bench, 0),
        ..SDHCI
    },
    Test {
        name: "sdhci-ends-reset",
        description: "The software reset clears itself and the block size",
        body: |bench| sdhci_reset(bench, 0),
        ..SDHCI
    },
    Test {
        name: "floppy-reports-its-version",
        description: "The VERSION command returns 0x90, an enhanced controller",
        body: |bench| floppy_version(bench, 0x90),
        ..FLOPPY
    },
    Test {
        name: "floppy-refuses-unknown-command",
        description: "An unknown command has the status Invalid Command",
        body: |bench| floppy_unknown(bench, 0x80),
        ..FLOPPY
    },
];

fn ahci(bench: &mut Bench<'_>) -> Result<Bar, Failure> {
    bench.region(0x8086, 0x2922, 5)
}

fn ahci_ports(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = ahci(bench)?;
    let found = bench.read(bar, Width::L, 0x0c)?;
    bench.check("implemented ports", found, expected)
}

fn ahci_reset(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = ahci(bench)?;
    bench.write(bar, Width::L, 0x04, 1 << 31 | 1 << 1)?;
    let before = bench.read(bar, Width::L, 0x04)?;
    bench.check("interrupt enable before", before & 2, 2)?;
    bench.write(bar, Width::L, 0x04, 1 << 31 | 1)?;
    let after = bench.read(bar, Width::L, 0x04)?;
    bench.check("reset and interrupt enable", after & 3, expected)
}

fn ahci_status(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = ahci(bench)?;
    let found = bench.read(bar, Width::L, 0x128)?;
    bench.check("device detection", found & 0xf, expected)
}

fn sdhci(bench: &mut Bench<'_>) -> Result<Bar, Failure> {
    bench.region(0x1b36, 0x0007, 0)
}

fn sdhci_state(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = sdhci(bench)?;
    let state = bench.read(bar, Width::L, 0x24)?;
    bench.check("card inserted", state & 1 << 16, expected)?;
    bench.check("command inhibited", state & 1, 0)
}

fn sdhci_reset(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = sdhci(bench)?;
    bench.write(bar, Width::W, 0x04, 0x200)?;
    let before = bench.read(bar, Width::W, 0x04)?;
    bench.check("block size before", before & 0xfff, 0x200)?;
    bench.write(bar, Width::B, 0x2f, 1)?;
    let reset = bench.read(bar, Width::B, 0x2f)?;
    bench.check("reset", reset, 0)?;
    let after = bench.read(bar, Width::W, 0x04)?;
    bench.check("block size after", after & 0xfff, expected)
}

/// Ends the reset of the controller, and sends a command without parameters. Returns its first result.
fn floppy(bench: &mut Bench<'_>, command: u8) -> Result<u8, Failure> {
    const OUTPUT: u16 = 0x3f2;
    const STATUS: u16 = 0x3f4;
    const FIFO: u16 = 0x3f5;
    bench.session.outb(OUTPUT, 0x04)?;
    let status = bench.session.inb(STATUS)?;
    bench.check("ready for a command", status & 0xc0, 0x80)?;
    bench.session.outb(FIFO, command)?;
    let status = bench.session.inb(STATUS)?;
    bench.check("has a result", status & 0xc0, 0xc0)?;
    Ok(bench.session.inb(FIFO)?)
}

fn floppy_version(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let found = floppy(bench, 0x10)?;
    bench.check("version", found, expected)
}

fn floppy_unknown(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let found = floppy(bench, 0x1f)?;
    bench.check("status register 0", found, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(
            TESTS,
            "ahci-implements-six-ports",
            "implemented ports",
            |bench| ahci_ports(bench, 0xff),
        );
        check_fails(TESTS, "ahci-ends-reset", "reset and", |bench| {
            ahci_reset(bench, 2)
        });
        check_fails(TESTS, "ahci-port-has-no-device", "device", |bench| {
            ahci_status(bench, 3)
        });
        check_fails(TESTS, "sdhci-has-no-card", "card", |bench| {
            sdhci_state(bench, 1 << 16)
        });
        check_fails(TESTS, "sdhci-ends-reset", "block size after", |bench| {
            sdhci_reset(bench, 0x200)
        });
        check_fails(TESTS, "floppy-reports-its-version", "version", |bench| {
            floppy_version(bench, 0x80)
        });
        check_fails(TESTS, "floppy-refuses-unknown-command", "status", |bench| {
            floppy_unknown(bench, 0)
        });
    }
}

//! The floppy controller 82077AA at the ports of a PC (Intel data sheet 290166).

use qtest::{Bench, Failure, Test};

const OUTPUT: u16 = 0x3f2;
const STATUS: u16 = 0x3f4;
const FIFO: u16 = 0x3f5;

/// Output: not in reset; the motor of drive A, which is selected.
const RUNNING: u8 = 1 << 2;
const MOTOR: u8 = 1 << 4;
/// Status: ready for a byte, in the direction to the host, during a transfer without DMA.
const READY: u8 = 1 << 7;
const TO_HOST: u8 = 1 << 6;
const TRANSFER: u8 = 1 << 5;

const SPECIFY: u8 = 0x03;
const SENSE_INTERRUPT: u8 = 0x08;
const SEEK: u8 = 0x0f;
const VERSION: u8 = 0x10;
/// A command that the controller does not have.
const UNKNOWN: u8 = 0x1f;
/// Sectors of double density.
const WRITE: u8 = 0x45;
const READ: u8 = 0x46;

const SECTOR: usize = 512;
/// Where the sector of the tests is.
const CYLINDER: u8 = 3;
const HEAD: u8 = 1;

const BASE: Test = Test {
    models: &["isa-fdc"],
    arguments: &["-device", "isa-fdc"],
    ..Test::of("floppy", &["pc"])
};

/// A drive with a disk of 1.44 MB that keeps what is written.
const WITH_DISK: Test = Test {
    arguments: &[
        "-drive",
        "if=floppy,driver=raw,file.driver=null-co,file.size=1474560,file.read-zeroes=on,snapshot=on",
    ],
    ..BASE
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "reports-its-version",
        description: "The VERSION command returns 0x90, an enhanced controller",
        body: |bench| reports_version(bench, 0x90),
        ..BASE
    },
    Test {
        name: "refuses-unknown-command",
        description: "An unknown command has the status Invalid Command",
        body: |bench| refuses_unknown(bench, 0x80),
        ..BASE
    },
    Test {
        name: "seeks-to-cylinder",
        description: "SENSE INTERRUPT reports the end of a seek and the cylinder",
        body: |bench| seeks(bench, [0x20, CYLINDER]),
        ..WITH_DISK
    },
    Test {
        name: "keeps-sectors",
        description: "A sector that is written without DMA is read back, and the next one is not changed",
        body: |bench| keeps_sectors(bench, 0x5a),
        ..WITH_DISK
    },
];

/// Waits until the controller is ready, in this direction.
fn wait(bench: &mut Bench<'_>, direction: u8) -> Result<(), Failure> {
    bench.wait_until("the controller is ready", |bench| {
        let status = bench.session.inb(STATUS)?;
        Ok(status & (READY | TO_HOST) == READY | direction)
    })
}

/// Sends a command with its parameters.
fn send(bench: &mut Bench<'_>, bytes: &[u8]) -> Result<(), Failure> {
    for byte in bytes {
        wait(bench, 0)?;
        bench.session.outb(FIFO, *byte)?;
    }
    Ok(())
}

/// Takes the result of a command.
fn result<const LENGTH: usize>(bench: &mut Bench<'_>) -> Result<[u8; LENGTH], Failure> {
    let mut bytes = [0; LENGTH];
    for byte in &mut bytes {
        wait(bench, TO_HOST)?;
        *byte = bench.session.inb(FIFO)?;
    }
    Ok(bytes)
}

/// Ends the reset of the controller, and sends a command without parameters. Returns its first result.
fn first_result(bench: &mut Bench<'_>, command: u8) -> Result<u8, Failure> {
    bench.session.outb(OUTPUT, RUNNING)?;
    send(bench, &[command])?;
    let [first] = result(bench)?;
    Ok(first)
}

fn reports_version(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let found = first_result(bench, VERSION)?;
    bench.check("version", found, expected)
}

fn refuses_unknown(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let found = first_result(bench, UNKNOWN)?;
    bench.check("status register 0", found, expected)
}

/// Resets the controller, and moves the drive to the cylinder. Returns what it reports.
fn seek(bench: &mut Bench<'_>) -> Result<[u8; 2], Failure> {
    bench.session.outb(OUTPUT, 0)?;
    bench.session.outb(OUTPUT, RUNNING | MOTOR)?;
    // A reset ends with one interrupt per drive.
    for _ in 0..4 {
        send(bench, &[SENSE_INTERRUPT])?;
        let [_, _] = result(bench)?;
    }
    // Step rate and head times, without DMA.
    send(bench, &[SPECIFY, 0xdf, 0x03])?;
    send(bench, &[SEEK, 0, CYLINDER])?;
    send(bench, &[SENSE_INTERRUPT])?;
    result(bench)
}

fn seeks(bench: &mut Bench<'_>, expected: [u8; 2]) -> Result<(), Failure> {
    let found = seek(bench)?;
    bench.check("status and cylinder", found, expected)
}

/// Starts the transfer of a sector.
fn transfer(bench: &mut Bench<'_>, command: u8, sector: u8) -> Result<(), Failure> {
    // The size of a sector is 128 << 2; this sector is the last one of the transfer.
    send(
        bench,
        &[
            command,
            HEAD << 2,
            CYLINDER,
            HEAD,
            sector,
            2,
            sector,
            0x1b,
            0xff,
        ],
    )?;
    let status = bench.session.inb(STATUS)?;
    bench.check("transfer without DMA", status & TRANSFER, TRANSFER)
}

/// Checks the result of a read.
fn end_read(bench: &mut Bench<'_>) -> Result<(), Failure> {
    /// The controller reports it, as nothing else ends a transfer without DMA.
    const END_OF_CYLINDER: u8 = 1 << 7;
    let [_, first, second, ..]: [u8; 7] = result(bench)?;
    bench.check("status register 1", first & !END_OF_CYLINDER, 0)?;
    bench.check("status register 2", second, 0)
}

fn keeps_sectors(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    seek(bench)?;
    transfer(bench, WRITE, 5)?;
    for _ in 0..SECTOR {
        bench.session.outb(FIFO, 0x5a)?;
    }
    // QEMU 10.0 stays busy after the last byte of a write without DMA.
    seek(bench)?;
    for (sector, expected) in [(6, 0), (5, expected)] {
        transfer(bench, READ, sector)?;
        let mut found = Vec::with_capacity(SECTOR);
        for _ in 0..SECTOR {
            found.push(bench.session.inb(FIFO)?);
        }
        bench.check(format!("sector {sector}"), found, vec![expected; SECTOR])?;
        end_read(bench)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "reports-its-version", "version", |bench| {
            reports_version(bench, 0x80)
        });
        check_fails(TESTS, "refuses-unknown-command", "status", |bench| {
            refuses_unknown(bench, 0)
        });
        check_fails(TESTS, "seeks-to-cylinder", "cylinder", |bench| {
            seeks(bench, [0x20, 0])
        });
        check_fails(TESTS, "keeps-sectors", "sector 5", |bench| {
            keeps_sectors(bench, 0)
        });
    }
}

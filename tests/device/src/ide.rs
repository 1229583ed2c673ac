//! The IDE disk of a PC at the ports of the first channel (AT Attachment with Packet Interface 6).

use qtest::{Bench, Failure, Test, Width};

const DATA: u16 = 0x1f0;
const ERROR: u16 = 0x1f1;
const COUNT: u16 = 0x1f2;
const LBA_LOW: u16 = 0x1f3;
const LBA_MID: u16 = 0x1f4;
const LBA_HIGH: u16 = 0x1f5;
const DEVICE: u16 = 0x1f6;
const STATUS: u16 = 0x1f7;
const CONTROL: u16 = 0x3f6;

/// Device: the fields have a logical block address.
const LBA: u8 = 1 << 6;
/// Device: the second one of the channel.
const SECOND: u8 = 1 << 4;
/// Control: software reset.
const RESET: u8 = 1 << 2;

const BUSY: u8 = 1 << 7;
const READY: u8 = 1 << 6;
const REQUEST: u8 = 1 << 3;
const FAILED: u8 = 1;

const READ_SECTORS: u8 = 0x20;
const WRITE_SECTORS: u8 = 0x30;
const SET_PARAMETERS: u8 = 0x91;
const FLUSH_CACHE: u8 = 0xe7;
pub(crate) const IDENTIFY: u8 = 0xec;
/// A command that no device implements.
const VENDOR_SPECIFIC: u8 = 0x9f;

/// Error: the command was aborted.
const ABORTED: u8 = 1 << 2;

const SECTOR: usize = 512;
/// The sectors of the disk.
const SECTORS: u32 = 131_072;

/// A disk of 64 MiB that keeps what is written, with heads and sectors per track of its own.
pub(crate) const DISK: &str = "if=none,id=disk,driver=raw,file.driver=null-co,file.size=67108864,file.read-zeroes=on,snapshot=on";

const BASE: Test = Test {
    models: &["ide-hd"],
    arguments: &[
        "-drive",
        DISK,
        "-device",
        "ide-hd,drive=disk,bus=ide.0,unit=0,serial=kiln-1200,cyls=256,heads=16,secs=32",
    ],
    ..Test::of("ide", &["pc"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "identifies-itself",
        description: "IDENTIFY DEVICE returns the serial number and the number of sectors",
        body: |bench| identifies(bench, SECTORS),
        ..BASE
    },
    Test {
        name: "has-signature-after-reset",
        description: "A software reset leaves the signature of a disk in the registers",
        body: |bench| resets(bench, [1, 1, 0, 0]),
        ..BASE
    },
    Test {
        name: "keeps-sectors",
        description: "Sectors that were written are read back, and their neighbours are not changed",
        body: |bench| keeps(bench, 0),
        ..BASE
    },
    Test {
        name: "addresses-sectors-by-cylinder",
        description: "Cylinder, head and sector select the block of the same logical address",
        body: |bench| by_cylinder(bench, (3 * 16 + 5) * 32 + 7 - 1),
        ..BASE
    },
    Test {
        name: "takes-new-parameters",
        description: "INITIALIZE DEVICE PARAMETERS sets the heads and sectors of the current geometry",
        body: |bench| takes_parameters(bench, [1024, 8, 16]),
        ..BASE
    },
    Test {
        name: "fails-to-read-beyond-its-end",
        description: "A read of a sector that does not exist fails and transfers nothing",
        body: |bench| beyond_end(bench, FAILED),
        ..BASE
    },
    Test {
        name: "aborts-unknown-command",
        description: "A command that is not implemented sets the abort bit",
        body: |bench| unknown(bench, ABORTED),
        ..BASE
    },
    Test {
        name: "flushes-its-cache",
        description: "FLUSH CACHE ends without an error and without data",
        body: |bench| flushes(bench, READY),
        ..BASE
    },
    Test {
        name: "second-device-is-absent",
        description: "The status of a device that does not exist is 0",
        body: |bench| absent(bench, 0),
        ..BASE
    },
];

/// Waits for the end of a command. Returns the status.
fn wait(bench: &mut Bench<'_>) -> Result<u8, Failure> {
    bench.wait_until("the disk is not busy", |bench| {
        Ok(bench.session.inb(STATUS)? & BUSY == 0)
    })?;
    Ok(bench.session.inb(STATUS)?)
}

/// Sends a command without parameters. Returns the status.
pub(crate) fn command(bench: &mut Bench<'_>, command: u8) -> Result<u8, Failure> {
    bench.session.outb(DEVICE, 0xa0)?;
    bench.session.outb(STATUS, command)?;
    wait(bench)
}

/// Sends a command for one sector at a logical block address. Returns the status.
fn at_block(bench: &mut Bench<'_>, command: u8, block: u32) -> Result<u8, Failure> {
    let [low, mid, high, top] = block.to_le_bytes();
    let registers = [
        (DEVICE, 0xa0 | LBA | top),
        (COUNT, 1),
        (LBA_LOW, low),
        (LBA_MID, mid),
        (LBA_HIGH, high),
        (STATUS, command),
    ];
    for (port, value) in registers {
        bench.session.outb(port, value)?;
    }
    wait(bench)
}

/// Transfers the sector that the disk has ready.
pub(crate) fn take_sector(bench: &mut Bench<'_>) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::with_capacity(SECTOR);
    for _ in 0..SECTOR / 2 {
        bytes.extend(bench.session.inw(DATA)?.to_le_bytes());
    }
    Ok(bytes)
}

/// A word of the identification.
pub(crate) fn word(identity: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([identity[2 * at], identity[2 * at + 1]])
}

fn identity(bench: &mut Bench<'_>) -> Result<Vec<u8>, Failure> {
    let status = command(bench, IDENTIFY)?;
    bench.check("status with data", status & (REQUEST | FAILED), REQUEST)?;
    take_sector(bench)
}

/// Text of the identification: two characters per word, the first one in the upper byte.
pub(crate) fn text(identity: &[u8], words: std::ops::Range<usize>) -> String {
    let characters = words.flat_map(|at| word(identity, at).to_be_bytes());
    let text: Vec<u8> = characters.collect();
    String::from_utf8_lossy(&text).trim().to_owned()
}

fn identifies(bench: &mut Bench<'_>, sectors: u32) -> Result<(), Failure> {
    let identity = identity(bench)?;
    bench.check("bit of ATAPI devices", word(&identity, 0) >> 15, 0)?;
    bench.check(
        "serial number",
        text(&identity, 10..20).as_str(),
        "kiln-1200",
    )?;
    bench.check("support of LBA", word(&identity, 49) >> 9 & 1, 1)?;
    let found = u32::from(word(&identity, 61)) << 16 | u32::from(word(&identity, 60));
    bench.check("sectors", found, sectors)
}

fn resets(bench: &mut Bench<'_>, expected: [u8; 4]) -> Result<(), Failure> {
    at_block(bench, READ_SECTORS, 0x0012_3456 % SECTORS)?;
    bench.session.outb(CONTROL, RESET)?;
    bench.session.outb(CONTROL, 0)?;
    let status = wait(bench)?;
    bench.check("status bits", status & (FAILED | REQUEST), 0)?;
    let mut found = [0; 4];
    for (value, port) in found.iter_mut().zip([COUNT, LBA_LOW, LBA_MID, LBA_HIGH]) {
        *value = bench.session.inb(port)?;
    }
    bench.check("signature", found, expected)
}

/// Writes a sector of one byte value.
fn write(bench: &mut Bench<'_>, block: u32, value: u8) -> Result<(), Failure> {
    let status = at_block(bench, WRITE_SECTORS, block)?;
    bench.check(
        "status before the data",
        status & (REQUEST | FAILED),
        REQUEST,
    )?;
    for _ in 0..SECTOR / 2 {
        bench
            .session
            .outw(DATA, u16::from_le_bytes([value, value]))?;
    }
    let status = wait(bench)?;
    bench.check("status after the data", status & (REQUEST | FAILED), 0)
}

/// Reads a sector, which must consist of one byte value.
fn read(bench: &mut Bench<'_>, block: u32) -> Result<u8, Failure> {
    let status = at_block(bench, READ_SECTORS, block)?;
    bench.check("status of a read", status & (REQUEST | FAILED), REQUEST)?;
    uniform(bench)
}

fn uniform(bench: &mut Bench<'_>) -> Result<u8, Failure> {
    let bytes = take_sector(bench)?;
    bench.check(
        "bytes are equal",
        bytes.iter().all(|it| *it == bytes[0]),
        true,
    )?;
    Ok(bytes[0])
}

fn keeps(bench: &mut Bench<'_>, neighbour: u8) -> Result<(), Failure> {
    write(bench, 1000, 0xa5)?;
    write(bench, SECTORS - 1, 0x5a)?;
    for (block, expected) in [(1000, 0xa5), (SECTORS - 1, 0x5a), (999, 0)] {
        let found = read(bench, block)?;
        bench.check(format!("sector {block}"), found, expected)?;
    }
    let found = read(bench, 1001)?;
    bench.check("sector 1001", found, neighbour)
}

fn by_cylinder(bench: &mut Bench<'_>, block: u32) -> Result<(), Failure> {
    write(bench, block, 0x77)?;
    // Cylinder 3, head 5, sector 7. Sectors are counted from 1.
    let registers = [
        (DEVICE, 0xa0 | 5),
        (COUNT, 1),
        (LBA_LOW, 7),
        (LBA_MID, 3),
        (LBA_HIGH, 0),
        (STATUS, READ_SECTORS),
    ];
    for (port, value) in registers {
        bench.session.outb(port, value)?;
    }
    let status = wait(bench)?;
    bench.check("status", status & (REQUEST | FAILED), REQUEST)?;
    let found = uniform(bench)?;
    bench.check("content of the sector", found, 0x77)
}

fn takes_parameters(bench: &mut Bench<'_>, expected: [u16; 3]) -> Result<(), Failure> {
    // The last head, and the sectors per track.
    bench.session.outb(COUNT, 16)?;
    bench.session.outb(DEVICE, 0xa0 | 7)?;
    bench.session.outb(STATUS, SET_PARAMETERS)?;
    let status = wait(bench)?;
    bench.check("status", status & FAILED, 0)?;
    let identity = identity(bench)?;
    let found = [54, 55, 56].map(|at| word(&identity, at));
    bench.check("heads and sectors", &found[1..], &expected[1..])
}

fn beyond_end(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let status = at_block(bench, READ_SECTORS, SECTORS)?;
    bench.check("status of the read", status & (FAILED | REQUEST), expected)?;
    let error = bench.session.inb(ERROR)?;
    bench.check("error is not 0", error != 0, true)
}

fn unknown(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let status = command(bench, VENDOR_SPECIFIC)?;
    bench.check("status", status & FAILED, FAILED)?;
    let error = bench.session.inb(ERROR)?;
    bench.check("error", error, expected)
}

fn flushes(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let status = command(bench, FLUSH_CACHE)?;
    bench.check("status", status & (READY | REQUEST | FAILED), expected)
}

fn absent(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    bench.session.outb(DEVICE, 0xa0 | SECOND)?;
    let status = bench.session.port_in(Width::B, STATUS)?;
    bench.check("status of the second device", status, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "identifies-itself", "sectors", |bench| {
            identifies(bench, SECTORS + 1)
        });
        check_fails(TESTS, "has-signature-after-reset", "signature", |bench| {
            resets(bench, [1, 1, 0x14, 0xeb])
        });
        check_fails(TESTS, "keeps-sectors", "sector 1001", |bench| {
            keeps(bench, 0xa5)
        });
        check_fails(TESTS, "addresses-sectors-by-cylinder", "content", |bench| {
            by_cylinder(bench, (3 * 16 + 5) * 32 + 7)
        });
        check_fails(TESTS, "takes-new-parameters", "heads", |bench| {
            takes_parameters(bench, [256, 16, 32])
        });
        check_fails(TESTS, "fails-to-read-beyond-its-end", "status", |bench| {
            beyond_end(bench, REQUEST)
        });
        check_fails(TESTS, "aborts-unknown-command", "error", |bench| {
            unknown(bench, 0)
        });
        check_fails(TESTS, "flushes-its-cache", "status", |bench| {
            flushes(bench, READY | REQUEST)
        });
        check_fails(TESTS, "second-device-is-absent", "second device", |bench| {
            absent(bench, 0x50)
        });
    }
}

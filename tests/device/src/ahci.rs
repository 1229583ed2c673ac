//! An AHCI controller, the one of an ICH9 (Serial ATA AHCI 1.3.1).

use qtest::pci::Bar;
use qtest::{Bench, Failure, Test, Width};

use crate::ide::{DISK, IDENTIFY, text};

/// Global control: reset, interrupt enable, and AHCI enable.
const GLOBAL_CONTROL: u64 = 0x04;
const RESET: u64 = 1;
const INTERRUPTS: u64 = 1 << 1;
const ENABLE: u64 = 1 << 31;
const PORTS: u64 = 0x0c;

/// Registers of port 0.
const COMMAND_LIST: u64 = 0x100;
const RECEIVED: u64 = 0x108;
const COMMAND: u64 = 0x118;
const TASK_FILE: u64 = 0x120;
const STATUS: u64 = 0x128;
const ISSUE: u64 = 0x138;

/// Command: process the list, and receive frames.
const START: u64 = 1;
const RECEIVE: u64 = 1 << 4;
/// Task file: the device is busy, requests data, or failed.
const UNFINISHED: u64 = 1 << 7 | 1 << 3 | 1;
/// In the header of a command: five words of the frame, a write, and one region of memory.
const FRAME_WORDS: u32 = 5;
const WRITE: u32 = 1 << 6;
const ONE_REGION: u32 = 1 << 16;
/// The offset of the list of regions in the command table.
const REGIONS: u64 = 0x80;

const SECTOR: usize = 512;
/// The size of a region is the number of its last byte.
const LAST_BYTE: u32 = 511;
const READ_DMA: u8 = 0x25;
const WRITE_DMA: u8 = 0x35;

const BASE: Test = Test {
    models: &["ich9-ahci"],
    arguments: &["-device", "ich9-ahci,addr=4"],
    ..Test::of("ahci", &["pci"])
};

/// A controller with a disk at port 0.
const WITH_DISK: Test = Test {
    needs: &["pci", "dma"],
    models: &["ich9-ahci", "ide-hd"],
    arguments: &[
        "-drive",
        DISK,
        "-device",
        "ich9-ahci,addr=4,id=sata",
        "-device",
        "ide-hd,drive=disk,bus=sata.0,serial=kiln-1300",
    ],
    ..BASE
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "implements-six-ports",
        description: "The register of implemented ports has six ports",
        body: |bench| implements_ports(bench, 0x3f),
        ..BASE
    },
    Test {
        name: "ends-reset",
        description: "A reset clears itself and the interrupt enable",
        body: |bench| ends_reset(bench, 0),
        ..BASE
    },
    Test {
        name: "port-has-no-device",
        description: "The status of a port without a device says so",
        body: |bench| detects_device(bench, 0),
        ..BASE
    },
    Test {
        name: "identifies-disk",
        description: "IDENTIFY DEVICE of a command list transfers the serial number of the disk",
        body: |bench| identifies_disk(bench, "kiln-1300"),
        ..WITH_DISK
    },
    Test {
        name: "keeps-sectors",
        description: "A sector that is written by DMA is read back, and its neighbour is not changed",
        body: |bench| keeps_sectors(bench, 0x5a),
        ..WITH_DISK
    },
];

fn ahci(bench: &mut Bench<'_>) -> Result<Bar, Failure> {
    bench.region(0x8086, 0x2922, 5)
}

fn implements_ports(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = ahci(bench)?;
    let found = bench.read(bar, Width::L, PORTS)?;
    bench.check("implemented ports", found, expected)
}

fn ends_reset(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = ahci(bench)?;
    bench.write(bar, Width::L, GLOBAL_CONTROL, ENABLE | INTERRUPTS)?;
    let before = bench.read(bar, Width::L, GLOBAL_CONTROL)?;
    bench.check("interrupt enable before", before & INTERRUPTS, INTERRUPTS)?;
    bench.write(bar, Width::L, GLOBAL_CONTROL, ENABLE | RESET)?;
    let after = bench.read(bar, Width::L, GLOBAL_CONTROL)?;
    bench.check(
        "reset and interrupt enable",
        after & (RESET | INTERRUPTS),
        expected,
    )
}

fn detects_device(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = ahci(bench)?;
    let found = bench.read(bar, Width::L, STATUS)?;
    bench.check("device detection", found & 0xf, expected)
}

/// A disk at port 0: the controller, the command list, the command table and a buffer.
struct Disk {
    bar: Bar,
    list: u64,
    table: u64,
    buffer: u64,
}

impl Disk {
    /// Starts the port.
    fn start(bench: &mut Bench<'_>) -> Result<Self, Failure> {
        let it = Self {
            bar: ahci(bench)?,
            list: bench.allocate(1024, 1024)?,
            table: bench.allocate(256, 128)?,
            buffer: bench.allocate(512, 16)?,
        };
        let received = bench.allocate(256, 256)?;
        for (at, value) in [
            (GLOBAL_CONTROL, ENABLE),
            (COMMAND_LIST, it.list & 0xffff_ffff),
            (COMMAND_LIST + 4, it.list >> 32),
            (RECEIVED, received & 0xffff_ffff),
            (RECEIVED + 4, received >> 32),
            (COMMAND, RECEIVE),
            (COMMAND, RECEIVE | START),
        ] {
            bench.write(it.bar, Width::L, at, value)?;
        }
        Ok(it)
    }

    /// Executes a command that transfers one sector at a logical block.
    fn execute(
        &self,
        bench: &mut Bench<'_>,
        (command, direction): (u8, u32),
        block: u8,
    ) -> Result<(), Failure> {
        // A frame from host to device, with a command: an address of a logical block, and a count of one.
        let mut frame = vec![0x27, 0x80, command, 0, block, 0, 0, 0x40, 0, 0, 0, 0, 1];
        frame.resize(4 * FRAME_WORDS as usize, 0);
        bench.session.write(self.table, &frame)?;
        let mut region = self.buffer.to_le_bytes().to_vec();
        region.extend([0; 4]);
        region.extend(LAST_BYTE.to_le_bytes());
        bench.session.write(self.table + REGIONS, &region)?;
        let mut header = (FRAME_WORDS | direction | ONE_REGION)
            .to_le_bytes()
            .to_vec();
        header.extend([0; 4]);
        header.extend(self.table.to_le_bytes());
        bench.session.write(self.list, &header)?;
        bench.write(self.bar, Width::L, ISSUE, 1)?;
        bench.wait_until("the command has ended", |bench| {
            Ok(bench.read(self.bar, Width::L, ISSUE)? & 1 == 0)
        })?;
        let status = bench.read(self.bar, Width::L, TASK_FILE)?;
        bench.check("task file", status & UNFINISHED, 0)?;
        let transferred = bench.session.read_le(Width::L, self.list + 4)?;
        bench.check("transferred bytes", transferred, SECTOR as u64)
    }
}

fn identifies_disk(bench: &mut Bench<'_>, serial: &str) -> Result<(), Failure> {
    let disk = Disk::start(bench)?;
    disk.execute(bench, (IDENTIFY, 0), 0)?;
    let identity = bench.session.read(disk.buffer, SECTOR)?;
    bench.check("serial number", text(&identity, 10..20).as_str(), serial)
}

fn keeps_sectors(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let disk = Disk::start(bench)?;
    bench.session.memset(disk.buffer, SECTOR, 0x5a)?;
    disk.execute(bench, (WRITE_DMA, WRITE), 5)?;
    for (block, expected) in [(6, 0), (5, expected)] {
        bench.session.memset(disk.buffer, SECTOR, 0xee)?;
        disk.execute(bench, (READ_DMA, 0), block)?;
        let found = bench.session.read(disk.buffer, SECTOR)?;
        bench.check(format!("sector {block}"), found, vec![expected; SECTOR])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(
            TESTS,
            "implements-six-ports",
            "implemented ports",
            |bench| implements_ports(bench, 0xff),
        );
        check_fails(TESTS, "ends-reset", "reset and", |bench| {
            ends_reset(bench, 2)
        });
        check_fails(TESTS, "port-has-no-device", "device", |bench| {
            detects_device(bench, 3)
        });
        check_fails(TESTS, "identifies-disk", "serial number", |bench| {
            identifies_disk(bench, "kiln-1301")
        });
        check_fails(TESTS, "keeps-sectors", "sector 5", |bench| {
            keeps_sectors(bench, 0)
        });
    }
}

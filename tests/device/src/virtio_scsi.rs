//! Disks behind the virtio SCSI host (VIRTIO 1.2, section 5.6; SPC-4 and SBC-3), modern PCI, split virtqueue.

use qtest::virtio::{Buffer, Device, Queue};
use qtest::{Bench, Failure, Test};

/// The number of the virtio device.
const DEVICE: u16 = 8;
/// The first queue for requests follows those for control and events.
const REQUESTS: u16 = 2;
/// Lengths of the headers of requests and responses.
const REQUEST: u32 = 51;
const RESPONSE: u32 = 108;

const TEST_UNIT_READY: u8 = 0x00;
const INQUIRY: u8 = 0x12;
const MODE_SENSE: u8 = 0x1a;
const READ_CAPACITY_10: u8 = 0x25;
const READ_10: u8 = 0x28;
const UNMAP: u8 = 0x42;
const WRITE_SAME_16: u8 = 0x93;
const SERVICE_ACTION_IN: u8 = 0x9e;
/// Service action: READ CAPACITY(16).
const CAPACITY_16: u8 = 0x10;

const GOOD: u8 = 0x00;
const CHECK_CONDITION: u8 = 0x02;
/// Sense: illegal request, logical block address out of range.
const OUT_OF_RANGE: (u8, u8) = (0x05, 0x21);

const BLOCKS: u32 = 2048;

/// A disk of 1 MiB. Block 100 cannot be discarded, and no zeroes can be written to block 200.
const BASE: Test = Test {
    models: &["virtio-scsi-pci", "scsi-hd"],
    arguments: &[
        "-blockdev",
        r#"{"driver": "blkdebug", "node-name": "disk", "discard": "unmap",
            "inject-error": [{"event": "none", "iotype": "discard", "sector": 100, "errno": 5},
                             {"event": "none", "iotype": "write-zeroes", "sector": 200, "errno": 5}],
            "image": {"driver": "null-co", "size": 1048576, "read-zeroes": true}}"#,
        "-device",
        "virtio-scsi-pci,addr=4",
        "-device",
        "scsi-hd,drive=disk",
    ],
    ..Test::of("virtio-scsi", &["pci"])
};

/// A read-only disk of 3 TiB without a write cache, with a long serial number.
const OTHER: Test = Test {
    arguments: &[
        "-blockdev",
        "null-co,node-name=disk,size=3298534883328,read-zeroes=on,read-only=on",
        "-device",
        "virtio-scsi-pci,addr=4",
        "-device",
        "scsi-hd,drive=disk,write-cache=off,serial=kiln-6789-123456789-123456789-12345Z,device_id=kiln",
    ],
    ..BASE
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "reports-capacity",
        description: "READ CAPACITY returns the address of the last block, by 10 and by 16 bytes",
        body: |bench| reports_capacity(bench, (BLOCKS - 1, u64::from(BLOCKS) - 1)),
        ..BASE
    },
    Test {
        name: "reports-large-capacity",
        description: "READ CAPACITY(10) of a disk above 2 TiB refers to READ CAPACITY(16)",
        body: |bench| reports_capacity(bench, (u32::MAX, (3 << 31) - 1)),
        ..OTHER
    },
    Test {
        name: "refuses-blocks-behind-the-end",
        description: "A read that ends behind the last block is an illegal request",
        body: |bench| refuses(bench, OUT_OF_RANGE),
        ..BASE
    },
    Test {
        name: "unmaps-all-ranges",
        description: "UNMAP reaches the last block of each of its ranges and no other block",
        body: |bench| unmaps(bench, CHECK_CONDITION),
        ..BASE
    },
    Test {
        name: "writes-same-to-whole-range",
        description: "WRITE SAME reaches the last block of its range and no other block",
        body: |bench| writes_same(bench, CHECK_CONDITION),
        ..BASE
    },
    Test {
        name: "reports-write-cache",
        description: "The mode pages of a writable disk with a write cache say so",
        body: |bench| reports_mode(bench, (0, 1)),
        ..BASE
    },
    Test {
        name: "reports-missing-write-cache",
        description: "The mode pages of a read-only disk without a write cache say so",
        body: |bench| reports_mode(bench, (1, 0)),
        ..OTHER
    },
    Test {
        name: "returns-serial-number-of-full-length",
        description: "The page of the serial number has all 36 characters",
        body: |bench| returns_serial(bench, "kiln-6789-123456789-123456789-12345Z"),
        ..OTHER
    },
];

/// The disk at target 0.
struct Disk {
    queue: Queue,
}

/// What a command returned.
struct Answer {
    status: u8,
    /// Sense key and additional sense code; both are 0 without sense data.
    sense: (u8, u8),
    data: Vec<u8>,
}

impl Disk {
    /// Finds the disk, and takes the unit attention that follows a reset.
    fn find(bench: &mut Bench<'_>) -> Result<Self, Failure> {
        let device = Device::find(bench, DEVICE, 0)?;
        let queue = device.queue(bench, REQUESTS)?;
        device.start(bench)?;
        let mut disk = Self { queue };
        disk.send(bench, &[TEST_UNIT_READY], &[], 0)?;
        let ready = disk.send(bench, &[TEST_UNIT_READY], &[], 0)?;
        bench.check("status of a disk that is ready", ready.status, GOOD)?;
        Ok(disk)
    }

    /// Sends a command with data to the device, or with room for data from it.
    fn send(
        &mut self,
        bench: &mut Bench<'_>,
        command: &[u8],
        content: &[u8],
        room: u32,
    ) -> Result<Answer, Failure> {
        let header = bench.allocate(REQUEST.into(), 16)?;
        let response = bench.allocate(RESPONSE.into(), 16)?;
        let data = bench.allocate(4096, 16)?;
        let mut bytes = vec![0; REQUEST as usize];
        // The first level of a logical unit number: 1, the target, and unit 0.
        bytes[..4].copy_from_slice(&[1, 0, 0x40, 0]);
        bytes[19..19 + command.len()].copy_from_slice(command);
        bench.session.write(header, &bytes)?;
        bench.session.memset(response, RESPONSE as usize, 0xee)?;
        bench.session.memset(data, 4096, 0xee)?;
        bench.session.write(data, content)?;
        let part = |address, length, is_written| Buffer {
            address,
            length,
            is_written,
        };
        let mut buffers = vec![part(header, REQUEST, false)];
        if !content.is_empty() {
            let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
            buffers.push(part(data, length, false));
        }
        buffers.push(part(response, RESPONSE, true));
        if room > 0 {
            buffers.push(part(data, room, true));
        }
        self.queue.send(bench, &buffers)?;
        let bytes = bench.session.read(response, RESPONSE as usize)?;
        bench.check("response", bytes[11], 0)?;
        let has_sense = bytes[..4] != [0; 4];
        Ok(Answer {
            status: bytes[10],
            // In fixed format, the key is in the third byte and the code in the thirteenth.
            sense: if has_sense {
                (bytes[12 + 2] & 0xf, bytes[12 + 12])
            } else {
                (0, 0)
            },
            data: bench.session.read(data, room as usize)?,
        })
    }
}

/// A big-endian number.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn reports_capacity(bench: &mut Bench<'_>, (short, long): (u32, u64)) -> Result<(), Failure> {
    let mut disk = Disk::find(bench)?;
    let mut command = [0; 10];
    command[0] = READ_CAPACITY_10;
    let data = disk.send(bench, &command, &[], 8)?.data;
    bench.check("last block, 10 bytes", number(&data[..4]), short.into())?;
    bench.check("block size, 10 bytes", number(&data[4..8]), 512)?;
    let mut command = [0; 16];
    command[..2].copy_from_slice(&[SERVICE_ACTION_IN, CAPACITY_16]);
    command[13] = 32;
    let data = disk.send(bench, &command, &[], 32)?.data;
    bench.check("last block, 16 bytes", number(&data[..8]), long)?;
    bench.check("block size, 16 bytes", number(&data[8..12]), 512)
}

fn refuses(bench: &mut Bench<'_>, sense: (u8, u8)) -> Result<(), Failure> {
    let mut disk = Disk::find(bench)?;
    for (block, length, status, expected) in [
        (BLOCKS - 1, 1, GOOD, (0, 0)),
        (BLOCKS, 1, CHECK_CONDITION, sense),
        (BLOCKS - 1, 2, CHECK_CONDITION, sense),
    ] {
        let mut command = [0; 10];
        command[0] = READ_10;
        command[2..6].copy_from_slice(&block.to_be_bytes());
        command[8] = length;
        let answer = disk.send(bench, &command, &[], 512 * u32::from(length))?;
        let what = format!("of {length} blocks from {block} on");
        bench.check(format!("status {what}"), answer.status, status)?;
        bench.check(format!("sense {what}"), answer.sense, expected)?;
    }
    Ok(())
}

fn unmaps(bench: &mut Bench<'_>, failed: u8) -> Result<(), Failure> {
    /// The length of the descriptors of two ranges, in bytes.
    const LENGTH: u16 = 2 * 16;
    let mut disk = Disk::find(bench)?;
    for (ranges, expected) in [
        ([(0u64, 8u32), (101, 8)], GOOD),
        ([(92, 8), (101, 8)], GOOD),
        ([(93, 8), (0, 8)], failed),
        ([(0, 8), (93, 8)], failed),
    ] {
        let mut list = Vec::new();
        list.extend((LENGTH + 6).to_be_bytes());
        list.extend(LENGTH.to_be_bytes());
        list.extend([0; 4]);
        for (block, count) in ranges {
            list.extend(block.to_be_bytes());
            list.extend(count.to_be_bytes());
            list.extend([0; 4]);
        }
        let mut command = [0; 10];
        command[0] = UNMAP;
        command[7..9].copy_from_slice(&(LENGTH + 8).to_be_bytes());
        let status = disk.send(bench, &command, &list, 0)?.status;
        bench.check(format!("status of {ranges:?}"), status, expected)?;
    }
    Ok(())
}

fn writes_same(bench: &mut Bench<'_>, failed: u8) -> Result<(), Failure> {
    let mut disk = Disk::find(bench)?;
    for (block, expected) in [(192u64, GOOD), (193, failed), (201, GOOD)] {
        let mut command = [0; 16];
        command[0] = WRITE_SAME_16;
        command[2..10].copy_from_slice(&block.to_be_bytes());
        command[13] = 8;
        let status = disk.send(bench, &command, &[0; 512], 0)?.status;
        bench.check(format!("status from block {block} on"), status, expected)?;
    }
    Ok(())
}

fn reports_mode(bench: &mut Bench<'_>, (protected, cached): (u8, u8)) -> Result<(), Failure> {
    const NO_BLOCK_DESCRIPTORS: u8 = 1 << 3;
    const CACHING: u8 = 0x08;
    let mut disk = Disk::find(bench)?;
    let command = [MODE_SENSE, NO_BLOCK_DESCRIPTORS, CACHING, 0, 64, 0];
    let answer = disk.send(bench, &command, &[], 64)?;
    bench.check("status", answer.status, GOOD)?;
    bench.check("write protection", answer.data[2] >> 7, protected)?;
    bench.check("mode page", answer.data[4] & 0x3f, CACHING)?;
    bench.check("write cache", answer.data[6] >> 2 & 1, cached)
}

fn returns_serial(bench: &mut Bench<'_>, expected: &str) -> Result<(), Failure> {
    const VITAL_PRODUCT_DATA: u8 = 1;
    const SERIAL: u8 = 0x80;
    let mut disk = Disk::find(bench)?;
    let command = [INQUIRY, VITAL_PRODUCT_DATA, SERIAL, 0, 64, 0];
    let data = disk.send(bench, &command, &[], 64)?.data;
    bench.check("page", data[1], SERIAL)?;
    let found = String::from_utf8_lossy(&data[4..64]);
    let length = usize::from(data[3]).min(60);
    bench.check("serial number", &found[..length], expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "reports-capacity", "last block, 10", |bench| {
            reports_capacity(bench, (2048, 2047))
        });
        check_fails(TESTS, "reports-large-capacity", "last block, 16", |bench| {
            reports_capacity(bench, (u32::MAX, 3 << 31))
        });
        check_fails(
            TESTS,
            "refuses-blocks-behind-the-end",
            "sense of 1",
            |bench| refuses(bench, (0, 0)),
        );
        check_fails(TESTS, "unmaps-all-ranges", "(93, 8)", |bench| {
            unmaps(bench, GOOD)
        });
        check_fails(TESTS, "writes-same-to-whole-range", "block 193", |bench| {
            writes_same(bench, GOOD)
        });
        check_fails(TESTS, "reports-write-cache", "write cache", |bench| {
            reports_mode(bench, (0, 0))
        });
        check_fails(
            TESTS,
            "reports-missing-write-cache",
            "write protection",
            |bench| reports_mode(bench, (0, 0)),
        );
        check_fails(
            TESTS,
            "returns-serial-number-of-full-length",
            "serial number",
            |bench| returns_serial(bench, "kiln"),
        );
    }
}

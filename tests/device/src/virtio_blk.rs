//! The virtio block device (VIRTIO 1.2, section 5.2), modern PCI, split virtqueue.
//!
//! `virtio_pci` and `virtio_mmio` test it over other transports and with packed virtqueues.

use qtest::virtio::{Buffer, Device, Queue};
use qtest::{Bench, Failure, Test, Width};

/// The number of the virtio device.
pub(crate) const DEVICE: u16 = 2;

const READ_ONLY_FEATURE: u64 = 1 << 5;
pub(crate) const FLUSH_FEATURE: u64 = 1 << 9;
const QUEUES_FEATURE: u64 = 1 << 12;

pub(crate) const IN: u32 = 0;
pub(crate) const OUT: u32 = 1;
const FLUSH: u32 = 4;
pub(crate) const GET_ID: u32 = 8;
const DISCARD: u32 = 11;
const WRITE_ZEROES: u32 = 13;
const UNKNOWN: u32 = 0x1234;

/// In the configuration: the block size, the write cache, the number of queues.
const BLOCK_SIZE: u64 = 20;
const WRITE_CACHE: u64 = 32;
const QUEUES: u64 = 34;

pub(crate) const OK: u8 = 0;
const IOERR: u8 = 1;
const UNSUPPORTED: u8 = 2;

pub(crate) const SECTOR: u32 = 512;
pub(crate) const SECTORS: u64 = 2048;

/// The value of `-blockdev` for a disk of zeroes that keeps nothing, with `SECTORS` sectors.
pub(crate) const NULL_DISK: &str = "null-co,node-name=disk,size=1048576,read-zeroes=on";

const BASE: Test = Test {
    models: &["virtio-blk-pci"],
    arguments: &[
        "-blockdev",
        NULL_DISK,
        "-device",
        "virtio-blk-pci,addr=4,drive=disk,serial=kiln-1200",
    ],
    ..Test::of("virtio-blk", &["pci"])
};

/// A read-only disk of larger blocks, with more queues and without a write cache.
const OTHER: Test = Test {
    arguments: &[
        "-blockdev",
        "null-co,node-name=disk,size=1048576,read-zeroes=on,read-only=on",
        "-device",
        "virtio-blk-pci,addr=4,drive=disk,serial=kiln-6789-123456789Z,logical_block_size=4096,\
         physical_block_size=4096,write-cache=off,num-queues=4",
    ],
    ..BASE
};

/// A disk on which a discard of sector 100 fails, and so does writing zeroes there if that may discard.
const FAULTY: Test = Test {
    arguments: &[
        "-blockdev",
        r#"{"driver": "blkdebug", "node-name": "disk", "discard": "unmap",
            "inject-error": [{"event": "none", "iotype": "discard", "sector": 100, "errno": 5},
                             {"event": "none", "iotype": "write-zeroes", "sector": 200, "errno": 5}],
            "image": {"driver": "null-co", "size": 1048576, "read-zeroes": true}}"#,
        "-device",
        "virtio-blk-pci,addr=4,drive=disk",
    ],
    ..BASE
};

/// A disk with a name.
const NAMED: Test = Test {
    clock: true,
    arguments: &[
        "-blockdev",
        "null-co,node-name=disk,size=1048576",
        "-device",
        "virtio-blk-pci,id=blk0,addr=4,drive=disk",
    ],
    ..BASE
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "reports-block-size",
        description: "The configuration has the logical block size",
        body: |bench| reports(bench, "block size", (Width::L, BLOCK_SIZE), 4096),
        ..OTHER
    },
    Test {
        name: "reports-missing-write-cache",
        description: "The configuration of a disk without a write cache is write-through",
        body: |bench| reports(bench, "write cache", (Width::B, WRITE_CACHE), 0),
        ..OTHER
    },
    Test {
        name: "reports-write-cache",
        description: "The configuration of a disk with a write cache is write-back",
        body: |bench| reports(bench, "write cache", (Width::B, WRITE_CACHE), 1),
        ..BASE
    },
    Test {
        name: "reports-queues",
        description: "The configuration has the number of queues",
        body: |bench| reports(bench, "queues", (Width::W, QUEUES), 4),
        ..OTHER
    },
    Test {
        name: "offers-features-of-its-disk",
        description: "A read-only disk and several queues are offered as features",
        body: |bench| offers(bench, READ_ONLY_FEATURE | QUEUES_FEATURE),
        ..OTHER
    },
    Test {
        name: "offers-no-other-features",
        description: "A writable disk with one queue offers neither",
        body: |bench| offers(bench, 0),
        ..BASE
    },
    Test {
        name: "returns-serial-number-of-full-length",
        description: "GET_ID returns all 20 characters of a serial number",
        body: |bench| returns_serial(bench, "kiln-6789-123456789Z"),
        ..OTHER
    },
    Test {
        name: "refuses-write-to-read-only-disk",
        description: "A write to a read-only disk is an I/O error",
        body: |bench| refuses(bench, (OUT, 0, IOERR)),
        ..OTHER
    },
    Test {
        name: "discards-whole-range",
        description: "A discard reaches the last sector of its range and no further",
        body: |bench| discards(bench, DISCARD, (100, 0)),
        ..FAULTY
    },
    Test {
        name: "writes-zeroes-to-whole-range",
        description: "Writing zeroes reaches the last sector of its range and no further",
        body: |bench| discards(bench, WRITE_ZEROES, (200, 0)),
        ..FAULTY
    },
    Test {
        name: "throttles-requests",
        description: "Requests over the limit wait until their time, and no longer",
        body: |bench| throttles(bench, (90, 110)),
        ..NAMED
    },
    Test {
        name: "reports-capacity",
        description: "The configuration has the capacity in sectors of 512 bytes",
        body: |bench| reports_capacity(bench, SECTORS),
        ..BASE
    },
    Test {
        name: "reads-sectors",
        description: "A read fills the buffer and reports its length with the status",
        body: |bench| reads(bench, 0),
        ..BASE
    },
    Test {
        name: "writes-and-flushes",
        description: "A write and a flush succeed and write nothing but the status",
        body: |bench| writes(bench, OK),
        ..BASE
    },
    Test {
        name: "returns-serial-number",
        description: "GET_ID returns the serial number and a zero",
        body: |bench| returns_serial(bench, "kiln-1200"),
        ..BASE
    },
    Test {
        name: "refuses-sector-behind-the-end",
        description: "A read behind the last sector is an I/O error",
        body: |bench| refuses(bench, (IN, SECTORS, IOERR)),
        ..BASE
    },
    Test {
        name: "refuses-unknown-request",
        description: "A request of an unknown type is reported as unsupported",
        body: |bench| refuses(bench, (UNKNOWN, 0, UNSUPPORTED)),
        ..BASE
    },
];

/// A started disk.
pub(crate) struct Disk {
    pub(crate) device: Device,
    pub(crate) queue: Queue,
}

/// The answer to a request.
pub(crate) struct Answer {
    pub(crate) status: u8,
    /// The length that the device reports.
    pub(crate) written: u32,
    /// The content of the buffer.
    pub(crate) data: Vec<u8>,
}

impl Disk {
    /// Finds the disk, and starts it with these features.
    pub(crate) fn start(bench: &mut Bench<'_>, features: u64) -> Result<Self, Failure> {
        let device = Device::find(bench, DEVICE, features)?;
        let queue = device.queue(bench, 0)?;
        device.start(bench)?;
        Ok(Self { device, queue })
    }

    /// Sends a request with this content of its buffer.
    pub(crate) fn send(
        &mut self,
        bench: &mut Bench<'_>,
        (kind, sector): (u32, u64),
        content: &[u8],
    ) -> Result<Answer, Failure> {
        // Before version 1, the header has the byte order of the guest.
        let big_endian = self.device.is_legacy() && bench.session.big_endian()?;
        let header = header((kind, sector), big_endian);
        let (buffers, data, status) = prepare(bench, kind, &header, content)?;
        let written = self.queue.send(bench, &buffers)?;
        Ok(Answer {
            status: bench.session.readb(status)?,
            written,
            data: bench.session.read(data, content.len())?,
        })
    }
}

/// Sends a request to a disk that was just started, with a buffer of a length.
fn request(bench: &mut Bench<'_>, request: (u32, u64), length: u32) -> Result<Answer, Failure> {
    let mut disk = Disk::start(bench, FLUSH_FEATURE)?;
    disk.send(bench, request, &vec![0xee; length as usize])
}

pub(crate) fn header((kind, sector): (u32, u64), big_endian: bool) -> [u8; 16] {
    let mut bytes = [0; 16];
    let (kind, sector) = if big_endian {
        (kind.to_be_bytes(), sector.to_be_bytes())
    } else {
        (kind.to_le_bytes(), sector.to_le_bytes())
    };
    bytes[..4].copy_from_slice(&kind);
    bytes[8..].copy_from_slice(&sector);
    bytes
}

/// Writes a request to RAM. Returns its buffers, and the addresses of its data and its status.
fn prepare(
    bench: &mut Bench<'_>,
    kind: u32,
    header: &[u8],
    content: &[u8],
) -> Result<(Vec<Buffer>, u64, u64), Failure> {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let start = bench.allocate(16, 16)?;
    let data = bench.allocate(length.max(1).into(), 16)?;
    let status = bench.allocate(1, 1)?;
    bench.session.write(start, header)?;
    bench.session.write(data, content)?;
    bench.session.writeb(status, 0xee)?;
    let part = |address, length, is_written| Buffer {
        address,
        length,
        is_written,
    };
    let mut buffers = vec![part(start, 16, false)];
    if length > 0 {
        buffers.push(part(
            data,
            length,
            !matches!(kind, OUT | DISCARD | WRITE_ZEROES),
        ));
    }
    buffers.push(part(status, 1, true));
    Ok((buffers, data, status))
}

fn reports_capacity(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let device = Device::find(bench, DEVICE, 0)?;
    let capacity = device.field(bench, Width::Q, 0)?;
    bench.check("capacity", capacity, expected)
}

fn reads(bench: &mut Bench<'_>, byte: u8) -> Result<(), Failure> {
    let length = 2 * SECTOR;
    let answer = request(bench, (IN, SECTORS - 2), length)?;
    bench.check("status", answer.status, OK)?;
    bench.check("length", answer.written, length + 1)?;
    let as_expected = answer.data.iter().all(|it| *it == byte);
    bench.check("sectors are zeros", as_expected, true)
}

fn writes(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let answer = request(bench, (OUT, 0), SECTOR)?;
    bench.check("status of a write", answer.status, expected)?;
    bench.check("length of a write", answer.written, 1)?;
    let answer = request(bench, (FLUSH, 0), 0)?;
    bench.check("status of a flush", answer.status, OK)
}

fn returns_serial(bench: &mut Bench<'_>, expected: &str) -> Result<(), Failure> {
    const LENGTH: u32 = 20;
    let Answer { status, data, .. } = request(bench, (GET_ID, 0), LENGTH)?;
    bench.check("status", status, OK)?;
    let end = data.iter().position(|byte| *byte == 0);
    let found = String::from_utf8_lossy(&data[..end.unwrap_or(data.len())]);
    bench.check("serial number", &*found, expected)
}

fn reports(
    bench: &mut Bench<'_>,
    what: &str,
    (width, at): (Width, u64),
    expected: u64,
) -> Result<(), Failure> {
    let device = Device::find(bench, DEVICE, 0)?;
    let found = device.field(bench, width, at)?;
    bench.check(what, found, expected)
}

fn offers(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let device = Device::find(bench, DEVICE, 0)?;
    let found = device.offered & (READ_ONLY_FEATURE | QUEUES_FEATURE);
    bench.check("read-only and several queues", found, expected)
}

/// Sends ranges of eight sectors: the sector of the error is the last one of a range, then the one behind it.
fn discards(bench: &mut Bench<'_>, kind: u32, (faulty, flags): (u64, u32)) -> Result<(), Failure> {
    for (first, expected) in [(faulty - 7, IOERR), (faulty - 8, OK), (faulty + 1, OK)] {
        let mut range = first.to_le_bytes().to_vec();
        range.extend(8u32.to_le_bytes());
        range.extend(flags.to_le_bytes());
        let answer = Disk::start(bench, FLUSH_FEATURE)?.send(bench, (kind, 0), &range)?;
        bench.check(
            format!("status of sectors {first} to {}", first + 7),
            answer.status,
            expected,
        )?;
    }
    Ok(())
}

/// The third of three requests waits for the tenth of a second that one of them costs.
fn throttles(bench: &mut Bench<'_>, (earliest, latest): (u32, u32)) -> Result<(), Failure> {
    /// In milliseconds, and in nanoseconds.
    const STEP: u32 = 5;
    const STEP_LENGTH: u64 = 5_000_000;
    // A limit that is set when QEMU starts follows the host's clock.
    let limit = serde_json::json!({
        "id": "/machine/peripheral/blk0/virtio-backend",
        "iops": 10, "iops_rd": 0, "iops_wr": 0, "bps": 0, "bps_rd": 0, "bps_wr": 0,
    });
    bench
        .session
        .qmp("block_set_io_throttle", limit)
        .map_err(|error| Failure::Missing(format!("a limit that can be set: {error}")))?;
    let Disk { mut queue, .. } = Disk::start(bench, FLUSH_FEATURE)?;
    let (buffers, ..) = prepare(bench, IN, &header((IN, 0), false), &[0; SECTOR as usize])?;
    for _ in 0..2 {
        queue.send(bench, &buffers)?;
    }
    queue.post(bench, &buffers)?;
    let mut elapsed = 0;
    // A request without a limit ends in the first step or the next one.
    while !queue.is_used(bench)? && elapsed < 2 * latest {
        bench.session.clock_step(Some(STEP_LENGTH))?;
        elapsed += STEP;
    }
    let what = format!("{elapsed} ms are within {earliest} and {latest} ms");
    bench.check(what, (earliest..=latest).contains(&elapsed), true)
}

fn refuses(bench: &mut Bench<'_>, (kind, sector, expected): (u32, u64, u8)) -> Result<(), Failure> {
    let answer = request(bench, (kind, sector), SECTOR)?;
    bench.check("status", answer.status, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "reports-capacity", "capacity", |bench| {
            reports_capacity(bench, 2047)
        });
        check_fails(TESTS, "reports-block-size", "block size", |bench| {
            reports(bench, "block size", (Width::L, BLOCK_SIZE), 512)
        });
        check_fails(TESTS, "offers-features-of-its-disk", "read-only", |bench| {
            offers(bench, READ_ONLY_FEATURE)
        });
        check_fails(TESTS, "discards-whole-range", "sectors 93", |bench| {
            discards(bench, DISCARD, (101, 0))
        });
        check_fails(TESTS, "throttles-requests", "100 ms are", |bench| {
            throttles(bench, (0, 50))
        });
        check_fails(TESTS, "reads-sectors", "sectors are zeros", |bench| {
            reads(bench, 1)
        });
        check_fails(TESTS, "writes-and-flushes", "status of a write", |bench| {
            writes(bench, IOERR)
        });
        check_fails(TESTS, "returns-serial-number", "serial number", |bench| {
            returns_serial(bench, "kiln-1201")
        });
        check_fails(TESTS, "refuses-sector-behind-the-end", "status", |bench| {
            refuses(bench, (IN, SECTORS - 1, IOERR))
        });
        check_fails(TESTS, "refuses-unknown-request", "status", |bench| {
            refuses(bench, (UNKNOWN, 0, OK))
        });
    }
}

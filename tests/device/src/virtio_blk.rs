//! The virtio block device (VIRTIO 1.2, section 5.2), modern PCI, split virtqueue.

use qtest::virtio::{Buffer, Device};
use qtest::{Bench, Failure, Test, Width};

/// The PCI device number of a transitional device.
const DEVICE: u16 = 0x1001;

const FLUSH_FEATURE: u64 = 1 << 9;

const IN: u32 = 0;
const OUT: u32 = 1;
const FLUSH: u32 = 4;
const GET_ID: u32 = 8;
const UNKNOWN: u32 = 0x1234;

const OK: u8 = 0;
const IOERR: u8 = 1;
const UNSUPPORTED: u8 = 2;

const SECTOR: u32 = 512;
const SECTORS: u64 = 2048;

const BASE: Test = Test {
    models: &["virtio-blk-pci"],
    arguments: &[
        "-blockdev",
        "null-co,node-name=disk,size=1048576,read-zeroes=on",
        "-device",
        "virtio-blk-pci,addr=4,drive=disk,serial=kiln-1200",
    ],
    ..Test::of("virtio-blk", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[
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
        body: |bench| returns_serial(bench, b"kiln-1200"),
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

/// Sends a request with a buffer of a length. Returns its status, the length that the device
/// reports, and the buffer.
fn request(
    bench: &mut Bench<'_>,
    (kind, sector): (u32, u64),
    length: u32,
) -> Result<(u8, u32, Vec<u8>), Failure> {
    let device = Device::find(bench, DEVICE, FLUSH_FEATURE)?;
    let mut queue = device.queue(bench, 0)?;
    device.start(bench)?;
    let header = bench.allocate(16, 16)?;
    let data = bench.allocate(length.max(1).into(), 16)?;
    let status = bench.allocate(1, 1)?;
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(sector.to_le_bytes());
    bench.session.write(header, &bytes)?;
    bench.session.memset(data, length as usize, 0xee)?;
    bench.session.writeb(status, 0xee)?;
    let part = |address, length, is_written| Buffer {
        address,
        length,
        is_written,
    };
    let mut buffers = vec![part(header, 16, false)];
    if length > 0 {
        buffers.push(part(data, length, kind != OUT));
    }
    buffers.push(part(status, 1, true));
    let written = queue.send(bench, &buffers)?;
    let status = bench.session.readb(status)?;
    Ok((status, written, bench.session.read(data, length as usize)?))
}

fn reports_capacity(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let device = Device::find(bench, DEVICE, 0)?;
    let low = device.field(bench, Width::L, 0)?;
    let high = device.field(bench, Width::L, 4)?;
    bench.check("capacity", high << 32 | low, expected)
}

fn reads(bench: &mut Bench<'_>, byte: u8) -> Result<(), Failure> {
    let length = 2 * SECTOR;
    let (status, written, data) = request(bench, (IN, SECTORS - 2), length)?;
    bench.check("status", status, OK)?;
    bench.check("length", written, length + 1)?;
    bench.check("sectors are zeros", data.iter().all(|it| *it == byte), true)
}

fn writes(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let (status, written, _) = request(bench, (OUT, 0), SECTOR)?;
    bench.check("status of a write", status, expected)?;
    bench.check("length of a write", written, 1)?;
    let (status, ..) = request(bench, (FLUSH, 0), 0)?;
    bench.check("status of a flush", status, OK)
}

fn returns_serial(bench: &mut Bench<'_>, expected: &[u8]) -> Result<(), Failure> {
    const LENGTH: u32 = 20;
    let (status, _, data) = request(bench, (GET_ID, 0), LENGTH)?;
    bench.check("status", status, OK)?;
    let end = data.iter().position(|byte| *byte == 0);
    bench.check("serial number", &data[..end.unwrap_or_default()], expected)
}

fn refuses(bench: &mut Bench<'_>, (kind, sector, expected): (u32, u64, u8)) -> Result<(), Failure> {
    let (status, ..) = request(bench, (kind, sector), SECTOR)?;
    bench.check("status", status, expected)
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
        check_fails(TESTS, "reads-sectors", "sectors are zeros", |bench| {
            reads(bench, 1)
        });
        check_fails(TESTS, "writes-and-flushes", "status of a write", |bench| {
            writes(bench, IOERR)
        });
        check_fails(TESTS, "returns-serial-number", "serial number", |bench| {
            returns_serial(bench, b"kiln-1201")
        });
        check_fails(TESTS, "refuses-sector-behind-the-end", "status", |bench| {
            refuses(bench, (IN, SECTORS - 1, IOERR))
        });
        check_fails(TESTS, "refuses-unknown-request", "status", |bench| {
            refuses(bench, (UNKNOWN, 0, OK))
        });
    }
}

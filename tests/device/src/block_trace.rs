//! Disks that execute the requests of a trace and must return what was written last.
//!
//! The trace is the file of `--opt trace=FILE`, which QEMU wrote, or the one of the repository.

use std::collections::BTreeMap;

use qtest::pci::Bar;
use qtest::trace::{self, Request};
use qtest::virtio::{Buffer, Queue};
use qtest::{Bench, Failure, Test};

use crate::{nvme, virtio_blk};

/// Reads of sectors that were never written, and writes that cover others in part.
const OVERLAPPING: &str = include_str!("../traces/overlapping.trace");

const SECTOR: usize = 512;
/// The sectors of the disk. Only sectors that are written take space, in a temporary file of QEMU.
const SECTORS: u64 = 1 << 31;
/// The sectors of the largest transfer to a virtio disk, and to an NVM Express disk: a page.
const VIRTIO_MOST: u64 = 2048;
const NVME_MOST: u64 = 8;

const BASE: Test = Test {
    models: &["virtio-blk-pci"],
    arguments: &[
        "-drive",
        "if=none,id=disk,driver=raw,file.driver=null-co,file.size=1099511627776,file.read-zeroes=on,snapshot=on",
        "-device",
        "virtio-blk-pci,addr=4,drive=disk",
    ],
    ..Test::of("block-trace", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "virtio-disk-keeps-data",
        description: "A virtio disk returns what the writes of a trace left",
        body: |bench| virtio_keeps(bench, 0),
        ..BASE
    },
    Test {
        name: "virtio-disk-in-slot-keeps-data",
        description: "A virtio disk over memory-mapped registers returns what the writes of a trace left",
        needs: &["virtio-mmio"],
        models: &["virtio-blk-device"],
        arguments: &[
            "-global",
            "virtio-mmio.force-legacy=false",
            "-drive",
            "if=none,id=disk,driver=raw,file.driver=null-co,file.size=1099511627776,file.read-zeroes=on,snapshot=on",
            "-device",
            "virtio-blk-device,drive=disk",
        ],
        body: |bench| virtio_keeps(bench, 0),
        ..BASE
    },
    Test {
        name: "nvme-disk-keeps-data",
        description: "An NVMe disk returns what the writes of a trace left",
        needs: &["pci", "dma"],
        models: &["nvme"],
        arguments: &[
            "-drive",
            "if=none,id=disk,driver=raw,file.driver=null-co,file.size=1099511627776,file.read-zeroes=on,snapshot=on",
            "-device",
            "nvme,addr=4,serial=kiln-1200,drive=disk",
        ],
        body: |bench| nvme_keeps(bench, 0),
        ..BASE
    },
];

/// A disk that transfers sectors.
trait Disk {
    /// The sectors of the largest transfer.
    fn most(&self) -> u64;
    /// The address of the RAM for the content of a transfer.
    fn data(&self) -> u64;
    /// Transfers sectors from or to this RAM.
    fn transfer(
        &mut self,
        bench: &mut Bench<'_>,
        direction: Direction,
        sector: u64,
        size: usize,
    ) -> Result<(), Failure>;

    fn write(&mut self, bench: &mut Bench<'_>, sector: u64, bytes: &[u8]) -> Result<(), Failure> {
        bench.session.write(self.data(), bytes)?;
        self.transfer(bench, Direction::Write, sector, bytes.len())
    }

    fn read(
        &mut self,
        bench: &mut Bench<'_>,
        sector: u64,
        size: usize,
    ) -> Result<Vec<u8>, Failure> {
        self.transfer(bench, Direction::Read, sector, size)?;
        Ok(bench.session.read(self.data(), size)?)
    }
}

/// Whether a transfer reads or writes the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Read,
    Write,
}

/// The content of a sector: its number and the number of the write.
fn content(sector: u64, write: u64) -> [u8; SECTOR] {
    let mut bytes = [0; SECTOR];
    for part in bytes.chunks_exact_mut(16) {
        part[..8].copy_from_slice(&sector.to_le_bytes());
        part[8..].copy_from_slice(&write.to_le_bytes());
    }
    bytes
}

fn keeps(bench: &mut Bench<'_>, disk: &mut dyn Disk, unwritten: u8) -> Result<(), Failure> {
    let requests = match bench.trace.clone() {
        Some(requests) => requests,
        None => trace::parse(OVERLAPPING)
            .map_err(|error| Failure::Missing(error.to_string()))?
            .into(),
    };
    // The last write of each sector, from 1.
    let mut written = BTreeMap::new();
    for (number, request) in (1u64..).zip(requests.iter()) {
        let end = request.sector.checked_add(request.count);
        let is_on_disk = end.is_some_and(|end| end <= SECTORS);
        bench.check(format!("request {number} is on the disk"), is_on_disk, true)?;
        for part in parts(*request, disk.most()) {
            let sectors = part.sector..part.sector + part.count;
            if part.is_write {
                let bytes: Vec<u8> = sectors.clone().flat_map(|it| content(it, number)).collect();
                disk.write(bench, part.sector, &bytes)?;
                written.extend(sectors.map(|sector| (sector, number)));
            } else {
                compare(bench, disk, part, (&written, unwritten))?;
            }
        }
    }
    bench.note(format!("{} requests", requests.len()));
    for part in runs(written.keys().copied(), disk.most()) {
        compare(bench, disk, part, (&written, unwritten))?;
    }
    Ok(())
}

/// Reads of ascending sectors, with as many adjacent ones in each as a disk can transfer.
fn runs(sectors: impl Iterator<Item = u64>, most: u64) -> Vec<Request> {
    let mut runs = Vec::<Request>::new();
    for sector in sectors {
        match runs.last_mut() {
            Some(last) if last.sector + last.count == sector && last.count < most => {
                last.count += 1;
            }
            _ => runs.push(Request {
                is_write: false,
                sector,
                count: 1,
            }),
        }
    }
    runs
}

/// The parts of a request that a disk can transfer.
fn parts(request: Request, most: u64) -> impl Iterator<Item = Request> {
    let step = usize::try_from(most).unwrap_or(usize::MAX);
    (0..request.count).step_by(step).map(move |done| Request {
        sector: request.sector + done,
        count: most.min(request.count - done),
        ..request
    })
}

fn compare(
    bench: &mut Bench<'_>,
    disk: &mut dyn Disk,
    part: Request,
    (written, unwritten): (&BTreeMap<u64, u64>, u8),
) -> Result<(), Failure> {
    let size = usize::try_from(part.count).unwrap_or(usize::MAX) * SECTOR;
    let bytes = disk.read(bench, part.sector, size)?;
    for (sector, found) in (part.sector..).zip(bytes.chunks_exact(SECTOR)) {
        let expected = match written.get(&sector) {
            Some(write) => content(sector, *write),
            None => [unwritten; SECTOR],
        };
        let what = format!("first bytes of sector {sector}");
        bench.check(what, &found[..16], &expected[..16])?;
        bench.check(format!("rest of sector {sector}"), found == expected, true)?;
    }
    Ok(())
}

/// A virtio disk, with memory for one request.
struct Virtio {
    queue: Queue,
    header: u64,
    data: u64,
}

impl Disk for Virtio {
    fn most(&self) -> u64 {
        VIRTIO_MOST
    }

    fn data(&self) -> u64 {
        self.data
    }

    fn transfer(
        &mut self,
        bench: &mut Bench<'_>,
        direction: Direction,
        sector: u64,
        size: usize,
    ) -> Result<(), Failure> {
        let kind = match direction {
            Direction::Read => virtio_blk::IN,
            Direction::Write => virtio_blk::OUT,
        };
        let status = self.header + 16;
        let header = virtio_blk::header((kind, sector), false);
        bench.session.write(self.header, &header)?;
        bench.session.writeb(status, 0xee)?;
        let part = |address, length, is_written| Buffer {
            address,
            length,
            is_written,
        };
        let length = u32::try_from(size).unwrap_or(u32::MAX);
        let buffers = [
            part(self.header, 16, false),
            part(self.data, length, direction == Direction::Read),
            part(status, 1, true),
        ];
        self.queue.send(bench, &buffers)?;
        let found = bench.session.readb(status)?;
        bench.check(format!("status at sector {sector}"), found, virtio_blk::OK)
    }
}

fn virtio_keeps(bench: &mut Bench<'_>, unwritten: u8) -> Result<(), Failure> {
    let virtio_blk::Disk { queue, .. } = virtio_blk::Disk::start(bench, 0)?;
    let mut disk = Virtio {
        queue,
        header: bench.allocate(17, 16)?,
        data: bench.allocate(VIRTIO_MOST * SECTOR as u64, 4096)?,
    };
    keeps(bench, &mut disk, unwritten)
}

/// An NVM Express disk, with memory for one request.
struct Nvme {
    bar: Bar,
    queue: nvme::Queue,
    page: u64,
}

impl Disk for Nvme {
    fn most(&self) -> u64 {
        NVME_MOST
    }

    fn data(&self) -> u64 {
        self.page
    }

    fn transfer(
        &mut self,
        bench: &mut Bench<'_>,
        direction: Direction,
        sector: u64,
        size: usize,
    ) -> Result<(), Failure> {
        let blocks = u32::try_from(size / SECTOR).unwrap_or(u32::MAX);
        let command = nvme::Command {
            opcode: match direction {
                Direction::Read => nvme::READ,
                Direction::Write => nvme::WRITE,
            },
            namespace: 1,
            data: self.page,
            arguments: [
                (sector & 0xffff_ffff) as u32,
                (sector >> 32) as u32,
                blocks - 1,
                0,
            ],
        };
        let status = self.queue.send(bench, self.bar, &command)?;
        bench.check(format!("status at sector {sector}"), status, nvme::SUCCESS)
    }
}

fn nvme_keeps(bench: &mut Bench<'_>, unwritten: u8) -> Result<(), Failure> {
    let bar = nvme::find(bench)?;
    let (_, queue) = nvme::enable_io(bench, bar)?;
    let page = bench.allocate(NVME_MOST * SECTOR as u64, 4096)?;
    keeps(bench, &mut Nvme { bar, queue, page }, unwritten)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn requests_are_split_at_the_largest_transfer() {
        let request = |sector, count| Request {
            is_write: true,
            sector,
            count,
        };
        let found: Vec<_> = parts(request(10, 20), 8).collect();
        assert_eq!(found, [request(10, 8), request(18, 8), request(26, 4)]);
    }

    #[test]
    fn adjacent_sectors_are_read_together() {
        let found = runs([3, 4, 5, 6, 9].into_iter(), 3);
        let found: Vec<_> = found.iter().map(|it| (it.sector, it.count)).collect();
        assert_eq!(found, [(3, 3), (6, 1), (9, 1)]);
    }

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "virtio-disk-keeps-data", "first bytes", |bench| {
            virtio_keeps(bench, 1)
        });
        check_fails(
            TESTS,
            "virtio-disk-in-slot-keeps-data",
            "first bytes",
            |bench| virtio_keeps(bench, 1),
        );
        check_fails(TESTS, "nvme-disk-keeps-data", "first bytes", |bench| {
            nvme_keeps(bench, 1)
        });
    }
}

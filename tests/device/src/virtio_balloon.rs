//! The virtio balloon (VIRTIO 1.2, section 5.5), modern PCI, split virtqueue.

use qtest::virtio::{Buffer, CONFIGURATION_INTERRUPT, Device, QUEUE_INTERRUPT};
use qtest::{Bench, Failure, Test, Width};
use serde_json::json;

/// The number of the virtio device.
const DEVICE: u16 = 5;
/// The queues of pages that the guest gives away and takes back.
const INFLATE: u16 = 0;
const DEFLATE: u16 = 1;
/// Configuration: the pages that the host wants, and those that it has.
const WANTED: u64 = 0;
const ACTUAL: u64 = 4;
/// Feature: a queue for statistics.
const STATISTICS: u64 = 1 << 1;
/// The size of a page of the balloon.
const PAGE: u64 = 4096;
/// The pages that the tests give away.
const PAGES: u32 = 16;

const BASE: Test = Test {
    models: &["virtio-balloon-pci"],
    arguments: &["-device", "virtio-balloon-pci,addr=4"],
    ..Test::of("virtio-balloon", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "has-queue-for-statistics",
        description: "The device offers statistics, and has three queues",
        body: |bench| has_queues(bench, 3),
        ..BASE
    },
    Test {
        name: "shows-wanted-pages",
        description: "A target of QMP is in the configuration, in pages, with an interrupt",
        body: |bench| shows_wanted(bench, 4096),
        ..BASE
    },
    Test {
        name: "takes-pages",
        description: "The device takes a list of pages and returns the buffer with an interrupt",
        body: |bench| takes(bench, QUEUE_INTERRUPT),
        ..BASE
    },
    Test {
        name: "returns-pages",
        description: "Pages that were given away and taken back are writable",
        body: |bench| returns(bench, 0x5a),
        ..BASE
    },
    Test {
        name: "reports-actual-pages",
        description: "QMP reports the memory without the pages that the driver says it gave away",
        body: |bench| reports(bench, 16),
        ..BASE
    },
];

fn has_queues(bench: &mut Bench<'_>, expected: u16) -> Result<(), Failure> {
    let device = Device::find(bench, DEVICE, STATISTICS)?;
    let queues = device.queues(bench)?;
    bench.check("number of queues", queues, expected)
}

fn memory(bench: &Bench<'_>) -> u64 {
    bench.machine.ram_end - bench.machine.ram_start
}

fn shows_wanted(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let device = Device::find(bench, DEVICE, 0)?;
    device.start(bench)?;
    let before = device.field(bench, Width::L, WANTED)?;
    bench.check("wanted pages before", before, 0)?;
    let target = memory(bench) - 4096 * PAGE;
    bench
        .session
        .qmp("balloon", json!({ "value": target }))
        .map_err(|error| Failure::Missing(format!("a target that can be set: {error}")))?;
    let found = device.field(bench, Width::L, WANTED)?;
    bench.check("wanted pages", found, expected)?;
    let interrupts = device.take_interrupts(bench)?;
    let found = interrupts & CONFIGURATION_INTERRUPT;
    bench.check("interrupt", found, CONFIGURATION_INTERRUPT)
}

/// Sends the numbers of some pages to a queue.
fn send(
    bench: &mut Bench<'_>,
    queue: &mut qtest::virtio::Queue,
    pages: u64,
) -> Result<(), Failure> {
    let list = bench.allocate(4 * u64::from(PAGES), 16)?;
    let first = u32::try_from(pages / PAGE).unwrap_or(u32::MAX);
    let numbers = (first..).take(PAGES as usize);
    let bytes: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
    bench.session.write(list, &bytes)?;
    let buffer = Buffer {
        address: list,
        length: 4 * PAGES,
        is_written: false,
    };
    let length = queue.send(bench, &[buffer])?;
    bench.check("written bytes", length, 0)?;
    bench.release(list)
}

fn takes(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let device = Device::find(bench, DEVICE, 0)?;
    let mut queue = device.queue(bench, INFLATE)?;
    device.start(bench)?;
    let pages = bench.allocate(u64::from(PAGES) * PAGE, PAGE)?;
    send(bench, &mut queue, pages)?;
    let interrupts = device.take_interrupts(bench)?;
    bench.check("interrupts", interrupts, expected)
}

fn returns(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let device = Device::find(bench, DEVICE, 0)?;
    let mut inflate = device.queue(bench, INFLATE)?;
    let mut deflate = device.queue(bench, DEFLATE)?;
    device.start(bench)?;
    let size = u64::from(PAGES) * PAGE;
    let pages = bench.allocate(size, PAGE)?;
    send(bench, &mut inflate, pages)?;
    send(bench, &mut deflate, pages)?;
    bench
        .session
        .memset(pages, (size & 0xffff_ffff) as usize, 0x5a)?;
    let last = bench.session.readb(pages + size - 1)?;
    bench.check("last byte of the pages", last, expected)
}

fn reports(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let device = Device::find(bench, DEVICE, 0)?;
    device.start(bench)?;
    device.set_field(bench, Width::L, ACTUAL, PAGES.into())?;
    let answer = bench.session.qmp("query-balloon", json!({}));
    let answer =
        answer.map_err(|error| Failure::Missing(format!("the size of the balloon: {error}")))?;
    let actual = answer["actual"].as_u64().unwrap_or_default();
    let found = memory(bench).saturating_sub(actual) / PAGE;
    bench.check("pages of the balloon", found, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "has-queue-for-statistics", "queues", |bench| {
            has_queues(bench, 2)
        });
        check_fails(TESTS, "shows-wanted-pages", "wanted", |bench| {
            shows_wanted(bench, 4097)
        });
        check_fails(TESTS, "takes-pages", "interrupts", |bench| takes(bench, 0));
        check_fails(TESTS, "returns-pages", "last byte", |bench| {
            returns(bench, 0)
        });
        check_fails(TESTS, "reports-actual-pages", "balloon", |bench| {
            reports(bench, 0)
        });
    }
}

//! Virtio over PCI (VIRTIO 1.2, sections 2.8 and 4.1), with a disk and a balloon: the legacy
//! interface, packed virtqueues, and interrupts by messages.

use qtest::message::MsiX;
use qtest::pci::{Function, register};
use qtest::virtio::{CONFIGURATION_INTERRUPT, Device, NO_VECTOR, PACKED, QUEUE_INTERRUPT, Queue};
use qtest::{Bench, Failure, Test, Version, Width};

use crate::virtio_blk::{
    Answer, Disk, FLUSH_FEATURE, GET_ID, IN, NULL_DISK, OK, OUT, SECTOR, SECTORS,
};

const BALLOON: u16 = 5;
/// The vectors of the configuration and of the queue, and the data of their messages.
const VECTORS: (u16, u16) = (1, 2);
const DATA: (u32, u32) = (0x4b49_4c4e, 0x1200_0042);
/// PCI status: the function asserts its interrupt pin.
const INTX: u32 = 1 << 3;
/// More requests than a queue of eight entries has room for.
const REQUESTS: u64 = 20;

const BASE: Test = Test {
    models: &["virtio-blk-pci"],
    arguments: &[
        "-blockdev",
        NULL_DISK,
        "-device",
        "virtio-blk-pci,addr=4,drive=disk,serial=kiln-1200,vectors=3",
    ],
    ..Test::of("virtio-pci", &["pci"])
};

/// A device without the modern interface.
const LEGACY: Test = Test {
    arguments: &[
        "-blockdev",
        NULL_DISK,
        "-device",
        "virtio-blk-pci,addr=4,drive=disk,serial=kiln-1200,disable-modern=on,disable-legacy=off",
    ],
    ..BASE
};

/// A device that offers packed virtqueues.
const PACKED_QUEUE: Test = Test {
    arguments: &[
        "-blockdev",
        NULL_DISK,
        "-device",
        "virtio-blk-pci,addr=4,drive=disk,serial=kiln-1200,packed=on",
    ],
    ..BASE
};

/// A device with a configuration that QMP changes.
const CHANGING: Test = Test {
    models: &["virtio-balloon-pci"],
    arguments: &["-device", "virtio-balloon-pci,addr=4"],
    ..BASE
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "legacy-interface-serves-requests",
        description: "The legacy interface of a disk has its capacity and executes requests",
        body: |bench| serves(bench, Kind::Legacy, "kiln-1200"),
        ..LEGACY
    },
    Test {
        name: "legacy-interface-offers-no-version-1",
        description: "The legacy interface offers 32 features and keeps no bit above them",
        body: |bench| offers_legacy(bench, 0),
        ..LEGACY
    },
    Test {
        name: "packed-queue-serves-requests",
        description: "A disk executes requests of a packed queue",
        body: |bench| serves(bench, Kind::Packed, "kiln-1200"),
        ..PACKED_QUEUE
    },
    Test {
        name: "packed-queue-wraps",
        description: "Chains that cross the end of a packed queue are executed",
        body: |bench| wraps(bench, PACKED, OK),
        ..PACKED_QUEUE
    },
    Test {
        name: "split-queue-wraps",
        description: "More requests than a split queue has entries are executed",
        body: |bench| wraps(bench, 0, OK),
        ..BASE
    },
    Test {
        name: "messages-are-masked-at-first",
        description: "The table of messages has the requested size, and all entries are masked",
        body: |bench| masked_at_first(bench, 3),
        ..BASE
    },
    Test {
        name: "rejects-vector-outside-table",
        description: "A vector that the table does not have reads back as none",
        body: |bench| rejects_vector(bench, NO_VECTOR),
        ..BASE
    },
    Test {
        name: "pin-reports-used-buffer",
        description: "Without messages, the interrupt status reports a used buffer once",
        body: |bench| reports_by_pin(bench, QUEUE_INTERRUPT),
        ..BASE
    },
    Test {
        name: "sends-message-of-queue",
        description: "A used buffer sends the message of its queue, and no other interrupt",
        needs: &["pci", "dma"],
        body: |bench| sends_message(bench, DATA.1),
        ..BASE
    },
    Test {
        name: "message-waits-while-masked",
        description: "A masked message is pending, and is sent when it is unmasked",
        needs: &["pci", "dma"],
        body: |bench| waits_while_masked(bench, Mask::Entry, DATA.1),
        ..BASE
    },
    Test {
        name: "message-waits-while-function-is-masked",
        description: "A message of a masked function is pending, and is sent when it is unmasked",
        needs: &["pci", "dma"],
        body: |bench| waits_while_masked(bench, Mask::Function, DATA.1),
        ..BASE
    },
    Test {
        name: "packed-queue-sends-message",
        description: "A used buffer of a packed queue sends the message of its queue",
        needs: &["pci", "dma"],
        arguments: &[
            "-blockdev",
            NULL_DISK,
            "-device",
            "virtio-blk-pci,addr=4,drive=disk,packed=on,vectors=3",
        ],
        body: |bench| sends_message_packed(bench, DATA.1),
        ..BASE
    },
    Test {
        name: "sends-message-of-configuration",
        description: "A changed configuration sends its message and has another generation",
        needs: &["pci", "dma"],
        arguments: &["-device", "virtio-balloon-pci,addr=4,vectors=3"],
        oldest_qemu: Version::new(10, 0, 0),
        body: |bench| sends_message_of_configuration(bench, DATA.0),
        ..CHANGING
    },
    Test {
        name: "pin-reports-changed-configuration",
        description: "Without messages, the interrupt status reports a changed configuration",
        body: |bench| reports_change_by_pin(bench, CONFIGURATION_INTERRUPT),
        ..CHANGING
    },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Modern,
    Legacy,
    Packed,
}

/// Capacity, a read, a write and the serial number.
pub(crate) fn serves(bench: &mut Bench<'_>, kind: Kind, serial: &str) -> Result<(), Failure> {
    let packed = if kind == Kind::Packed { PACKED } else { 0 };
    let mut disk = Disk::start(bench, FLUSH_FEATURE | packed)?;
    let is_legacy = disk.device.is_legacy();
    bench.check("legacy interface", is_legacy, kind == Kind::Legacy)?;
    let capacity = disk.device.field(bench, Width::Q, 0)?;
    bench.check("capacity", capacity, SECTORS)?;
    let sector = [0xee; SECTOR as usize];
    let read = disk.send(bench, (IN, SECTORS - 1), &sector)?;
    bench.check("status of a read", read.status, OK)?;
    bench.check("length of a read", read.written, SECTOR + 1)?;
    let is_zero = read.data.iter().all(|byte| *byte == 0);
    bench.check("sector is zeros", is_zero, true)?;
    let write = disk.send(bench, (OUT, 0), &sector)?;
    bench.check("status of a write", write.status, OK)?;
    bench.check("length of a write", write.written, 1)?;
    let Answer { data, .. } = disk.send(bench, (GET_ID, 0), &[0xee; 20])?;
    let text = data.split(|byte| *byte == 0).next().unwrap_or_default();
    bench.check("serial number", &*String::from_utf8_lossy(text), serial)
}

fn offers_legacy(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let disk = Disk::start(bench, FLUSH_FEATURE)?;
    bench.check("features above 32", disk.device.offered >> 32, expected)
}

pub(crate) fn wraps(bench: &mut Bench<'_>, features: u64, expected: u8) -> Result<(), Failure> {
    let mut disk = Disk::start(bench, FLUSH_FEATURE | features)?;
    for sector in 0..REQUESTS {
        let answer = disk.send(bench, (IN, sector), &[0xee; SECTOR as usize])?;
        bench.check(
            format!("status of request {sector}"),
            answer.status,
            expected,
        )?;
        let is_zero = answer.data.iter().all(|byte| *byte == 0);
        bench.check(format!("sector {sector} is zeros"), is_zero, true)?;
    }
    Ok(())
}

fn function(device: &Device) -> Result<Function, Failure> {
    let missing = || Failure::Missing("virtio over PCI".to_owned());
    device.function().ok_or_else(missing)
}

fn table(bench: &mut Bench<'_>, device: &Device) -> Result<MsiX, Failure> {
    MsiX::enable(bench, function(device)?)
}

fn masked_at_first(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let disk = Disk::start(bench, FLUSH_FEATURE)?;
    let table = table(bench, &disk.device)?;
    bench.check("entries", table.entries, expected)?;
    for vector in 0..3 {
        let is_masked = table.is_masked(bench, vector)?;
        bench.check(format!("message {vector} is masked"), is_masked, true)?;
        let is_pending = table.is_pending(bench, vector)?;
        bench.check(format!("message {vector} is pending"), is_pending, false)?;
    }
    Ok(())
}

fn rejects_vector(bench: &mut Bench<'_>, expected: u16) -> Result<(), Failure> {
    let disk = Disk::start(bench, FLUSH_FEATURE)?;
    table(bench, &disk.device)?;
    let (configuration, queue) = disk.device.set_vectors(bench, 0, (2, 3))?;
    bench.check("last vector of the table", configuration, 2)?;
    bench.check("vector behind the table", queue, expected.into())
}

fn reports_by_pin(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let mut disk = Disk::start(bench, FLUSH_FEATURE)?;
    let before = disk.device.take_interrupts(bench)?;
    bench.check("interrupt status before", before, 0)?;
    disk.send(bench, (IN, 0), &[0; SECTOR as usize])?;
    let mut status = 0;
    bench.wait_until("the interrupt is reported", |bench| {
        status = disk.device.take_interrupts(bench)?;
        Ok(status != 0)
    })?;
    bench.check("interrupt status", status, expected)?;
    let after = disk.device.take_interrupts(bench)?;
    bench.check("interrupt status after it was read", after, 0)
}

/// A disk or a balloon with messages, and the addresses of the messages of configuration and queue.
struct Messages {
    table: MsiX,
    configuration: u64,
    queue: u64,
}

impl Messages {
    fn set(bench: &mut Bench<'_>, device: &Device) -> Result<Self, Failure> {
        let table = table(bench, device)?;
        let configuration = bench.allocate(4, 4)?;
        let queue = bench.allocate(4, 4)?;
        for address in [configuration, queue] {
            bench.session.memset(address, 4, 0)?;
        }
        table.set(bench, VECTORS.0, configuration, DATA.0)?;
        table.set(bench, VECTORS.1, queue, DATA.1)?;
        let accepted = device.set_vectors(bench, 0, VECTORS)?;
        bench.check("vectors", accepted, (VECTORS.0.into(), VECTORS.1.into()))?;
        Ok(Self {
            table,
            configuration,
            queue,
        })
    }
}

fn data(bench: &mut Bench<'_>, address: u64) -> Result<u64, Failure> {
    Ok(bench.session.read_le(Width::L, address)?)
}

fn sends_message(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    sends_message_of(bench, 0, expected)
}

fn sends_message_packed(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    sends_message_of(bench, PACKED, expected)
}

fn sends_message_of(bench: &mut Bench<'_>, features: u64, expected: u32) -> Result<(), Failure> {
    let mut disk = Disk::start(bench, FLUSH_FEATURE | features)?;
    let messages = Messages::set(bench, &disk.device)?;
    disk.send(bench, (IN, 0), &[0; SECTOR as usize])?;
    bench.wait_until("the message arrives", |bench| {
        Ok(data(bench, messages.queue)? != 0)
    })?;
    let found = data(bench, messages.queue)?;
    bench.check("data of the message", found, expected.into())?;
    let other = data(bench, messages.configuration)?;
    bench.check("data of the other message", other, 0)?;
    let status = bench.config(function(&disk.device)?, Width::W, register::STATUS)?;
    bench.check("pending by pin", status & INTX, 0)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mask {
    Entry,
    Function,
}

fn waits_while_masked(bench: &mut Bench<'_>, mask: Mask, expected: u32) -> Result<(), Failure> {
    let mut disk = Disk::start(bench, FLUSH_FEATURE)?;
    let messages = Messages::set(bench, &disk.device)?;
    let table = messages.table;
    let set = |bench: &mut Bench<'_>, masked| match mask {
        Mask::Entry => table.mask(bench, VECTORS.1, masked),
        Mask::Function => table.mask_all(bench, masked),
    };
    set(bench, true)?;
    disk.send(bench, (IN, 0), &[0; SECTOR as usize])?;
    bench.wait_until("the message is pending", |bench| {
        table.is_pending(bench, VECTORS.1)
    })?;
    let before = data(bench, messages.queue)?;
    bench.check("data while it is masked", before, 0)?;
    set(bench, false)?;
    let after = data(bench, messages.queue)?;
    bench.check("data of the message", after, expected.into())?;
    let is_pending = table.is_pending(bench, VECTORS.1)?;
    bench.check("pending after it was sent", is_pending, false)
}

/// A started balloon. Its first queue is needed by QEMU to accept a new size.
fn balloon(bench: &mut Bench<'_>) -> Result<(Device, Queue), Failure> {
    let device = Device::find(bench, BALLOON, 0)?;
    let queue = device.queue(bench, 0)?;
    device.start(bench)?;
    Ok((device, queue))
}

/// Requests that the balloon takes 16 MiB of 128 MiB or more. Returns its number of pages.
fn inflate(bench: &mut Bench<'_>, device: &Device) -> Result<u64, Failure> {
    let failed = |error| Failure::Missing(format!("a balloon with a size: {error}"));
    let size = bench
        .session
        .qmp("query-memory-size-summary", serde_json::json!({}));
    let size = size.map_err(failed)?["base-memory"]
        .as_u64()
        .unwrap_or_default();
    let target = serde_json::json!({"value": size - (16 << 20)});
    bench.session.qmp("balloon", target).map_err(failed)?;
    device.field(bench, Width::L, 0)
}

fn sends_message_of_configuration(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    let (device, _queue) = balloon(bench)?;
    let messages = Messages::set(bench, &device)?;
    let pages = inflate(bench, &device)?;
    bench.check("pages to take", pages, 4096)?;
    let found = data(bench, messages.configuration)?;
    bench.check("data of the message", found, expected.into())?;
    let other = data(bench, messages.queue)?;
    bench.check("data of the other message", other, 0)
}

pub(crate) fn reports_change_by_pin(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let (device, _queue) = balloon(bench)?;
    let before = device.take_interrupts(bench)?;
    bench.check("interrupt status before", before, 0)?;
    let pages = inflate(bench, &device)?;
    bench.check("pages to take", pages, 4096)?;
    let status = device.take_interrupts(bench)?;
    bench.check(
        "changed configuration",
        status & CONFIGURATION_INTERRUPT,
        expected,
    )?;
    let after = device.take_interrupts(bench)?;
    bench.check("interrupt status after it was read", after, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        let check = |name, what, body: fn(&mut Bench<'_>) -> Result<(), Failure>| {
            check_fails(TESTS, name, what, body);
        };
        check(
            "legacy-interface-serves-requests",
            "serial number",
            |bench| serves(bench, Kind::Legacy, "kiln-1201"),
        );
        check(
            "legacy-interface-offers-no-version-1",
            "above 32",
            |bench| offers_legacy(bench, 1),
        );
        check("packed-queue-serves-requests", "serial number", |bench| {
            serves(bench, Kind::Packed, "kiln-1201")
        });
        check("packed-queue-wraps", "request 0", |bench| {
            wraps(bench, PACKED, 1)
        });
        check("split-queue-wraps", "request 0", |bench| wraps(bench, 0, 1));
        check("messages-are-masked-at-first", "entries", |bench| {
            masked_at_first(bench, 4)
        });
        check("rejects-vector-outside-table", "behind", |bench| {
            rejects_vector(bench, 3)
        });
        check("pin-reports-used-buffer", "interrupt status", |bench| {
            reports_by_pin(bench, 2)
        });
        check("sends-message-of-queue", "of the message", |bench| {
            sends_message(bench, 1)
        });
        check("message-waits-while-masked", "of the message", |bench| {
            waits_while_masked(bench, Mask::Entry, 1)
        });
        check(
            "message-waits-while-function-is-masked",
            "of the message",
            |bench| waits_while_masked(bench, Mask::Function, 1),
        );
        check("packed-queue-sends-message", "of the message", |bench| {
            sends_message_packed(bench, 1)
        });
        check(
            "sends-message-of-configuration",
            "of the message",
            |bench| sends_message_of_configuration(bench, 1),
        );
        check("pin-reports-changed-configuration", "changed", |bench| {
            reports_change_by_pin(bench, 0)
        });
    }
}

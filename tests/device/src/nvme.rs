//! The NVM Express controller (NVM Express Base Specification 1.4, sections 3, 5 and 6).

use qtest::message::MsiX;
use qtest::pci::Bar;
use qtest::{Bench, Failure, Test, Width};

const VENDOR: u16 = 0x1b36;
const DEVICE: u16 = 0x0010;

const CAPABILITIES: u64 = 0x00;
const CONFIGURATION: u64 = 0x14;
const STATUS: u64 = 0x1c;
const ADMIN_ATTRIBUTES: u64 = 0x24;
const ADMIN_SUBMISSION: u64 = 0x28;
const ADMIN_COMPLETION: u64 = 0x30;
const DOORBELLS: u64 = 0x1000;

/// Configuration: enabled, all command sets, entries of 64 and 16 bytes.
const ENABLE: u64 = 1 | 6 << 4 | 6 << 16 | 4 << 20;
const READY: u64 = 1;
/// Admin commands.
const CREATE_SUBMISSION: u32 = 0x01;
const CREATE_COMPLETION: u32 = 0x05;
const IDENTIFY: u32 = 0x06;
const SET_FEATURES: u32 = 0x09;
/// Commands for I/O.
pub(crate) const WRITE: u32 = 0x01;
pub(crate) const READ: u32 = 0x02;
const WRITE_ZEROES: u32 = 0x08;
const DATASET_MANAGEMENT: u32 = 0x09;
/// Status codes: invalid opcode, internal error, write fault, and success.
const INVALID_OPCODE: u16 = 0x01;
const INTERNAL_ERROR: u16 = 0x06;
const WRITE_FAULT: u16 = 0x80;
/// Status code of zoned namespaces: the write does not begin at the write pointer.
const INVALID_WRITE: u16 = 0xbc;
pub(crate) const SUCCESS: u16 = 0x00;

const BASE: Test = Test {
    models: &["nvme"],
    arguments: &["-device", "nvme,addr=4,serial=kiln-1200"],
    ..Test::of("nvme", &["pci"])
};

/// A disk of 1 MiB whose flushes fail. Block 100 cannot be written, block 200 cannot be discarded.
const FAULTY: Test = Test {
    needs: &["pci", "dma"],
    arguments: &[
        "-blockdev",
        r#"{"driver": "blkdebug", "node-name": "disk", "discard": "unmap",
            "inject-error": [{"event": "none", "iotype": "flush", "errno": 5},
                             {"event": "none", "iotype": "write-zeroes", "sector": 100, "errno": 5},
                             {"event": "none", "iotype": "discard", "sector": 200, "errno": 5}],
            "image": {"driver": "null-co", "size": 1048576, "read-zeroes": true}}"#,
        "-device",
        "nvme,addr=4,serial=kiln-1200,drive=disk",
    ],
    ..BASE
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "supports-nvm-commands",
        description: "The capabilities have the NVM command set and contiguous queues",
        body: |bench| supports(bench, 1),
        ..BASE
    },
    Test {
        name: "becomes-ready",
        description: "An enabled controller is ready, and one that is disabled is not",
        needs: &["pci", "dma"],
        body: |bench| becomes_ready(bench, READY),
        ..BASE
    },
    Test {
        name: "identifies-controller",
        description: "Identify returns PCI vendor and serial number",
        needs: &["pci", "dma"],
        body: |bench| identifies(bench, b"kiln-1200           "),
        ..BASE
    },
    Test {
        name: "refuses-unknown-command",
        description: "An unknown admin command completes with Invalid Command Opcode",
        needs: &["pci", "dma"],
        body: |bench| refuses(bench, INVALID_OPCODE),
        ..BASE
    },
    Test {
        name: "sends-message-of-completion-queue",
        description: "A completion sends the message of its queue, or waits while that is masked",
        body: |bench| sends_message(bench, (0x1200, 0x4b49)),
        ..FAULTY
    },
    Test {
        name: "namespace-has-size-of-its-image",
        description: "Identify returns the size of a namespace in blocks",
        body: |bench| has_size(bench, 2048),
        ..FAULTY
    },
    Test {
        name: "reports-failed-flush",
        description: "A failed flush of one namespace, or of all, is a write fault",
        body: |bench| flushes(bench, WRITE_FAULT),
        ..FAULTY
    },
    Test {
        name: "flushes-when-its-cache-is-disabled",
        description: "Disabling the volatile write cache writes its content to the disk",
        arguments: &[
            "-blockdev",
            r#"{"driver": "raw", "node-name": "disk", "file": {"driver": "blkdebug",
                "set-state": [{"event": "flush_to_disk", "new_state": 2}],
                "inject-error": [{"event": "write_aio", "state": 2, "errno": 5}],
                "image": {"driver": "null-co", "size": 1048576, "read-zeroes": true}}}"#,
            "-device",
            "nvme,addr=4,serial=kiln-1200,drive=disk",
        ],
        body: |bench| disables_cache(bench, WRITE_FAULT),
        ..FAULTY
    },
    Test {
        name: "discards-all-ranges",
        description: "A discard reaches the last block of each of its ranges and no other block",
        body: |bench| discards(bench, INTERNAL_ERROR),
        ..FAULTY
    },
    Test {
        name: "writes-zeroes-to-whole-range",
        description: "Write Zeroes reaches the last block of its range and no other block",
        body: |bench| writes_zeroes(bench, [(92, SUCCESS), (93, WRITE_FAULT), (101, SUCCESS)]),
        ..FAULTY
    },
    Test {
        name: "writes-zeroes-at-write-pointer",
        description: "Write Zeroes moves the write pointer of a zone, and is refused elsewhere",
        arguments: &[
            "-blockdev",
            "null-co,node-name=disk,size=1048576,read-zeroes=on",
            "-device",
            "nvme,id=nvme,addr=4,serial=kiln-1200",
            "-device",
            "nvme-ns,bus=nvme,drive=disk,zoned=on,zoned.zone_size=65536",
        ],
        body: |bench| writes_zeroes(bench, [(0, SUCCESS), (8, SUCCESS), (8, INVALID_WRITE)]),
        ..FAULTY
    },
];

pub(crate) fn find(bench: &mut Bench<'_>) -> Result<Bar, Failure> {
    bench.region(VENDOR, DEVICE, 0)
}

fn supports(bench: &mut Bench<'_>, nvm: u64) -> Result<(), Failure> {
    let bar = find(bench)?;
    let high = bench.read(bar, Width::L, CAPABILITIES + 4)?;
    bench.check("NVM command set", high >> 5 & 1, nvm)?;
    let low = bench.read(bar, Width::L, CAPABILITIES)?;
    bench.check("contiguous queues required", low >> 16 & 1, 1)
}

/// A pair of a submission and a completion queue.
pub(crate) struct Queue {
    submission: u64,
    completion: u64,
    /// The offset of the doorbell of new commands; that of completions follows it.
    doorbell: u64,
    sent: u64,
}

impl Queue {
    const ENTRIES: u32 = 16;

    fn new(bench: &mut Bench<'_>, number: u64) -> Result<Self, Failure> {
        let submission = bench.allocate(0x1000, 0x1000)?;
        let completion = bench.allocate(0x1000, 0x1000)?;
        bench.session.memset(completion, 0x1000, 0)?;
        Ok(Self {
            submission,
            completion,
            doorbell: DOORBELLS + 8 * number,
            sent: 0,
        })
    }

    /// Sends a command, and returns its status code. The command identifier is 7.
    pub(crate) fn send(
        &mut self,
        bench: &mut Bench<'_>,
        bar: Bar,
        command: &Command,
    ) -> Result<u16, Failure> {
        let mut entry = vec![0; 64];
        entry[..4].copy_from_slice(&(command.opcode | 7 << 16).to_le_bytes());
        entry[4..8].copy_from_slice(&command.namespace.to_le_bytes());
        entry[24..32].copy_from_slice(&command.data.to_le_bytes());
        for (at, argument) in (40..).step_by(4).zip(command.arguments) {
            entry[at..at + 4].copy_from_slice(&argument.to_le_bytes());
        }
        let slot = self.sent % u64::from(Self::ENTRIES);
        // The phase tag is 1 in the first pass, 0 in the second one, and so on.
        let phase = u64::from((self.sent / u64::from(Self::ENTRIES)).is_multiple_of(2));
        bench.session.write(self.submission + 64 * slot, &entry)?;
        let place = self.completion + 16 * slot;
        self.sent += 1;
        let next = self.sent % u64::from(Self::ENTRIES);
        bench.write(bar, Width::L, self.doorbell, next)?;
        bench.wait_until("the command completes", |bench| {
            Ok(bench.session.read_le(Width::W, place + 14)? & 1 == phase)
        })?;
        bench.write(bar, Width::L, self.doorbell + 4, next)?;
        let words = bench.session.read(place + 12, 4)?;
        bench.check("identifier", u16::from_le_bytes([words[0], words[1]]), 7)?;
        let status = u16::from_le_bytes([words[2], words[3]]) >> 1;
        Ok(status & 0xff)
    }
}

#[derive(Default)]
pub(crate) struct Command {
    pub(crate) opcode: u32,
    pub(crate) namespace: u32,
    /// The address of a page.
    pub(crate) data: u64,
    /// From doubleword 10 on.
    pub(crate) arguments: [u32; 4],
}

/// Sets up the admin queues and enables the controller. Returns the queues.
fn enable(bench: &mut Bench<'_>, bar: Bar) -> Result<Queue, Failure> {
    let queue = Queue::new(bench, 0)?;
    bench.write(bar, Width::L, ADMIN_ATTRIBUTES, 0x000f_000f)?;
    for (register, address) in [
        (ADMIN_SUBMISSION, queue.submission),
        (ADMIN_COMPLETION, queue.completion),
    ] {
        bench.write(bar, Width::L, register, address & 0xffff_ffff)?;
        bench.write(bar, Width::L, register + 4, address >> 32)?;
    }
    bench.write(bar, Width::L, CONFIGURATION, ENABLE)?;
    Ok(queue)
}

/// Enables the controller, and creates queues for I/O without interrupts.
pub(crate) fn enable_io(bench: &mut Bench<'_>, bar: Bar) -> Result<(Queue, Queue), Failure> {
    let mut admin = enable(bench, bar)?;
    let queue = create_io(bench, bar, &mut admin, 0)?;
    Ok((admin, queue))
}

/// Creates queues for I/O. `interrupts` is the vector and a flag for interrupts, in the format of the command.
fn create_io(
    bench: &mut Bench<'_>,
    bar: Bar,
    admin: &mut Queue,
    interrupts: u32,
) -> Result<Queue, Failure> {
    let queue = Queue::new(bench, 1)?;
    let size = (Queue::ENTRIES - 1) << 16 | 1;
    for (opcode, data, flags) in [
        (CREATE_COMPLETION, queue.completion, interrupts | 1),
        (CREATE_SUBMISSION, queue.submission, 1 << 16 | 1),
    ] {
        let create = Command {
            opcode,
            data,
            arguments: [size, flags, 0, 0],
            ..Command::default()
        };
        let status = admin.send(bench, bar, &create)?;
        bench.check("status of a new queue", status, SUCCESS)?;
    }
    Ok(queue)
}

/// Two requests in a queue whose completions have message 2: one while it is masked, one after.
fn sends_message(bench: &mut Bench<'_>, (first, admin_data): (u32, u32)) -> Result<(), Failure> {
    const VECTOR: u16 = 2;
    const INTERRUPTS: u32 = (VECTOR as u32) << 16 | 1 << 1;
    let function = bench.function(VENDOR, DEVICE)?;
    let bar = bench.map(function, 0)?;
    let table = MsiX::enable(bench, function)?;
    let (io, other) = (bench.allocate(4, 4)?, bench.allocate(4, 4)?);
    bench.session.memset(io, 8, 0)?;
    table.set(bench, 0, other, 0x4b49)?;
    table.set(bench, VECTOR, io, 0x1200)?;
    let mut admin = enable(bench, bar)?;
    let mut queue = create_io(bench, bar, &mut admin, INTERRUPTS)?;
    let message = bench.session.read_le(Width::L, other)?;
    bench.check("message of the admin queue", message, admin_data.into())?;
    table.mask(bench, VECTOR, true)?;
    let read = Command {
        opcode: READ,
        namespace: 1,
        data: bench.allocate(0x1000, 0x1000)?,
        ..Command::default()
    };
    let status = queue.send(bench, bar, &read)?;
    bench.check("status of a read", status, SUCCESS)?;
    bench.wait_until("the message is pending", |bench| {
        table.is_pending(bench, VECTOR)
    })?;
    let message = bench.session.read_le(Width::L, io)?;
    bench.check("message while it is masked", message, 0)?;
    table.mask(bench, VECTOR, false)?;
    let message = bench.session.read_le(Width::L, io)?;
    bench.check("message when it is unmasked", message, first.into())
}

fn becomes_ready(bench: &mut Bench<'_>, ready: u64) -> Result<(), Failure> {
    let bar = find(bench)?;
    let before = bench.read(bar, Width::L, STATUS)?;
    bench.check("ready before", before & READY, 0)?;
    enable(bench, bar)?;
    let enabled = bench.read(bar, Width::L, STATUS)?;
    bench.check("ready when enabled", enabled & READY, ready)?;
    bench.write(bar, Width::L, CONFIGURATION, 0)?;
    let disabled = bench.read(bar, Width::L, STATUS)?;
    bench.check("ready when disabled", disabled & READY, 0)
}

/// Sends an admin command. Returns its status and the page for its data.
fn command(bench: &mut Bench<'_>, opcode: u32, argument: u32) -> Result<(u16, Vec<u8>), Failure> {
    let bar = find(bench)?;
    let mut admin = enable(bench, bar)?;
    identify(bench, bar, (&mut admin, opcode), (0, argument))
}

/// Sends an admin command for a namespace.
fn identify(
    bench: &mut Bench<'_>,
    bar: Bar,
    (admin, opcode): (&mut Queue, u32),
    (namespace, argument): (u32, u32),
) -> Result<(u16, Vec<u8>), Failure> {
    let data = bench.allocate(0x1000, 0x1000)?;
    bench.session.memset(data, 0x1000, 0xee)?;
    let command = Command {
        opcode,
        namespace,
        data,
        arguments: [argument, 0, 0, 0],
    };
    let status = admin.send(bench, bar, &command)?;
    Ok((status, bench.session.read(data, 0x1000)?))
}

fn identifies(bench: &mut Bench<'_>, serial: &[u8; 20]) -> Result<(), Failure> {
    let (status, page) = command(bench, IDENTIFY, 1)?;
    bench.check("status", status, SUCCESS)?;
    bench.check("vendor", u16::from_le_bytes([page[0], page[1]]), VENDOR)?;
    bench.check("serial number", &page[4..24], &serial[..])
}

fn has_size(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = find(bench)?;
    let mut admin = enable(bench, bar)?;
    let (status, page) = identify(bench, bar, (&mut admin, IDENTIFY), (1, 0))?;
    bench.check("status", status, SUCCESS)?;
    for (at, what) in [(0, "size"), (8, "capacity"), (16, "utilization")] {
        let bytes = page[at..at + 8].try_into().unwrap_or_default();
        bench.check(what, u64::from_le_bytes(bytes), expected)?;
    }
    Ok(())
}

/// Sends a command for I/O, and compares its status.
fn completes(
    bench: &mut Bench<'_>,
    (bar, queue): (Bar, &mut Queue),
    what: &str,
    command: &Command,
    expected: u16,
) -> Result<(), Failure> {
    let status = queue.send(bench, bar, command)?;
    bench.check(format!("status of {what}"), status, expected)
}

fn flushes(bench: &mut Bench<'_>, failed: u16) -> Result<(), Failure> {
    let bar = find(bench)?;
    let (_, mut queue) = enable_io(bench, bar)?;
    // Without a write, a flush has nothing to do.
    let write = Command {
        opcode: WRITE,
        namespace: 1,
        data: bench.allocate(0x1000, 0x1000)?,
        ..Command::default()
    };
    completes(bench, (bar, &mut queue), "a write", &write, SUCCESS)?;
    for (namespace, what) in [(1, "a flush"), (u32::MAX, "a flush of all namespaces")] {
        let flush = Command {
            namespace,
            ..Command::default()
        };
        completes(bench, (bar, &mut queue), what, &flush, failed)?;
    }
    Ok(())
}

/// After the first flush of this disk, its writes fail.
fn disables_cache(bench: &mut Bench<'_>, flushed: u16) -> Result<(), Failure> {
    const VOLATILE_WRITE_CACHE: u32 = 6;
    let bar = find(bench)?;
    let (mut admin, mut queue) = enable_io(bench, bar)?;
    let write = Command {
        opcode: WRITE,
        namespace: 1,
        data: bench.allocate(0x1000, 0x1000)?,
        ..Command::default()
    };
    for (enabled, expected) in [(1, SUCCESS), (0, flushed)] {
        completes(bench, (bar, &mut queue), "a first write", &write, SUCCESS)?;
        let cache = Command {
            opcode: SET_FEATURES,
            arguments: [VOLATILE_WRITE_CACHE, enabled, 0, 0],
            ..Command::default()
        };
        completes(bench, (bar, &mut admin), "the feature", &cache, SUCCESS)?;
        let what = format!("a write after setting the cache to {enabled}");
        completes(bench, (bar, &mut queue), &what, &write, expected)?;
    }
    Ok(())
}

/// Discards two ranges. The block that cannot be discarded is in neither, in the first or in the second one.
fn discards(bench: &mut Bench<'_>, failed: u16) -> Result<(), Failure> {
    let bar = find(bench)?;
    let (_, mut queue) = enable_io(bench, bar)?;
    let data = bench.allocate(0x1000, 0x1000)?;
    for (ranges, expected) in [
        ([(0, 8), (201, 8)], SUCCESS),
        ([(193, 8), (0, 8)], failed),
        ([(0, 8), (193, 8)], failed),
        ([(0, 8), (1, 200)], failed),
    ] {
        let mut bytes = Vec::new();
        for (start, length) in ranges {
            bytes.extend(0u32.to_le_bytes());
            bytes.extend(u32::to_le_bytes(length));
            bytes.extend(u64::to_le_bytes(start));
        }
        bench.session.write(data, &bytes)?;
        let discard = Command {
            opcode: DATASET_MANAGEMENT,
            namespace: 1,
            data,
            // The number of ranges, counted from 0, and that they are discarded.
            arguments: [1, 1 << 2, 0, 0],
        };
        let what = format!("a discard of {ranges:?}");
        completes(bench, (bar, &mut queue), &what, &discard, expected)?;
    }
    Ok(())
}

/// Writes zeroes to 8 blocks from each of these on, with the expected status.
fn writes_zeroes(bench: &mut Bench<'_>, requests: [(u32, u16); 3]) -> Result<(), Failure> {
    let bar = find(bench)?;
    let (_, mut queue) = enable_io(bench, bar)?;
    for (start, expected) in requests {
        let zeroes = Command {
            opcode: WRITE_ZEROES,
            namespace: 1,
            arguments: [start, 0, 7, 0],
            ..Command::default()
        };
        let what = format!("zeroes from block {start} on");
        completes(bench, (bar, &mut queue), &what, &zeroes, expected)?;
    }
    Ok(())
}

fn refuses(bench: &mut Bench<'_>, expected: u16) -> Result<(), Failure> {
    let (status, page) = command(bench, 0x7f, 0)?;
    bench.check("status", status, expected)?;
    bench.check(
        "page is not written",
        page.iter().all(|it| *it == 0xee),
        true,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        let name = "sends-message-of-completion-queue";
        check_fails(TESTS, name, "when it is unmasked", |bench| {
            sends_message(bench, (1, 0x4b49))
        });
        check_fails(TESTS, name, "admin queue", |bench| {
            sends_message(bench, (0x1200, 1))
        });
        check_fails(TESTS, "supports-nvm-commands", "NVM command set", |bench| {
            supports(bench, 0)
        });
        check_fails(TESTS, "becomes-ready", "ready when enabled", |bench| {
            becomes_ready(bench, 0)
        });
        check_fails(TESTS, "identifies-controller", "serial number", |bench| {
            identifies(bench, b"kiln-1201           ")
        });
        check_fails(TESTS, "namespace-has-size-of-its-image", "size", |bench| {
            has_size(bench, 2047)
        });
        check_fails(TESTS, "reports-failed-flush", "a flush", |bench| {
            flushes(bench, SUCCESS)
        });
        check_fails(
            TESTS,
            "flushes-when-its-cache-is-disabled",
            "setting the cache to 0",
            |bench| disables_cache(bench, SUCCESS),
        );
        check_fails(TESTS, "discards-all-ranges", "(193, 8)", |bench| {
            discards(bench, SUCCESS)
        });
        check_fails(TESTS, "writes-zeroes-to-whole-range", "block 93", |bench| {
            writes_zeroes(bench, [(92, SUCCESS), (93, SUCCESS), (101, SUCCESS)])
        });
        check_fails(
            TESTS,
            "writes-zeroes-at-write-pointer",
            "block 8",
            |bench| writes_zeroes(bench, [(0, SUCCESS), (8, SUCCESS), (8, SUCCESS)]),
        );
        check_fails(TESTS, "refuses-unknown-command", "status", |bench| {
            refuses(bench, SUCCESS)
        });
    }
}

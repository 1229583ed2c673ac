//! An xHCI USB controller (eXtensible Host Controller Interface 1.1).

use qtest::pci::Bar;
use qtest::{Bench, Failure, Test, Width};

/// Capability registers.
const STRUCTURE: u64 = 0x04;
const DOORBELLS: u64 = 0x14;
const RUNTIME: u64 = 0x18;

/// Operational registers, behind those of the capabilities.
const COMMAND: u64 = 0x00;
const STATUS: u64 = 0x04;
const COMMAND_RING: u64 = 0x18;
const CONTEXTS: u64 = 0x30;
const CONFIGURE: u64 = 0x38;

/// Registers of the first interrupter.
const INTERRUPTER: u64 = 0x20;
const SEGMENTS: u64 = 0x08;
const SEGMENT_TABLE: u64 = 0x10;
const DEQUEUE: u64 = 0x18;

/// Command: run. Status: an event interrupt.
const RUN: u64 = 1;
const EVENT: u64 = 1 << 3;

/// Entries of a ring: the cycle bit, the bit of a link that toggles it, and types.
const CYCLE: u32 = 1;
const TOGGLE: u32 = 1 << 1;
const LINK: u32 = 6 << 10;
const ENABLE_SLOT: u32 = 9 << 10;
const NO_OPERATION: u32 = 23 << 10;
const COMPLETION: u32 = 33 << 10;
const ENTRY: u64 = 16;
/// The smallest event ring.
const EVENTS: u64 = 16;
const SUCCESS: u64 = 1;

const BASE: Test = Test {
    models: &["qemu-xhci"],
    arguments: &["-device", "qemu-xhci,addr=4,p2=4,p3=4"],
    ..Test::of("xhci", &["pci"])
};

const WITH_RINGS: Test = Test {
    needs: &["pci", "dma"],
    ..BASE
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "reports-ports",
        description: "The structural parameters have the ports of both speeds",
        body: |bench| reports_ports(bench, 8),
        ..BASE
    },
    Test {
        name: "keeps-ring-addresses",
        description: "The device context array pointer keeps its address, without reserved bits",
        body: |bench| keeps_pointer(bench, 0x1234_5640),
        ..BASE
    },
    Test {
        name: "executes-commands-of-ring",
        description: "Commands are executed once their doorbell rings, and each has an event with its address",
        body: |bench| executes_commands(bench, SUCCESS),
        ..WITH_RINGS
    },
    Test {
        name: "follows-link-of-ring",
        description: "A link leads back to the start of the ring, whose entries then have the other cycle bit",
        body: |bench| follows_link(bench, 2),
        ..WITH_RINGS
    },
];

fn controller(bench: &mut Bench<'_>) -> Result<Bar, Failure> {
    bench.region(0x1b36, 0x000d, 0)
}

fn reports_ports(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = controller(bench)?;
    let found = bench.read(bar, Width::L, STRUCTURE)?;
    bench.check("ports", found >> 24, expected)
}

fn keeps_pointer(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let bar = controller(bench)?;
    let operational = bench.read(bar, Width::B, 0)?;
    bench.write(bar, Width::L, operational + CONTEXTS, 0x1234_567f)?;
    let found = bench.read(bar, Width::L, operational + CONTEXTS)?;
    bench.check("device context array pointer", found, expected)
}

/// A running controller with a command ring and an event ring.
struct Rings {
    bar: Bar,
    operational: u64,
    doorbells: u64,
    commands: u64,
    events: u64,
}

impl Rings {
    fn start(bench: &mut Bench<'_>) -> Result<Self, Failure> {
        let bar = controller(bench)?;
        let operational = bench.read(bar, Width::B, 0)?;
        let runtime = bench.read(bar, Width::L, RUNTIME)?;
        let it = Self {
            bar,
            operational,
            doorbells: bench.read(bar, Width::L, DOORBELLS)?,
            commands: bench.allocate(EVENTS * ENTRY, 64)?,
            events: bench.allocate(EVENTS * ENTRY, 64)?,
        };
        let contexts = bench.allocate(2048, 64)?;
        let segments = bench.allocate(ENTRY, 64)?;
        for (at, length) in [
            (it.commands, 256),
            (it.events, 256),
            (contexts, 2048),
            (segments, 16),
        ] {
            bench.session.memset(at, length, 0)?;
        }
        bench.session.write_le(Width::Q, segments, it.events)?;
        bench.session.write_le(Width::L, segments + 8, EVENTS)?;
        let interrupter = runtime + INTERRUPTER;
        bench.write(bar, Width::L, interrupter + SEGMENTS, 1)?;
        for (at, value) in [
            (interrupter + DEQUEUE, it.events),
            (interrupter + SEGMENT_TABLE, segments),
            (operational + CONTEXTS, contexts),
            (operational + COMMAND_RING, it.commands | u64::from(CYCLE)),
        ] {
            bench.write(bar, Width::L, at, value & 0xffff_ffff)?;
            bench.write(bar, Width::L, at + 4, value >> 32)?;
        }
        bench.write(bar, Width::L, operational + CONFIGURE, 8)?;
        bench.write(bar, Width::L, operational + COMMAND, RUN)?;
        Ok(it)
    }

    /// Writes an entry of the command ring.
    fn put(
        &self,
        bench: &mut Bench<'_>,
        index: u64,
        (parameter, control): (u64, u32),
    ) -> Result<(), Failure> {
        let mut entry = parameter.to_le_bytes().to_vec();
        entry.extend([0; 4]);
        entry.extend(control.to_le_bytes());
        Ok(bench.session.write(self.commands + ENTRY * index, &entry)?)
    }

    fn ring(&self, bench: &mut Bench<'_>) -> Result<(), Failure> {
        bench.write(self.bar, Width::L, self.doorbells, 0)
    }

    /// Waits for an event of the first pass of the event ring, and checks that it completes the command at this index. Returns its completion code and its slot.
    fn completion(
        &self,
        bench: &mut Bench<'_>,
        event: u64,
        command: u64,
    ) -> Result<(u64, u64), Failure> {
        let at = self.events + ENTRY * event;
        bench.wait_until("the command is completed", |bench| {
            Ok(bench.session.read_le(Width::L, at + 12)? & u64::from(CYCLE) != 0)
        })?;
        let pointer = bench.session.read_le(Width::Q, at)?;
        let expected = self.commands + ENTRY * command;
        bench.check(format!("command of event {event}"), pointer, expected)?;
        let code = bench.session.read_le(Width::L, at + 8)? >> 24;
        let control = bench.session.read_le(Width::L, at + 12)?;
        let kind = control & 0xfc00;
        bench.check(format!("type of event {event}"), kind, COMPLETION.into())?;
        Ok((code, control >> 24))
    }
}

fn executes_commands(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let rings = Rings::start(bench)?;
    rings.put(bench, 0, (0, NO_OPERATION | CYCLE))?;
    rings.put(bench, 1, (0, ENABLE_SLOT | CYCLE))?;
    let before = bench.session.read_le(Width::L, rings.events + 12)?;
    bench.check("event before the doorbell", before, 0)?;
    rings.ring(bench)?;
    let (code, _) = rings.completion(bench, 0, 0)?;
    bench.check("completion of the first command", code, expected)?;
    let found = rings.completion(bench, 1, 1)?;
    bench.check("completion and slot", found, (SUCCESS, 1))?;
    // The next entry has the cycle bit of the past.
    let after = bench
        .session
        .read_le(Width::L, rings.events + 2 * ENTRY + 12)?;
    bench.check("third event", after, 0)?;
    let status = bench.read(rings.bar, Width::L, rings.operational + STATUS)?;
    bench.check("event interrupt", status & EVENT, EVENT)
}

fn follows_link(bench: &mut Bench<'_>, slot: u64) -> Result<(), Failure> {
    let rings = Rings::start(bench)?;
    rings.put(bench, 0, (0, ENABLE_SLOT | CYCLE))?;
    rings.put(bench, 1, (rings.commands, LINK | TOGGLE | CYCLE))?;
    rings.ring(bench)?;
    let found = rings.completion(bench, 0, 0)?;
    bench.check("completion and slot before the link", found, (SUCCESS, 1))?;
    rings.put(bench, 0, (0, ENABLE_SLOT))?;
    rings.ring(bench)?;
    let found = rings.completion(bench, 1, 0)?;
    bench.check("completion and slot after the link", found, (SUCCESS, slot))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "reports-ports", "ports", |bench| {
            reports_ports(bench, 4)
        });
        check_fails(TESTS, "keeps-ring-addresses", "pointer", |bench| {
            keeps_pointer(bench, 0x1234_567f)
        });
        check_fails(TESTS, "executes-commands-of-ring", "first", |bench| {
            executes_commands(bench, 0)
        });
        check_fails(TESTS, "follows-link-of-ring", "after", |bench| {
            follows_link(bench, 1)
        });
    }
}

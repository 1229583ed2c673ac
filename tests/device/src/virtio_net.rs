//! The virtio network card (VIRTIO 1.2, section 5.1), modern PCI, split virtqueue.

use qtest::pci::Bar;
use qtest::virtio::{Buffer, CONFIGURATION_INTERRUPT, Device, Queue};
use qtest::{Bench, Failure, Test, Width};
use serde_json::json;

use crate::ethernet::{LENGTH, frame};

/// The number of the virtio device.
const DEVICE: u16 = 1;
/// The queues, without further pairs of them.
const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
const CONTROL: u16 = 2;

/// Features.
const MTU: u64 = 1 << 3;
const ADDRESS: u64 = 1 << 5;
const MERGED_BUFFERS: u64 = 1 << 15;
const STATUS: u64 = 1 << 16;
const CONTROL_QUEUE: u64 = 1 << 17;
const CONTROL_RECEIVE: u64 = 1 << 18;
const CONTROL_ADDRESS: u64 = 1 << 23;

/// Fields of the configuration.
const STATUS_FIELD: u64 = 6;
const MTU_FIELD: u64 = 10;
/// Status: the link is up.
const LINK: u64 = 1;

/// Classes and commands of the control queue, and its results.
const RECEIVE_CLASS: u8 = 0;
const PROMISCUOUS: u8 = 0;
const ADDRESS_CLASS: u8 = 1;
const SET_ADDRESS: u8 = 1;
const UNKNOWN_CLASS: u8 = 200;
const OK: u8 = 0;
const ERROR: u8 = 1;

/// The header before a packet.
const HEADER: u32 = 12;

const BASE: Test = Test {
    models: &["virtio-net-pci"],
    arguments: &[
        "-netdev",
        "hubport,id=net,hubid=0",
        "-device",
        "virtio-net-pci,id=card,addr=4,netdev=net,mac=52:54:00:0c:0d:0e,host_mtu=1400",
    ],
    ..Test::of("virtio-net", &["pci"])
};

/// A second card on the same hub, whose side of the test is written for its own registers.
const PAIR: Test = Test {
    needs: &["pci", "dma"],
    models: &["virtio-net-pci", "e1000"],
    arguments: &[
        "-netdev",
        "hubport,id=net,hubid=0",
        "-netdev",
        "hubport,id=other,hubid=0",
        "-device",
        "virtio-net-pci,id=card,addr=4,netdev=net,mac=52:54:00:0c:0d:0e",
        "-device",
        "e1000,addr=5,netdev=other",
    ],
    // A stopped machine does not transfer packets.
    clock: true,
    ..BASE
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "has-address",
        description: "The configuration has the Ethernet address",
        body: |bench| has_address(bench, [0x52, 0x54, 0x00, 0x0c, 0x0d, 0x0e]),
        ..BASE
    },
    Test {
        name: "has-mtu",
        description: "The configuration has the MTU of the command line",
        body: |bench| has_mtu(bench, 1400),
        ..BASE
    },
    Test {
        name: "reports-link",
        description: "A link that goes down changes the status, with an interrupt",
        body: |bench| reports_link(bench, [LINK, 0, LINK]),
        ..BASE
    },
    Test {
        name: "takes-new-address",
        description: "A command sets the Ethernet address",
        body: |bench| takes_address(bench, 0x77),
        ..BASE
    },
    Test {
        name: "becomes-promiscuous",
        description: "A command switches the promiscuous mode, which QMP reports",
        body: |bench| becomes_promiscuous(bench, [true, false]),
        ..BASE
    },
    Test {
        name: "refuses-unknown-command",
        description: "A command of a class that does not exist ends with an error",
        body: |bench| refuses(bench, ERROR),
        ..BASE
    },
    Test {
        name: "transmits-frame",
        description: "A transmitted frame arrives at another card as it was sent",
        body: |bench| transmits(bench, 63),
        ..PAIR
    },
    Test {
        name: "receives-frame",
        description: "A frame from another card arrives behind the header of one buffer",
        body: |bench| receives(bench, MERGED_BUFFERS, Some(1)),
        ..PAIR
    },
    Test {
        name: "receives-frame-without-merging",
        description: "Without merged buffers, the header of a received frame has the same length",
        // QEMU 10.0 does not write the number of buffers then, although section 5.1.6.4.1 requires 1.
        body: |bench| receives(bench, 0, None),
        ..PAIR
    },
];

fn has_address(bench: &mut Bench<'_>, expected: [u64; 6]) -> Result<(), Failure> {
    let device = Device::find(bench, DEVICE, ADDRESS)?;
    for (at, expected) in (0u64..).zip(expected) {
        let found = device.field(bench, Width::B, at)?;
        bench.check(format!("byte {at} of the address"), found, expected)?;
    }
    Ok(())
}

fn has_mtu(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let device = Device::find(bench, DEVICE, MTU)?;
    let found = device.field(bench, Width::W, MTU_FIELD)?;
    bench.check("MTU", found, expected)
}

fn reports_link(bench: &mut Bench<'_>, expected: [u64; 3]) -> Result<(), Failure> {
    let device = Device::find(bench, DEVICE, STATUS)?;
    device.start(bench)?;
    for (is_up, expected) in [None, Some(false), Some(true)].into_iter().zip(expected) {
        if let Some(up) = is_up {
            let arguments = json!({ "name": "card", "up": up });
            let done = bench.session.qmp("set_link", arguments);
            done.map_err(|error| Failure::Missing(format!("a link that can change: {error}")))?;
            let interrupts = device.take_interrupts(bench)? & CONFIGURATION_INTERRUPT;
            bench.check("interrupt", interrupts, CONFIGURATION_INTERRUPT)?;
        }
        let found = device.field(bench, Width::W, STATUS_FIELD)?;
        bench.check(format!("link after {is_up:?}"), found & LINK, expected)?;
    }
    Ok(())
}

/// Sends a command with its data. Returns the result.
fn command(
    bench: &mut Bench<'_>,
    queue: &mut Queue,
    kind: [u8; 2],
    data: &[u8],
) -> Result<u8, Failure> {
    let at = bench.allocate(64, 16)?;
    bench.session.write(at, &kind)?;
    bench.session.write(at + 16, data)?;
    bench.session.memset(at + 32, 1, 0xee)?;
    let part = |offset, length, is_written| Buffer {
        address: at + offset,
        length,
        is_written,
    };
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let parts = [
        part(0, 2, false),
        part(16, length, false),
        part(32, 1, true),
    ];
    queue.send(bench, &parts)?;
    let result = bench.session.readb(at + 32)?;
    bench.release(at)?;
    Ok(result)
}

/// Starts the device with its control queue.
fn controlled(bench: &mut Bench<'_>, features: u64) -> Result<(Device, Queue), Failure> {
    let device = Device::find(bench, DEVICE, CONTROL_QUEUE | features)?;
    let queue = device.queue(bench, CONTROL)?;
    device.start(bench)?;
    Ok((device, queue))
}

fn takes_address(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let (device, mut queue) = controlled(bench, ADDRESS | CONTROL_ADDRESS)?;
    let address = [0x52, 0x54, 0x00, 0x55, 0x66, 0x77];
    let result = command(bench, &mut queue, [ADDRESS_CLASS, SET_ADDRESS], &address)?;
    bench.check("result", result, OK)?;
    let found = device.field(bench, Width::B, 5)?;
    bench.check("last byte of the address", found, expected)
}

fn becomes_promiscuous(bench: &mut Bench<'_>, expected: [bool; 2]) -> Result<(), Failure> {
    let (_, mut queue) = controlled(bench, CONTROL_RECEIVE)?;
    for (value, expected) in [1, 0].into_iter().zip(expected) {
        let result = command(bench, &mut queue, [RECEIVE_CLASS, PROMISCUOUS], &[value])?;
        bench.check("result", result, OK)?;
        let arguments = json!({ "name": "card" });
        let filters = bench.session.qmp("query-rx-filter", arguments);
        let filters =
            filters.map_err(|error| Failure::Missing(format!("the receive filter: {error}")))?;
        let found = filters[0]["promiscuous"].as_bool();
        bench.check(format!("promiscuous after {value}"), found, Some(expected))?;
    }
    Ok(())
}

fn refuses(bench: &mut Bench<'_>, expected: u8) -> Result<(), Failure> {
    let (_, mut queue) = controlled(bench, 0)?;
    let found = command(bench, &mut queue, [UNKNOWN_CLASS, 0], &[0])?;
    bench.check("result", found, expected)
}

/// The other card: its registers (8254x Software Developer's Manual), and a ring of eight descriptors with one buffer.
struct Other {
    bar: Bar,
    ring: u64,
    data: u64,
}

impl Other {
    const CONTROL: u64 = 0x0000;
    const LINK_UP: u64 = 1 << 6;
    const RING_BYTES: u64 = 128;

    /// Sets up one of its rings: the first register of the ring, with this descriptor.
    fn start(bench: &mut Bench<'_>, first: u64, rest: u64) -> Result<Self, Failure> {
        let bar = bench.region(0x8086, 0x100e, 0)?;
        let ring = bench.allocate(Self::RING_BYTES, 128)?;
        let data = bench.allocate(2048, 16)?;
        bench.session.memset(ring, 128, 0)?;
        let mut descriptor = data.to_le_bytes().to_vec();
        descriptor.extend(rest.to_le_bytes());
        bench.session.write(ring, &descriptor)?;
        for (at, value) in [
            (Self::CONTROL, Self::LINK_UP),
            (first, ring & 0xffff_ffff),
            (first + 0x04, ring >> 32),
            (first + 0x08, Self::RING_BYTES),
            (first + 0x10, 0),
        ] {
            bench.write(bar, Width::L, at, value)?;
        }
        Ok(Self { bar, ring, data })
    }

    /// The length and the status byte of the descriptor.
    fn written(&self, bench: &mut Bench<'_>) -> Result<(u16, u8), Failure> {
        let bytes = bench.session.read(self.ring + 8, 5)?;
        Ok((u16::from_le_bytes([bytes[0], bytes[1]]), bytes[4]))
    }
}

fn transmits(bench: &mut Bench<'_>, last: u8) -> Result<(), Failure> {
    const RING: u64 = 0x2800;
    const RECEIVE_CONTROL: u64 = 0x0100;
    /// Enabled, for all addresses.
    const ALL: u64 = 1 << 1 | 1 << 3 | 1 << 4 | 1 << 15;
    let other = Other::start(bench, RING, 0)?;
    bench.write(other.bar, Width::L, RING + 0x18, 1)?;
    bench.write(other.bar, Width::L, RECEIVE_CONTROL, ALL)?;
    // QEMU's card receives nothing in the first second.
    bench.session.clock_step(Some(2_000_000_000))?;
    let device = Device::find(bench, DEVICE, 0)?;
    let mut queue = device.queue(bench, TRANSMIT)?;
    device.start(bench)?;
    let packet = bench.allocate((HEADER + LENGTH).into(), 16)?;
    let content = [vec![0; HEADER as usize], frame()].concat();
    bench.session.write(packet, &content)?;
    let buffer = Buffer {
        address: packet,
        length: HEADER + LENGTH,
        is_written: false,
    };
    queue.send(bench, &[buffer])?;
    bench.wait_until("the other card has a frame", |bench| {
        Ok(other.written(bench)?.1 & 1 != 0)
    })?;
    // The card counts the checksum of the frame, four bytes.
    let (length, _) = other.written(bench)?;
    bench.check("length of the frame", u32::from(length), LENGTH + 4)?;
    let found = bench.session.read(other.data, LENGTH as usize)?;
    let sent = frame();
    bench.check("frame before its last byte", &found[..63], &sent[..63])?;
    bench.check("last byte", found[63], last)
}

/// Receives a frame. The buffer has other content before.
fn receives(bench: &mut Bench<'_>, features: u64, buffers: Option<u16>) -> Result<(), Failure> {
    const RING: u64 = 0x3800;
    const TRANSMIT_CONTROL: u64 = 0x0400;
    /// The command of the descriptor: end of packet, checksum, report status.
    const COMMAND: u64 = 0b1011 << 24;
    let device = Device::find(bench, DEVICE, features)?;
    let mut queue = device.queue(bench, RECEIVE)?;
    device.start(bench)?;
    let packet = bench.allocate(2048, 16)?;
    bench.session.memset(packet, 2048, 0xee)?;
    let buffer = Buffer {
        address: packet,
        length: 2048,
        is_written: true,
    };
    queue.post(bench, &[buffer])?;
    let other = Other::start(bench, RING, u64::from(LENGTH) | COMMAND)?;
    bench.session.write(other.data, &frame())?;
    bench.write(other.bar, Width::L, TRANSMIT_CONTROL, 1 << 1)?;
    bench.write(other.bar, Width::L, RING + 0x18, 1)?;
    let length = queue.wait(bench)?;
    bench.check("written bytes", length, HEADER + LENGTH)?;
    let found = bench.session.read(packet, (HEADER + LENGTH) as usize)?;
    let (header, content) = found.split_at(HEADER as usize);
    bench.check("fields without an offload", &header[..10], &[0; 10])?;
    if let Some(buffers) = buffers {
        let count = u16::from_le_bytes([header[10], header[11]]);
        bench.check("number of buffers", count, buffers)?;
    }
    bench.check("frame", content, frame().as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "has-address", "byte 5", |bench| {
            has_address(bench, [0x52, 0x54, 0x00, 0x0c, 0x0d, 0x0f])
        });
        check_fails(TESTS, "has-mtu", "MTU", |bench| has_mtu(bench, 1500));
        check_fails(TESTS, "reports-link", "link", |bench| {
            reports_link(bench, [LINK; 3])
        });
        check_fails(TESTS, "takes-new-address", "last byte", |bench| {
            takes_address(bench, 0x0e)
        });
        check_fails(TESTS, "becomes-promiscuous", "promiscuous", |bench| {
            becomes_promiscuous(bench, [true; 2])
        });
        check_fails(TESTS, "refuses-unknown-command", "result", |bench| {
            refuses(bench, OK)
        });
        check_fails(TESTS, "transmits-frame", "last byte", |bench| {
            transmits(bench, 0)
        });
        check_fails(TESTS, "receives-frame", "buffers", |bench| {
            receives(bench, MERGED_BUFFERS, Some(2))
        });
        let without = "receives-frame-without-merging";
        check_fails(TESTS, without, "number of buffers", |bench| {
            receives(bench, 0, Some(2))
        });
    }
}

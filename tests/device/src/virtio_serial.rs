//! The virtio device for consoles and ports (VIRTIO 1.2, section 5.3), with one port.

use qtest::virtio::{Buffer, Device, Queue};
use qtest::{Bench, Failure, Test, Width};

/// The number of the virtio device.
const DEVICE: u16 = 3;
const MULTIPORT: u64 = 1 << 1;
/// In the configuration: the largest number of ports.
const MAX_PORTS: u64 = 4;

/// Queues for control messages from and to the device, and for output of the second port.
const CONTROL_IN: u16 = 2;
const CONTROL_OUT: u16 = 3;
const PORT_OUT: u16 = 5;

/// Control messages.
const DEVICE_READY: u16 = 0;
const DEVICE_ADD: u16 = 1;
const PORT_READY: u16 = 3;
const PORT_OPEN: u16 = 6;
const PORT_NAME: u16 = 7;
/// The bytes of a control message before a name.
const HEADER: usize = 8;
const PORT: u32 = 1;
const NAME: &str = "kiln.port";
const TEXT: &str = "fired at 1200 degrees";

const BASE: Test = Test {
    models: &["virtio-serial-pci", "virtserialport"],
    arguments: &[
        "-chardev",
        "ringbuf,id=ring,size=4096",
        "-device",
        "virtio-serial-pci,addr=4,max_ports=4",
        "-device",
        "virtserialport,chardev=ring,name=kiln.port,nr=1",
    ],
    ..Test::of("virtio-serial", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "has-maximum-of-ports",
        description: "The configuration has the largest number of ports",
        body: |bench| has_maximum(bench, 4),
        ..BASE
    },
    Test {
        name: "announces-port-with-name",
        description: "The device announces its port to a ready driver, and its name to a ready port",
        body: |bench| announces(bench, NAME),
        ..BASE
    },
    Test {
        name: "reports-open-backend",
        description: "A ready port without a name learns that its backend is connected",
        arguments: &[
            "-chardev",
            "ringbuf,id=ring,size=4096",
            "-device",
            "virtio-serial-pci,addr=4,max_ports=4",
            "-device",
            "virtserialport,chardev=ring,nr=1",
        ],
        body: |bench| reports_open(bench, 1),
        ..BASE
    },
    Test {
        name: "forwards-output",
        description: "What the driver sends to a port arrives at its backend",
        body: |bench| forwards(bench, TEXT),
        ..BASE
    },
    Test {
        name: "forwards-output-over-mmio",
        description: "What the driver sends to a port of a device in a slot arrives at its backend",
        needs: &["virtio-mmio"],
        models: &["virtio-serial-device", "virtserialport"],
        arguments: &[
            "-global",
            "virtio-mmio.force-legacy=false",
            "-chardev",
            "ringbuf,id=ring,size=4096",
            "-device",
            "virtio-serial-device,max_ports=4",
            "-device",
            "virtserialport,chardev=ring,name=kiln.port,nr=1",
        ],
        body: |bench| forwards(bench, TEXT),
        ..BASE
    },
];

fn has_maximum(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let device = Device::find(bench, DEVICE, MULTIPORT)?;
    let found = device.field(bench, Width::L, MAX_PORTS)?;
    bench.check("largest number of ports", found, expected)
}

/// The queues of a started device.
struct Serial {
    control_in: Queue,
    control_out: Queue,
    port_out: Queue,
    /// Memory for messages from the device, and for what the driver sends.
    messages: u64,
    sent: u64,
}

impl Serial {
    const SIZE: u32 = 64;

    fn start(bench: &mut Bench<'_>) -> Result<Self, Failure> {
        let device = Device::find(bench, DEVICE, MULTIPORT)?;
        let it = Self {
            control_in: device.queue(bench, CONTROL_IN)?,
            control_out: device.queue(bench, CONTROL_OUT)?,
            port_out: device.queue(bench, PORT_OUT)?,
            messages: bench.allocate(Self::SIZE.into(), 16)?,
            sent: bench.allocate(Self::SIZE.into(), 16)?,
        };
        device.start(bench)?;
        Ok(it)
    }

    /// Sends a control message, and returns the first one that the device sends then.
    fn control(
        &mut self,
        bench: &mut Bench<'_>,
        (port, event): (u32, u16),
    ) -> Result<Vec<u8>, Failure> {
        let buffer = Buffer {
            address: self.messages,
            length: Self::SIZE,
            is_written: true,
        };
        self.control_in.post(bench, &[buffer])?;
        let mut message = port.to_le_bytes().to_vec();
        message.extend(event.to_le_bytes());
        message.extend(1u16.to_le_bytes());
        send(bench, &mut self.control_out, self.sent, &message)?;
        let length = self.control_in.wait(bench)?;
        bench.check("message has a header", length as usize >= HEADER, true)?;
        Ok(bench.session.read(self.messages, length as usize)?)
    }
}

fn send(
    bench: &mut Bench<'_>,
    queue: &mut Queue,
    address: u64,
    bytes: &[u8],
) -> Result<(), Failure> {
    bench.session.write(address, bytes)?;
    let buffer = Buffer {
        address,
        length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        is_written: false,
    };
    queue.send(bench, &[buffer]).map(drop)
}

/// The port and the event of a control message.
fn header(message: &[u8]) -> (u32, u16) {
    let port = u32::from_le_bytes([message[0], message[1], message[2], message[3]]);
    (port, u16::from_le_bytes([message[4], message[5]]))
}

fn announces(bench: &mut Bench<'_>, expected: &str) -> Result<(), Failure> {
    let mut serial = Serial::start(bench)?;
    let message = serial.control(bench, (0, DEVICE_READY))?;
    bench.check("port that is added", header(&message), (PORT, DEVICE_ADD))?;
    let message = serial.control(bench, (PORT, PORT_READY))?;
    bench.check("port that is named", header(&message), (PORT, PORT_NAME))?;
    let name = message[HEADER..].split(|byte| *byte == 0).next();
    let name = String::from_utf8_lossy(name.unwrap_or_default()).into_owned();
    bench.check("name", name.as_str(), expected)
}

fn reports_open(bench: &mut Bench<'_>, expected: u16) -> Result<(), Failure> {
    let mut serial = Serial::start(bench)?;
    serial.control(bench, (0, DEVICE_READY))?;
    let message = serial.control(bench, (PORT, PORT_READY))?;
    bench.check("event", header(&message), (PORT, PORT_OPEN))?;
    let value = u16::from_le_bytes([message[6], message[7]]);
    bench.check("backend is connected", value, expected)
}

fn forwards(bench: &mut Bench<'_>, expected: &str) -> Result<(), Failure> {
    let mut serial = Serial::start(bench)?;
    serial.control(bench, (0, DEVICE_READY))?;
    serial.control(bench, (PORT, PORT_READY))?;
    send(bench, &mut serial.port_out, serial.sent, TEXT.as_bytes())?;
    let all = serde_json::json!({"device": "ring", "size": 4096});
    let found = bench.session.qmp("ringbuf-read", all);
    let found = found.map_err(|error| Failure::Missing(format!("a backend: {error}")))?;
    bench.check("output", found.as_str().unwrap_or_default(), expected)
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
        check("has-maximum-of-ports", "largest", |bench| {
            has_maximum(bench, 31)
        });
        check("announces-port-with-name", "name", |bench| {
            announces(bench, "kiln")
        });
        check("reports-open-backend", "connected", |bench| {
            reports_open(bench, 0)
        });
        check("forwards-output", "output", |bench| forwards(bench, "cold"));
        check("forwards-output-over-mmio", "output", |bench| {
            forwards(bench, "cold")
        });
    }
}

//! The virtio entropy device (VIRTIO 1.2, section 5.4), modern PCI, split virtqueue.

use qtest::virtio::{Buffer, Device};
use qtest::{Bench, Failure, Test};

/// The number of the virtio device.
const DEVICE: u16 = 4;
const LENGTH: u32 = 64;

const BASE: Test = Test {
    models: &["virtio-rng-pci"],
    arguments: &[
        "-object",
        "rng-builtin,id=rng",
        "-device",
        "virtio-rng-pci,addr=4,rng=rng",
    ],
    ..Test::of("virtio-rng", &["pci"])
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "has-one-queue",
        description: "The device has one queue",
        body: |bench| has_queues(bench, 1),
        ..BASE
    },
    Test {
        name: "fills-buffer",
        description: "A request is answered with random bytes, and only as many as there is room for",
        // QEMU answers only while the machine runs.
        clock: true,
        body: |bench| fills(bench, 0xee),
        ..BASE
    },
    Test {
        name: "limits-bytes-per-period",
        description: "A device with a limit returns no more bytes in a period, and continues in the next one",
        arguments: &[
            "-object",
            "rng-builtin,id=rng",
            "-device",
            "virtio-rng-pci,addr=4,rng=rng,max-bytes=16,period=1000",
        ],
        clock: true,
        body: |bench| limits(bench, 16),
        ..BASE
    },
];

fn has_queues(bench: &mut Bench<'_>, expected: u16) -> Result<(), Failure> {
    let device = Device::find(bench, DEVICE, 0)?;
    let queues = device.queues(bench)?;
    bench.check("number of queues", queues, expected)
}

fn fills(bench: &mut Bench<'_>, behind: u8) -> Result<(), Failure> {
    let device = Device::find(bench, DEVICE, 0)?;
    let mut queue = device.queue(bench, 0)?;
    device.start(bench)?;
    let buffer = bench.allocate(2 * u64::from(LENGTH), 16)?;
    bench.session.memset(buffer, 2 * LENGTH as usize, 0xee)?;
    let part = Buffer {
        address: buffer,
        length: LENGTH,
        is_written: true,
    };
    let length = queue.send(bench, &[part])?;
    bench.check("length is not 0", length > 0 && length <= LENGTH, true)?;
    let bytes = bench.session.read(buffer, 2 * LENGTH as usize)?;
    let (inside, after) = bytes.split_at(length as usize);
    // 64 equal bytes have a chance of 2^-504.
    bench.check(
        "bytes differ",
        inside.iter().any(|it| *it != inside[0]),
        true,
    )?;
    bench.check(
        "bytes behind it",
        after.iter().all(|it| *it == behind),
        true,
    )
}

fn limits(bench: &mut Bench<'_>, expected: u32) -> Result<(), Failure> {
    const PERIOD: u64 = 1_000_000_000;
    let device = Device::find(bench, DEVICE, 0)?;
    let mut queue = device.queue(bench, 0)?;
    device.start(bench)?;
    let buffer = Buffer {
        address: bench.allocate(LENGTH.into(), 16)?,
        length: LENGTH,
        is_written: true,
    };
    let first = queue.send(bench, &[buffer])?;
    bench.check("bytes of the first period", first, expected)?;
    queue.post(bench, &[buffer])?;
    for tenth in 1..10 {
        bench.session.clock_step(Some(PERIOD / 10))?;
        let is_used = queue.is_used(bench)?;
        bench.check(format!("answered after {tenth} tenths"), is_used, false)?;
    }
    bench.session.clock_step(Some(PERIOD / 10))?;
    let second = queue.wait(bench)?;
    bench.check("bytes of the second period", second, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        check_fails(TESTS, "has-one-queue", "number of queues", |bench| {
            has_queues(bench, 2)
        });
        check_fails(TESTS, "limits-bytes-per-period", "first period", |bench| {
            limits(bench, 64)
        });
        check_fails(TESTS, "fills-buffer", "bytes behind it", |bench| {
            fills(bench, 0)
        });
    }
}

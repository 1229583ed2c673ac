//! The virtio memory device (VIRTIO 1.2, section 5.15), modern PCI, split virtqueue.

use qtest::virtio::{Buffer, Device};
use qtest::{Bench, Failure, Test, Width};

/// The number of the virtio device.
const DEVICE: u16 = 24;
const UNPLUGGED_INACCESSIBLE: u64 = 1 << 1;
/// In the configuration: the size of the usable region.
const USABLE: u64 = 32;
const UNPLUG_ALL: u16 = 2;
const REQUEST: u32 = 24;
const RESPONSE: u32 = 10;
const MIB: u64 = 1 << 20;

const BASE: Test = Test {
    models: &["virtio-mem-pci"],
    arguments: &[
        "-m",
        "128M,maxmem=1G",
        "-object",
        "memory-backend-ram,id=m,size=256M",
        "-device",
        "virtio-mem-pci,id=vmem,addr=4,memdev=m,requested-size=64M,unplugged-inaccessible=on",
    ],
    // Without the option, QEMU 7.2 does not offer the feature on a PC. On other machines it is always offered.
    ..Test::of("virtio-mem", &["pci", "dma", "isa"])
};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "usable-region-shrinks-when-nothing-is-plugged",
    description: "After a request to unplug everything, no memory is usable if QEMU requests none",
    body: |bench| shrinks(bench, 0),
    ..BASE
}];

fn shrinks(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let device = Device::find(bench, DEVICE, UNPLUGGED_INACCESSIBLE)?;
    let mut queue = device.queue(bench, 0)?;
    device.start(bench)?;
    let usable = |bench: &mut Bench<'_>| device.field(bench, Width::Q, USABLE);
    let before = usable(bench)?;
    bench.check("usable size before", before >= 64 * MIB, true)?;
    let none = serde_json::json!({"path": "vmem", "property": "requested-size", "value": 0});
    bench
        .session
        .qmp("qom-set", none)
        .map_err(|error| Failure::Missing(format!("a size that can be set: {error}")))?;
    // Memory may still be plugged there.
    let requested = usable(bench)?;
    bench.check("usable size with nothing requested", requested, before)?;
    let address = bench.allocate(64, 16)?;
    let mut bytes = [0; REQUEST as usize];
    bytes[..2].copy_from_slice(&UNPLUG_ALL.to_le_bytes());
    bench.session.write(address, &bytes)?;
    bench
        .session
        .memset(address + 32, RESPONSE as usize, 0xee)?;
    let part = |address, length, is_written| Buffer {
        address,
        length,
        is_written,
    };
    let request = [
        part(address, REQUEST, false),
        part(address + 32, RESPONSE, true),
    ];
    queue.send(bench, &request)?;
    let status = bench.session.read_le(Width::W, address + 32)?;
    bench.check("response to the request", status, 0)?;
    let after = usable(bench)?;
    bench.check("usable size with nothing plugged", after, expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::check_fails;

    #[test]
    fn wrong_expectation_fails() {
        let name = "usable-region-shrinks-when-nothing-is-plugged";
        check_fails(TESTS, name, "nothing plugged", |bench| shrinks(bench, MIB));
    }
}

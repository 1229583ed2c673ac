//! Virtio over memory-mapped registers (VIRTIO 1.2, section 4.2), with a disk and a balloon.

use qtest::virtio::{CONFIGURATION_INTERRUPT, PACKED, QUEUE_INTERRUPT};
use qtest::{Bench, Failure, Test, Width};

use crate::virtio_blk::{DEVICE, Disk, FLUSH_FEATURE, IN, NULL_DISK, OK, SECTOR};
use crate::virtio_pci::{Kind, reports_change_by_pin, serves, wraps};

const VERSION: u64 = 0x004;
const DEVICE_ID: u64 = 0x008;
const VENDOR_ID: u64 = 0x00c;
const QUEUE_SELECT: u64 = 0x030;
const QUEUE_READY: u64 = 0x044;
const INTERRUPT_STATUS: u64 = 0x060;
const INTERRUPT_ACKNOWLEDGE: u64 = 0x064;
const STATUS: u64 = 0x070;

/// QEMU's vendor number, `QEMU`.
const VENDOR: u64 = 0x554d_4551;

const BASE: Test = Test {
    models: &["virtio-blk-device"],
    arguments: &[
        "-global",
        "virtio-mmio.force-legacy=false",
        "-blockdev",
        NULL_DISK,
        "-device",
        "virtio-blk-device,drive=disk,serial=kiln-1200",
    ],
    ..Test::of("virtio-mmio", &["virtio-mmio"])
};

/// A device with registers of version 1.
const LEGACY: Test = Test {
    needs: &["virtio-mmio", "virtio-mmio-legacy"],
    arguments: &[
        "-global",
        "virtio-mmio.force-legacy=true",
        "-blockdev",
        NULL_DISK,
        "-device",
        "virtio-blk-device,drive=disk,serial=kiln-1200",
    ],
    ..BASE
};

/// A device that offers packed virtqueues.
const PACKED_QUEUE: Test = Test {
    arguments: &[
        "-global",
        "virtio-mmio.force-legacy=false",
        "-blockdev",
        NULL_DISK,
        "-device",
        "virtio-blk-device,drive=disk,serial=kiln-1200,packed=on",
    ],
    ..BASE
};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "identifies-device",
        description: "The registers have version 2, the type of the device and the vendor",
        body: |bench| identifies(bench, 2),
        ..BASE
    },
    Test {
        name: "identifies-legacy-device",
        description: "The registers of a legacy device have version 1",
        body: |bench| identifies(bench, 1),
        ..LEGACY
    },
    Test {
        name: "serves-requests",
        description: "A disk has its capacity and executes requests",
        body: |bench| serves(bench, Kind::Modern, "kiln-1200"),
        ..BASE
    },
    Test {
        name: "legacy-device-serves-requests",
        description: "A disk with registers of version 1 has its capacity and executes requests",
        body: |bench| serves(bench, Kind::Legacy, "kiln-1200"),
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
        name: "interrupt-is-acknowledged",
        description: "A used buffer is reported until the driver acknowledges it",
        body: |bench| is_acknowledged(bench, QUEUE_INTERRUPT),
        ..BASE
    },
    Test {
        name: "reports-changed-configuration",
        description: "A changed configuration is reported once",
        models: &["virtio-balloon-device"],
        arguments: &[
            "-global",
            "virtio-mmio.force-legacy=false",
            "-device",
            "virtio-balloon-device",
        ],
        body: |bench| reports_change_by_pin(bench, CONFIGURATION_INTERRUPT),
        ..BASE
    },
    Test {
        name: "reset-disables-queues",
        description: "A device that is reset has status 0 and no ready queue",
        body: |bench| reset_disables(bench, 0),
        ..BASE
    },
];

/// The address of the disk's registers.
fn disk(bench: &mut Bench<'_>) -> Result<u64, Failure> {
    let missing = || Failure::Missing("a disk in a slot of virtio-mmio".to_owned());
    let slots = bench.machine.virtio_mmio.ok_or_else(missing)?;
    for slot in 0..slots.count {
        let address = slots.address + slot * slots.size;
        if get(bench, address, DEVICE_ID)? == u64::from(DEVICE) {
            return Ok(address);
        }
    }
    Err(missing())
}

fn get(bench: &mut Bench<'_>, address: u64, at: u64) -> Result<u64, Failure> {
    Ok(bench.session.read_le(Width::L, address + at)?)
}

fn identifies(bench: &mut Bench<'_>, version: u64) -> Result<(), Failure> {
    let address = disk(bench)?;
    let found = get(bench, address, VERSION)?;
    bench.check("version", found, version)?;
    let found = get(bench, address, VENDOR_ID)?;
    bench.check("vendor", found, VENDOR)
}

fn is_acknowledged(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let address = disk(bench)?;
    let mut disk = Disk::start(bench, FLUSH_FEATURE)?;
    let before = get(bench, address, INTERRUPT_STATUS)?;
    bench.check("interrupt status before", before, 0)?;
    disk.send(bench, (IN, 0), &[0; SECTOR as usize])?;
    bench.wait_until("the interrupt is reported", |bench| {
        Ok(get(bench, address, INTERRUPT_STATUS)? != 0)
    })?;
    for _ in 0..2 {
        let status = get(bench, address, INTERRUPT_STATUS)?;
        bench.check("interrupt status", status, expected)?;
    }
    bench
        .session
        .write_le(Width::L, address + INTERRUPT_ACKNOWLEDGE, QUEUE_INTERRUPT)?;
    let after = get(bench, address, INTERRUPT_STATUS)?;
    bench.check("interrupt status when acknowledged", after, 0)
}

fn reset_disables(bench: &mut Bench<'_>, expected: u64) -> Result<(), Failure> {
    let address = disk(bench)?;
    let disk = Disk::start(bench, FLUSH_FEATURE)?;
    bench
        .session
        .write_le(Width::L, address + QUEUE_SELECT, 0)?;
    let before = get(bench, address, QUEUE_READY)?;
    bench.check("queue before", before, 1)?;
    disk.device.reset(bench)?;
    let status = get(bench, address, STATUS)?;
    bench.check("status", status, 0)?;
    bench
        .session
        .write_le(Width::L, address + QUEUE_SELECT, 0)?;
    let after = get(bench, address, QUEUE_READY)?;
    bench.check("queue after", after, expected)
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
        check("identifies-device", "version", |bench| identifies(bench, 1));
        check("identifies-legacy-device", "version", |bench| {
            identifies(bench, 2)
        });
        check("serves-requests", "legacy interface", |bench| {
            serves(bench, Kind::Legacy, "kiln-1200")
        });
        check("legacy-device-serves-requests", "serial number", |bench| {
            serves(bench, Kind::Legacy, "kiln-1201")
        });
        check("packed-queue-serves-requests", "serial number", |bench| {
            serves(bench, Kind::Packed, "kiln-1201")
        });
        check("packed-queue-wraps", "request 0", |bench| {
            wraps(bench, PACKED, 1)
        });
        check("interrupt-is-acknowledged", "interrupt status", |bench| {
            is_acknowledged(bench, 2)
        });
        check("reports-changed-configuration", "changed", |bench| {
            reports_change_by_pin(bench, 0)
        });
        check("reset-disables-queues", "queue after", |bench| {
            reset_disables(bench, 1)
        });
    }
}

//! Virtio over memory-mapped registers, both versions (VIRTIO 1.2, section 4.2).
//!
//! Version 1 has the byte order of the guest. All machines with such devices are little-endian.

use super::legacy::PAGE;
use super::transport::{Doorbell, Rings, Structure, Transport};
use crate::bench::{Bench, Failure};
use crate::pci::{Bar, BarAddress, Function};
use crate::protocol::Width;

/// The first register has this value, `virt`.
const MAGIC: u64 = 0x7472_6976;

const MAGIC_VALUE: u64 = 0x000;
const VERSION: u64 = 0x004;
const DEVICE_ID: u64 = 0x008;
const DEVICE_FEATURES: u64 = 0x010;
const DEVICE_FEATURES_SELECT: u64 = 0x014;
const DRIVER_FEATURES: u64 = 0x020;
const DRIVER_FEATURES_SELECT: u64 = 0x024;
const QUEUE_SELECT: u64 = 0x030;
const QUEUE_SIZE_MAXIMUM: u64 = 0x034;
const QUEUE_SIZE: u64 = 0x038;
const QUEUE_READY: u64 = 0x044;
const QUEUE_NOTIFY: u64 = 0x050;
const INTERRUPT_STATUS: u64 = 0x060;
const INTERRUPT_ACKNOWLEDGE: u64 = 0x064;
const STATUS: u64 = 0x070;
const QUEUE_DESCRIPTORS: u64 = 0x080;
const QUEUE_DRIVER: u64 = 0x090;
const QUEUE_DEVICE: u64 = 0x0a0;
const CONFIGURATION: u64 = 0x100;
/// Registers of version 1 only.
const GUEST_PAGE_SIZE: u64 = 0x028;
const QUEUE_ALIGN: u64 = 0x03c;
const QUEUE_PAGE: u64 = 0x040;

/// The registers of a device.
pub(super) struct Mmio {
    registers: Structure,
    version: u64,
}

impl Mmio {
    /// The first device of this type. `None` if the machine has none.
    pub(super) fn find(bench: &mut Bench<'_>, id: u16) -> Result<Option<Self>, Failure> {
        let Some(slots) = bench.machine.virtio_mmio else {
            return Ok(None);
        };
        for slot in 0..slots.count {
            let address = slots.address + slot * slots.size;
            let bar = Bar {
                address: BarAddress::Memory(address),
                bus_address: address,
                size: slots.size,
            };
            let registers = Structure { bar, at: 0 };
            if registers.get(bench, Width::L, DEVICE_ID)? != u64::from(id) {
                continue;
            }
            let magic = registers.get(bench, Width::L, MAGIC_VALUE)?;
            bench.check(format!("magic value at {address:#x}"), magic, MAGIC)?;
            let version = registers.get(bench, Width::L, VERSION)?;
            bench.check("version is 1 or 2", (1..=2).contains(&version), true)?;
            let it = Self { registers, version };
            if it.is_legacy() {
                it.set(bench, GUEST_PAGE_SIZE, PAGE)?;
            }
            return Ok(Some(it));
        }
        Ok(None)
    }

    fn get(&self, bench: &mut Bench<'_>, at: u64) -> Result<u64, Failure> {
        self.registers.get(bench, Width::L, at)
    }

    fn set(&self, bench: &mut Bench<'_>, at: u64, value: u64) -> Result<(), Failure> {
        self.registers.set(bench, Width::L, at, value)
    }
}

impl Transport for Mmio {
    fn is_legacy(&self) -> bool {
        self.version == 1
    }

    fn status(&self, bench: &mut Bench<'_>) -> Result<u64, Failure> {
        self.get(bench, STATUS)
    }

    fn set_status(&self, bench: &mut Bench<'_>, status: u64) -> Result<(), Failure> {
        self.set(bench, STATUS, status)
    }

    fn features(&self, bench: &mut Bench<'_>) -> Result<u64, Failure> {
        let mut features = 0;
        for half in [0u64, 1] {
            self.set(bench, DEVICE_FEATURES_SELECT, half)?;
            features |= self.get(bench, DEVICE_FEATURES)? << (32 * half);
        }
        Ok(features)
    }

    fn set_features(&self, bench: &mut Bench<'_>, features: u64) -> Result<(), Failure> {
        let halves: &[u64] = if self.is_legacy() { &[0] } else { &[0, 1] };
        for half in halves {
            self.set(bench, DRIVER_FEATURES_SELECT, *half)?;
            let part = features >> (32 * half) & 0xffff_ffff;
            self.set(bench, DRIVER_FEATURES, part)?;
        }
        Ok(())
    }

    fn select(&self, bench: &mut Bench<'_>, queue: u16) -> Result<u64, Failure> {
        self.set(bench, QUEUE_SELECT, queue.into())?;
        self.get(bench, QUEUE_SIZE_MAXIMUM)
    }

    fn enable(&self, bench: &mut Bench<'_>, rings: Rings) -> Result<Doorbell, Failure> {
        self.set(bench, QUEUE_SIZE, rings.size.into())?;
        if self.is_legacy() {
            self.set(bench, QUEUE_ALIGN, PAGE)?;
            self.set(bench, QUEUE_PAGE, rings.descriptors / PAGE)?;
        } else {
            for (register, address) in [
                (QUEUE_DESCRIPTORS, rings.descriptors),
                (QUEUE_DRIVER, rings.driver),
                (QUEUE_DEVICE, rings.device),
            ] {
                self.set(bench, register, address & 0xffff_ffff)?;
                self.set(bench, register + 4, address >> 32)?;
            }
            self.set(bench, QUEUE_READY, 1)?;
        }
        Ok(Doorbell {
            registers: self.registers.bar,
            at: QUEUE_NOTIFY,
            width: Width::L,
        })
    }

    fn field(&self, bench: &mut Bench<'_>, width: Width, at: u64) -> Result<u64, Failure> {
        self.registers.get(bench, width, CONFIGURATION + at)
    }

    fn set_field(
        &self,
        bench: &mut Bench<'_>,
        width: Width,
        at: u64,
        value: u64,
    ) -> Result<(), Failure> {
        self.registers.set(bench, width, CONFIGURATION + at, value)
    }

    fn take_interrupts(&self, bench: &mut Bench<'_>) -> Result<u64, Failure> {
        let status = self.get(bench, INTERRUPT_STATUS)?;
        self.set(bench, INTERRUPT_ACKNOWLEDGE, status)?;
        Ok(status)
    }

    fn function(&self) -> Option<Function> {
        None
    }

    fn set_vectors(&self, _: &mut Bench<'_>, _: (u16, u16)) -> Result<(u64, u64), Failure> {
        Err(Failure::Missing(
            "virtio over PCI, which has messages,".to_owned(),
        ))
    }
}

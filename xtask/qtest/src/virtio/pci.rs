//! Modern virtio over PCI (VIRTIO 1.2, section 4.1).

use super::transport::{Doorbell, Rings, Structure, Transport};
use crate::bench::{Bench, Failure};
use crate::pci::Function;
use crate::protocol::Width;

/// PCI capability: vendor-specific.
const VENDOR_SPECIFIC: u8 = 0x09;

/// Kinds of structures, in the capabilities.
const COMMON: usize = 1;
const NOTIFY: usize = 2;
const INTERRUPTS: usize = 3;
const CONFIGURATION: usize = 4;

/// Offsets in the common configuration.
const DEVICE_FEATURE_SELECT: u64 = 0x00;
const DEVICE_FEATURE: u64 = 0x04;
const DRIVER_FEATURE_SELECT: u64 = 0x08;
const DRIVER_FEATURE: u64 = 0x0c;
const CONFIGURATION_VECTOR: u64 = 0x10;
const DEVICE_STATUS: u64 = 0x14;
const QUEUE_SELECT: u64 = 0x16;
const QUEUE_SIZE: u64 = 0x18;
const QUEUE_VECTOR: u64 = 0x1a;
const QUEUE_ENABLE: u64 = 0x1c;
const QUEUE_NOTIFY_OFF: u64 = 0x1e;
const QUEUE_DESC: u64 = 0x20;
const QUEUE_DRIVER: u64 = 0x28;
const QUEUE_DEVICE: u64 = 0x30;

/// The structures of a device.
pub(super) struct Modern {
    function: Function,
    common: Structure,
    notify: Structure,
    multiplier: u64,
    interrupts: Structure,
    configuration: Option<Structure>,
}

impl Modern {
    /// Finds the structures of a function. `None` if it has only the legacy interface.
    pub(super) fn of(bench: &mut Bench<'_>, function: Function) -> Result<Option<Self>, Failure> {
        let (session, pci) = bench.pci()?;
        let mut capabilities = pci.capabilities(session, function)?;
        capabilities.retain(|it| it.id == VENDOR_SPECIFIC);
        if capabilities.is_empty() {
            return Ok(None);
        }
        let mut found = [None; 5];
        let mut multiplier = 0;
        for capability in capabilities {
            let at = capability.at;
            let kind = bench.config(function, Width::B, at + 3)? as usize;
            let index = bench.config(function, Width::B, at + 4)?;
            let offset = bench.config(function, Width::L, at + 8)?;
            // The fifth kind is a window for firmware.
            if !(COMMON..=CONFIGURATION).contains(&kind) {
                continue;
            }
            if kind == NOTIFY {
                multiplier = bench.config(function, Width::L, at + 16)?;
            }
            let bar = bench.map(function, (index & 0xff) as u8)?;
            found[kind].get_or_insert(Structure {
                bar,
                at: offset.into(),
            });
        }
        let missing = |what: &str| Failure::Missing(format!("a virtio capability for {what}"));
        Ok(Some(Self {
            function,
            common: found[COMMON].ok_or_else(|| missing("the common configuration"))?,
            notify: found[NOTIFY].ok_or_else(|| missing("notifications"))?,
            multiplier: multiplier.into(),
            interrupts: found[INTERRUPTS].ok_or_else(|| missing("the interrupt status"))?,
            configuration: found[CONFIGURATION],
        }))
    }

    fn configuration(&self) -> Result<Structure, Failure> {
        let missing = || Failure::Missing("a virtio configuration".to_owned());
        self.configuration.ok_or_else(missing)
    }
}

impl Transport for Modern {
    fn is_legacy(&self) -> bool {
        false
    }

    fn status(&self, bench: &mut Bench<'_>) -> Result<u64, Failure> {
        self.common.get(bench, Width::B, DEVICE_STATUS)
    }

    fn set_status(&self, bench: &mut Bench<'_>, status: u64) -> Result<(), Failure> {
        self.common.set(bench, Width::B, DEVICE_STATUS, status)
    }

    fn features(&self, bench: &mut Bench<'_>) -> Result<u64, Failure> {
        let mut features = 0;
        for half in [0u64, 1] {
            self.common
                .set(bench, Width::L, DEVICE_FEATURE_SELECT, half)?;
            features |= self.common.get(bench, Width::L, DEVICE_FEATURE)? << (32 * half);
        }
        Ok(features)
    }

    fn set_features(&self, bench: &mut Bench<'_>, features: u64) -> Result<(), Failure> {
        for half in [0u64, 1] {
            self.common
                .set(bench, Width::L, DRIVER_FEATURE_SELECT, half)?;
            let part = features >> (32 * half) & 0xffff_ffff;
            self.common.set(bench, Width::L, DRIVER_FEATURE, part)?;
        }
        Ok(())
    }

    fn select(&self, bench: &mut Bench<'_>, queue: u16) -> Result<u64, Failure> {
        self.common
            .set(bench, Width::W, QUEUE_SELECT, queue.into())?;
        self.common.get(bench, Width::W, QUEUE_SIZE)
    }

    fn enable(&self, bench: &mut Bench<'_>, rings: Rings) -> Result<Doorbell, Failure> {
        self.common
            .set(bench, Width::W, QUEUE_SIZE, rings.size.into())?;
        for (register, address) in [
            (QUEUE_DESC, rings.descriptors),
            (QUEUE_DRIVER, rings.driver),
            (QUEUE_DEVICE, rings.device),
        ] {
            self.common
                .set(bench, Width::L, register, address & 0xffff_ffff)?;
            self.common
                .set(bench, Width::L, register + 4, address >> 32)?;
        }
        let offset = self.common.get(bench, Width::W, QUEUE_NOTIFY_OFF)?;
        self.common.set(bench, Width::W, QUEUE_ENABLE, 1)?;
        Ok(Doorbell {
            registers: self.notify.bar,
            at: self.notify.at + offset * self.multiplier,
            width: Width::W,
        })
    }

    fn field(&self, bench: &mut Bench<'_>, width: Width, at: u64) -> Result<u64, Failure> {
        self.configuration()?.get(bench, width, at)
    }

    fn set_field(
        &self,
        bench: &mut Bench<'_>,
        width: Width,
        at: u64,
        value: u64,
    ) -> Result<(), Failure> {
        self.configuration()?.set(bench, width, at, value)
    }

    fn take_interrupts(&self, bench: &mut Bench<'_>) -> Result<u64, Failure> {
        // A read acknowledges.
        self.interrupts.get(bench, Width::B, 0)
    }

    fn function(&self) -> Option<Function> {
        Some(self.function)
    }

    fn set_vectors(
        &self,
        bench: &mut Bench<'_>,
        vectors: (u16, u16),
    ) -> Result<(u64, u64), Failure> {
        let registers = (CONFIGURATION_VECTOR, QUEUE_VECTOR);
        self.common.set_pair(bench, registers, vectors)
    }
}

//! The legacy interface of virtio over PCI, which transitional devices have in their first base
//! address register (VIRTIO 1.2, section 4.1.4.10).

use super::transport::{Doorbell, Rings, Structure, Transport};
use crate::bench::{Bench, Failure};
use crate::pci::Function;
use crate::protocol::Width;

const DEVICE_FEATURES: u64 = 0x00;
const DRIVER_FEATURES: u64 = 0x04;
const QUEUE_ADDRESS: u64 = 0x08;
const QUEUE_SIZE: u64 = 0x0c;
const QUEUE_SELECT: u64 = 0x0e;
const QUEUE_NOTIFY: u64 = 0x10;
const DEVICE_STATUS: u64 = 0x12;
const INTERRUPT_STATUS: u64 = 0x13;
/// With MSI-X, two registers for vectors move the device-specific configuration behind them.
const CONFIGURATION_VECTOR: u64 = 0x14;
const QUEUE_VECTOR: u64 = 0x16;
const CONFIGURATION: u64 = 0x14;
const CONFIGURATION_AFTER_VECTORS: u64 = 0x18;

/// A queue's address is written as the number of its page.
pub(super) const PAGE: u64 = 4096;

/// The registers of a device.
pub(super) struct Legacy {
    function: Function,
    registers: Structure,
}

impl Legacy {
    pub(super) fn of(bench: &mut Bench<'_>, function: Function) -> Result<Self, Failure> {
        let bar = bench.map(function, 0)?;
        Ok(Self {
            function,
            registers: Structure { bar, at: 0 },
        })
    }

    /// Where the device-specific configuration starts.
    fn configuration(&self, bench: &mut Bench<'_>) -> Result<u64, Failure> {
        Ok(if bench.has_msi_x(self.function)? {
            CONFIGURATION_AFTER_VECTORS
        } else {
            CONFIGURATION
        })
    }
}

impl Transport for Legacy {
    fn is_legacy(&self) -> bool {
        true
    }

    fn status(&self, bench: &mut Bench<'_>) -> Result<u64, Failure> {
        self.registers.get(bench, Width::B, DEVICE_STATUS)
    }

    fn set_status(&self, bench: &mut Bench<'_>, status: u64) -> Result<(), Failure> {
        self.registers.set(bench, Width::B, DEVICE_STATUS, status)
    }

    fn features(&self, bench: &mut Bench<'_>) -> Result<u64, Failure> {
        self.registers.get(bench, Width::L, DEVICE_FEATURES)
    }

    fn set_features(&self, bench: &mut Bench<'_>, features: u64) -> Result<(), Failure> {
        self.registers
            .set(bench, Width::L, DRIVER_FEATURES, features)
    }

    fn select(&self, bench: &mut Bench<'_>, queue: u16) -> Result<u64, Failure> {
        self.registers
            .set(bench, Width::W, QUEUE_SELECT, queue.into())?;
        self.registers.get(bench, Width::W, QUEUE_SIZE)
    }

    fn enable(&self, bench: &mut Bench<'_>, rings: Rings) -> Result<Doorbell, Failure> {
        let page = rings.descriptors / PAGE;
        self.registers.set(bench, Width::L, QUEUE_ADDRESS, page)?;
        Ok(Doorbell {
            registers: self.registers.bar,
            at: QUEUE_NOTIFY,
            width: Width::W,
        })
    }

    fn field(&self, bench: &mut Bench<'_>, width: Width, at: u64) -> Result<u64, Failure> {
        let start = self.configuration(bench)?;
        let value = self.registers.get(bench, width, start + at)?;
        Ok(if bench.session.big_endian()? {
            width.swapped(value)
        } else {
            value
        })
    }

    fn set_field(
        &self,
        bench: &mut Bench<'_>,
        width: Width,
        at: u64,
        value: u64,
    ) -> Result<(), Failure> {
        let start = self.configuration(bench)?;
        let value = if bench.session.big_endian()? {
            width.swapped(value)
        } else {
            value
        };
        self.registers.set(bench, width, start + at, value)
    }

    fn take_interrupts(&self, bench: &mut Bench<'_>) -> Result<u64, Failure> {
        // A read acknowledges.
        self.registers.get(bench, Width::B, INTERRUPT_STATUS)
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
        self.registers.set_pair(bench, registers, vectors)
    }
}

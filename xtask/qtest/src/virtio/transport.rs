//! What the transports of virtio have in common: the operations of a driver, and where its rings are.

use crate::bench::{Bench, Failure};
use crate::pci::{Bar, Function};
use crate::protocol::Width;

/// The register that a driver writes to notify a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Doorbell {
    pub(super) registers: Bar,
    pub(super) at: u64,
    pub(super) width: Width,
}

/// The addresses of a queue: descriptors, driver area, device area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rings {
    /// The number of descriptors.
    pub(super) size: u16,
    pub(super) descriptors: u64,
    pub(super) driver: u64,
    pub(super) device: u64,
}

/// The registers of a device. Each method is one operation of VIRTIO 1.2, chapter 4.
pub(super) trait Transport {
    /// Whether it has the interface from before version 1 of the specification. Then a queue has
    /// the size that the device chose and one contiguous area, and numbers have the byte order of
    /// the guest.
    fn is_legacy(&self) -> bool;
    /// Reads the device status.
    fn status(&self, bench: &mut Bench<'_>) -> Result<u64, Failure>;
    /// Writes the device status.
    fn set_status(&self, bench: &mut Bench<'_>, status: u64) -> Result<(), Failure>;
    /// Reads the offered features.
    fn features(&self, bench: &mut Bench<'_>) -> Result<u64, Failure>;
    /// Writes the accepted features.
    fn set_features(&self, bench: &mut Bench<'_>, features: u64) -> Result<(), Failure>;
    /// Selects a queue. Returns its maximum size, 0 for a missing queue.
    fn select(&self, bench: &mut Bench<'_>, queue: u16) -> Result<u64, Failure>;
    /// Enables the selected queue.
    fn enable(&self, bench: &mut Bench<'_>, rings: Rings) -> Result<Doorbell, Failure>;
    /// Reads a number of one, two or four bytes from the device-specific configuration.
    fn field(&self, bench: &mut Bench<'_>, width: Width, at: u64) -> Result<u64, Failure>;
    /// Writes a number to the device-specific configuration.
    fn set_field(
        &self,
        bench: &mut Bench<'_>,
        width: Width,
        at: u64,
        value: u64,
    ) -> Result<(), Failure>;
    /// Reads the interrupt status, and acknowledges what it reports.
    fn take_interrupts(&self, bench: &mut Bench<'_>) -> Result<u64, Failure>;
    /// The PCI function, if the device is one.
    fn function(&self) -> Option<Function>;
    /// Selects the messages for changes of the configuration and for the selected queue. Returns
    /// the numbers that the device accepted.
    fn set_vectors(
        &self,
        bench: &mut Bench<'_>,
        vectors: (u16, u16),
    ) -> Result<(u64, u64), Failure>;
}

/// A structure in a base address register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Structure {
    pub(super) bar: Bar,
    pub(super) at: u64,
}

impl Structure {
    pub(super) fn get(&self, bench: &mut Bench<'_>, width: Width, at: u64) -> Result<u64, Failure> {
        bench.read(self.bar, width, self.at + at)
    }

    pub(super) fn set(
        &self,
        bench: &mut Bench<'_>,
        width: Width,
        at: u64,
        value: u64,
    ) -> Result<(), Failure> {
        bench.write(self.bar, width, self.at + at, value)
    }
    /// Writes two registers of 16 bits, and reads both back.
    pub(super) fn set_pair(
        &self,
        bench: &mut Bench<'_>,
        registers: (u64, u64),
        values: (u16, u16),
    ) -> Result<(u64, u64), Failure> {
        self.set(bench, Width::W, registers.0, values.0.into())?;
        self.set(bench, Width::W, registers.1, values.1.into())?;
        let first = self.get(bench, Width::W, registers.0)?;
        Ok((first, self.get(bench, Width::W, registers.1)?))
    }
}

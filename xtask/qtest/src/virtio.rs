//! A driver for virtio devices, for tests of them: over PCI (modern, and the legacy interface of
//! transitional devices) and over memory-mapped registers, with split and packed virtqueues.
//!
//! Structures and numbers are those of Virtual I/O Device (VIRTIO) 1.2. Only the features that the
//! caller requests are negotiated, and version 1 if the device has it.

mod legacy;
mod mmio;
mod pci;
mod queue;
mod transport;

use crate::bench::{Bench, Failure};
use crate::pci::{Function, register};
use crate::protocol::Width;
use legacy::Legacy;
use mmio::Mmio;
use pci::Modern;
use queue::Layout;
use transport::Transport;

pub use queue::{Buffer, Queue};

/// The PCI vendor of virtio devices.
const VENDOR: u32 = 0x1af4;
/// The first PCI device number of modern devices; the number of the virtio device is added.
const MODERN: u32 = 0x1040;
/// The PCI device numbers of transitional devices, whose subsystem is the number of the device.
const TRANSITIONAL: std::ops::Range<u32> = 0x1000..MODERN;

/// Device status.
mod status {
    pub(super) const ACKNOWLEDGE: u64 = 1;
    pub(super) const DRIVER: u64 = 2;
    pub(super) const DRIVER_OK: u64 = 4;
    pub(super) const FEATURES_OK: u64 = 8;
}

/// Feature: the device follows version 1 of the specification.
pub const VERSION_1: u64 = 1 << 32;
/// Feature: packed virtqueues.
pub const PACKED: u64 = 1 << 34;
/// A vector that selects no message.
pub const NO_VECTOR: u16 = 0xffff;
/// Interrupt status: the device has used buffers of a queue.
pub const QUEUE_INTERRUPT: u64 = 1;
/// Interrupt status: the configuration has changed.
pub const CONFIGURATION_INTERRUPT: u64 = 2;
/// The number of entries of a queue, if the driver chooses it.
const SIZE: u16 = 8;

/// A virtio device with negotiated features.
pub struct Device {
    transport: Box<dyn Transport>,
    /// The features that the device offers.
    pub offered: u64,
    accepted: u64,
}

impl Device {
    /// Finds the device by its virtio number, such as 2 for a disk, resets it, and negotiates these
    /// features. A device over memory-mapped registers is preferred to one over PCI.
    pub fn find(bench: &mut Bench<'_>, id: u16, features: u64) -> Result<Self, Failure> {
        let mut it = Self {
            transport: find_transport(bench, id)?,
            offered: 0,
            accepted: features,
        };
        it.negotiate(bench)?;
        Ok(it)
    }

    fn negotiate(&mut self, bench: &mut Bench<'_>) -> Result<(), Failure> {
        self.reset(bench)?;
        let mut state = status::ACKNOWLEDGE | status::DRIVER;
        self.transport.set_status(bench, state)?;
        self.offered = self.transport.features(bench)?;
        if !self.is_legacy() {
            self.accepted |= VERSION_1;
        }
        let offered = self.offered & self.accepted;
        bench.check("features that are offered", offered, self.accepted)?;
        self.transport.set_features(bench, self.accepted)?;
        if !self.is_legacy() {
            state |= status::FEATURES_OK;
        }
        self.transport.set_status(bench, state)?;
        let found = self.status(bench)?;
        bench.check("device status after negotiation", found, state)
    }

    /// Whether the device was found by its legacy interface.
    #[must_use]
    pub fn is_legacy(&self) -> bool {
        self.transport.is_legacy()
    }

    /// The PCI function, if the device is one.
    #[must_use]
    pub fn function(&self) -> Option<Function> {
        self.transport.function()
    }

    /// Reads the device status.
    pub fn status(&self, bench: &mut Bench<'_>) -> Result<u64, Failure> {
        self.transport.status(bench)
    }

    /// Resets the device.
    pub fn reset(&self, bench: &mut Bench<'_>) -> Result<(), Failure> {
        self.transport.set_status(bench, 0)
    }

    /// The number of queues.
    pub fn queues(&self, bench: &mut Bench<'_>) -> Result<u16, Failure> {
        let mut count = 0;
        while count < u16::MAX && self.transport.select(bench, count)? != 0 {
            count += 1;
        }
        Ok(count)
    }

    /// Sets up a queue.
    pub fn queue(&self, bench: &mut Bench<'_>, index: u16) -> Result<Queue, Failure> {
        let most = self.transport.select(bench, index)?;
        let most = u16::try_from(most).unwrap_or(u16::MAX);
        bench.check(format!("queue {index} exists"), most >= SIZE, true)?;
        let size = if self.is_legacy() { most } else { SIZE };
        let layout = if self.accepted & PACKED != 0 {
            Layout::Packed
        } else {
            let big_endian = self.is_legacy() && bench.session.big_endian()?;
            Layout::Split { big_endian }
        };
        let mut queue = Queue::allocate(bench, layout, index, size)?;
        queue.connect(self.transport.enable(bench, queue.rings())?);
        Ok(queue)
    }

    /// Starts the device.
    pub fn start(&self, bench: &mut Bench<'_>) -> Result<(), Failure> {
        let state = self.status(bench)?;
        self.transport.set_status(bench, state | status::DRIVER_OK)
    }

    /// Reads a field of the device-specific configuration. One of 64 bits is read in two parts, as
    /// drivers do.
    pub fn field(&self, bench: &mut Bench<'_>, width: Width, at: u64) -> Result<u64, Failure> {
        if width != Width::Q {
            return self.transport.field(bench, width, at);
        }
        let is_swapped = self.is_legacy() && bench.session.big_endian()?;
        let (low, high) = if is_swapped { (4, 0) } else { (0, 4) };
        let low = self.transport.field(bench, Width::L, at + low)?;
        Ok(self.transport.field(bench, Width::L, at + high)? << 32 | low)
    }

    /// Writes a field of the device-specific configuration.
    pub fn set_field(
        &self,
        bench: &mut Bench<'_>,
        width: Width,
        at: u64,
        value: u64,
    ) -> Result<(), Failure> {
        self.transport.set_field(bench, width, at, value)
    }

    /// Reads the interrupt status, and acknowledges what it reports.
    pub fn take_interrupts(&self, bench: &mut Bench<'_>) -> Result<u64, Failure> {
        self.transport.take_interrupts(bench)
    }

    /// Selects the messages (MSI-X) for changes of the configuration and for a queue. Returns the
    /// numbers that the device accepted.
    pub fn set_vectors(
        &self,
        bench: &mut Bench<'_>,
        queue: u16,
        vectors: (u16, u16),
    ) -> Result<(u64, u64), Failure> {
        self.transport.select(bench, queue)?;
        self.transport.set_vectors(bench, vectors)
    }
}

fn find_transport(bench: &mut Bench<'_>, id: u16) -> Result<Box<dyn Transport>, Failure> {
    if let Some(mmio) = Mmio::find(bench, id)? {
        return Ok(Box::new(mmio));
    }
    let function = find_function(bench, id)?;
    Ok(match Modern::of(bench, function)? {
        Some(modern) => Box::new(modern),
        None => Box::new(Legacy::of(bench, function)?),
    })
}

/// Finds the PCI function of a virtio device, and enables it.
fn find_function(bench: &mut Bench<'_>, id: u16) -> Result<Function, Failure> {
    let missing = || Failure::Missing(format!("a virtio device {id}"));
    if bench.machine.pci.is_none() {
        return Err(missing());
    }
    let (session, pci) = bench.pci()?;
    for function in pci.functions(session)? {
        let found = pci.read(session, function, Width::L, register::ID)?;
        let (vendor, device) = (found & 0xffff, found >> 16);
        let is_wanted = vendor == VENDOR
            && if TRANSITIONAL.contains(&device) {
                let subsystem = pci.read(session, function, Width::L, register::SUBSYSTEM)?;
                subsystem >> 16 == u32::from(id)
            } else {
                device == MODERN + u32::from(id)
            };
        if is_wanted {
            pci.enable(session, function)?;
            return Ok(function);
        }
    }
    Err(missing())
}

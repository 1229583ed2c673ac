//! Modern virtio over PCI: a driver with split virtqueues, for tests of virtio devices.
//!
//! Structures and numbers are those of Virtual I/O Device (VIRTIO) 1.2, sections 2.7 and 4.1. Only
//! the features that the caller requests are negotiated.

use crate::bench::{Bench, Failure};
use crate::pci::{Bar, Function};
use crate::protocol::Width;

/// The vendor of virtio devices.
const VENDOR: u16 = 0x1af4;
/// PCI capability: vendor-specific.
const VENDOR_SPECIFIC: u8 = 0x09;

/// Offsets in the common configuration.
mod common {
    pub(super) const DEVICE_FEATURE_SELECT: u64 = 0x00;
    pub(super) const DEVICE_FEATURE: u64 = 0x04;
    pub(super) const DRIVER_FEATURE_SELECT: u64 = 0x08;
    pub(super) const DRIVER_FEATURE: u64 = 0x0c;
    pub(super) const NUM_QUEUES: u64 = 0x12;
    pub(super) const DEVICE_STATUS: u64 = 0x14;
    pub(super) const QUEUE_SELECT: u64 = 0x16;
    pub(super) const QUEUE_SIZE: u64 = 0x18;
    pub(super) const QUEUE_ENABLE: u64 = 0x1c;
    pub(super) const QUEUE_NOTIFY_OFF: u64 = 0x1e;
    pub(super) const QUEUE_DESC: u64 = 0x20;
    pub(super) const QUEUE_DRIVER: u64 = 0x28;
    pub(super) const QUEUE_DEVICE: u64 = 0x30;
}

/// Device status.
mod status {
    pub(super) const ACKNOWLEDGE: u64 = 1;
    pub(super) const DRIVER: u64 = 2;
    pub(super) const DRIVER_OK: u64 = 4;
    pub(super) const FEATURES_OK: u64 = 8;
}

/// Feature: the device follows version 1 of the specification.
pub const VERSION_1: u64 = 1 << 32;
/// Descriptor: another one follows.
const NEXT: u16 = 1;
/// Descriptor: the device writes to it.
const WRITE: u16 = 2;
/// Number of entries of a queue.
const SIZE: u16 = 8;

/// A part of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffer {
    /// Its address in RAM.
    pub address: u64,
    /// Its length in bytes.
    pub length: u32,
    /// Whether the device writes to it.
    pub is_written: bool,
}

/// A structure in a base address register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Structure {
    bar: Bar,
    at: u64,
}

/// A virtio device with negotiated features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    common: Structure,
    notify: Structure,
    multiplier: u64,
    configuration: Option<Structure>,
    /// The features that the device offers.
    pub offered: u64,
}

/// A split virtqueue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    descriptors: u64,
    available: u64,
    used: u64,
    doorbell: (Bar, u64),
    index: u16,
    sent: u16,
}

impl Device {
    /// Finds the device by its PCI device number, resets it, and negotiates version 1 and these
    /// features.
    pub fn find(bench: &mut Bench<'_>, device: u16, features: u64) -> Result<Self, Failure> {
        let function = bench.function(VENDOR, device)?;
        let (session, pci) = bench.pci()?;
        let capabilities = pci.capabilities(session, function)?;
        let mut found = [None; 5];
        let mut bars = [None::<Bar>; 6];
        let mut multiplier = 0;
        for capability in capabilities.iter().filter(|it| it.id == VENDOR_SPECIFIC) {
            let at = capability.at;
            let kind = bench.config(function, Width::B, at + 3)? as usize;
            let index = bench.config(function, Width::B, at + 4)?;
            let offset = bench.config(function, Width::L, at + 8)?;
            // The fifth kind is a window for firmware.
            if !(1..=4).contains(&kind) {
                continue;
            }
            if kind == 2 {
                multiplier = bench.config(function, Width::L, at + 16)?;
            }
            let bar = mapped(bench, function, index, &mut bars)?;
            found[kind].get_or_insert(Structure {
                bar,
                at: offset.into(),
            });
        }
        let missing = |what: &str| Failure::Missing(format!("a virtio capability for {what}"));
        let mut it = Self {
            common: found[1].ok_or_else(|| missing("the common configuration"))?,
            notify: found[2].ok_or_else(|| missing("notifications"))?,
            multiplier: multiplier.into(),
            configuration: found[4],
            offered: 0,
        };
        it.negotiate(bench, features | VERSION_1)?;
        Ok(it)
    }

    fn negotiate(&mut self, bench: &mut Bench<'_>, wanted: u64) -> Result<(), Failure> {
        self.set(bench, Width::B, common::DEVICE_STATUS, 0)?;
        let mut state = status::ACKNOWLEDGE | status::DRIVER;
        self.set(bench, Width::B, common::DEVICE_STATUS, state)?;
        for half in [0u64, 1] {
            self.set(bench, Width::L, common::DEVICE_FEATURE_SELECT, half)?;
            self.offered |= self.get(bench, Width::L, common::DEVICE_FEATURE)? << (32 * half);
        }
        bench.check("features that are offered", self.offered & wanted, wanted)?;
        for half in [0u64, 1] {
            self.set(bench, Width::L, common::DRIVER_FEATURE_SELECT, half)?;
            let part = wanted >> (32 * half) & 0xffff_ffff;
            self.set(bench, Width::L, common::DRIVER_FEATURE, part)?;
        }
        state |= status::FEATURES_OK;
        self.set(bench, Width::B, common::DEVICE_STATUS, state)?;
        let found = self.get(bench, Width::B, common::DEVICE_STATUS)?;
        bench.check("device status after negotiation", found, state)
    }

    /// The number of queues.
    pub fn queues(&self, bench: &mut Bench<'_>) -> Result<u64, Failure> {
        self.get(bench, Width::W, common::NUM_QUEUES)
    }

    /// Sets up a queue.
    pub fn queue(&self, bench: &mut Bench<'_>, index: u16) -> Result<Queue, Failure> {
        let size = u64::from(SIZE);
        self.set(bench, Width::W, common::QUEUE_SELECT, index.into())?;
        let most = self.get(bench, Width::W, common::QUEUE_SIZE)?;
        bench.check(format!("queue {index} is there"), most >= size, true)?;
        self.set(bench, Width::W, common::QUEUE_SIZE, size)?;
        let descriptors = bench.allocate(16 * size, 16)?;
        let available = bench.allocate(6 + 2 * size, 2)?;
        let used = bench.allocate(6 + 8 * size, 4)?;
        bench
            .session
            .memset(available, 6 + 2 * usize::from(SIZE), 0)?;
        bench.session.memset(used, 6 + 8 * usize::from(SIZE), 0)?;
        for (register, address) in [
            (common::QUEUE_DESC, descriptors),
            (common::QUEUE_DRIVER, available),
            (common::QUEUE_DEVICE, used),
        ] {
            self.set(bench, Width::L, register, address & 0xffff_ffff)?;
            self.set(bench, Width::L, register + 4, address >> 32)?;
        }
        let offset = self.get(bench, Width::W, common::QUEUE_NOTIFY_OFF)?;
        self.set(bench, Width::W, common::QUEUE_ENABLE, 1)?;
        Ok(Queue {
            descriptors,
            available,
            used,
            doorbell: (self.notify.bar, self.notify.at + offset * self.multiplier),
            index,
            sent: 0,
        })
    }

    /// Starts the device.
    pub fn start(&self, bench: &mut Bench<'_>) -> Result<(), Failure> {
        let state = self.get(bench, Width::B, common::DEVICE_STATUS)?;
        self.set(
            bench,
            Width::B,
            common::DEVICE_STATUS,
            state | status::DRIVER_OK,
        )
    }

    /// Reads a field of the device-specific configuration.
    pub fn field(&self, bench: &mut Bench<'_>, width: Width, at: u64) -> Result<u64, Failure> {
        let part = self.configuration;
        let part = part.ok_or_else(|| Failure::Missing("a virtio configuration".to_owned()))?;
        bench.read(part.bar, width, part.at + at)
    }

    fn get(&self, bench: &mut Bench<'_>, width: Width, at: u64) -> Result<u64, Failure> {
        bench.read(self.common.bar, width, self.common.at + at)
    }

    fn set(&self, bench: &mut Bench<'_>, width: Width, at: u64, value: u64) -> Result<(), Failure> {
        bench.write(self.common.bar, width, self.common.at + at, value)
    }
}

/// Maps a base address register once.
fn mapped(
    bench: &mut Bench<'_>,
    function: Function,
    index: u32,
    bars: &mut [Option<Bar>; 6],
) -> Result<Bar, Failure> {
    let number = (index & 0xff) as u8;
    let slot = bars.get_mut(usize::from(number));
    let slot = slot.ok_or_else(|| Failure::Missing(format!("BAR {index}")))?;
    if let Some(bar) = *slot {
        return Ok(bar);
    }
    let bar = bench.map(function, number)?;
    *slot = Some(bar);
    Ok(bar)
}

impl Queue {
    /// Sends a request, waits until the device has used it, and returns the number of bytes that
    /// the device reports as written.
    pub fn send(&mut self, bench: &mut Bench<'_>, buffers: &[Buffer]) -> Result<u32, Failure> {
        self.post(bench, buffers)?;
        self.wait(bench)
    }

    /// Sends a request without waiting. One request at a time can be in the queue.
    pub fn post(&mut self, bench: &mut Bench<'_>, buffers: &[Buffer]) -> Result<(), Failure> {
        let mut table = Vec::new();
        for (index, buffer) in (1u16..).zip(buffers) {
            let is_last = usize::from(index) == buffers.len();
            let next = if is_last { 0 } else { NEXT };
            let write = if buffer.is_written { WRITE } else { 0 };
            table.extend(buffer.address.to_le_bytes());
            table.extend(buffer.length.to_le_bytes());
            table.extend((next | write).to_le_bytes());
            table.extend(if is_last { 0 } else { index }.to_le_bytes());
        }
        bench.check(
            "request fits the queue",
            buffers.len() <= usize::from(SIZE),
            true,
        )?;
        bench.session.write(self.descriptors, &table)?;
        let entry = self.available + 4 + 2 * u64::from(self.sent % SIZE);
        bench.session.write(entry, &0u16.to_le_bytes())?;
        self.sent = self.sent.wrapping_add(1);
        bench
            .session
            .write(self.available + 2, &self.sent.to_le_bytes())?;
        let (bar, at) = self.doorbell;
        bench.write(bar, Width::W, at, self.index.into())?;
        Ok(())
    }

    /// Whether the device has used the last request.
    pub fn is_used(&self, bench: &mut Bench<'_>) -> Result<bool, Failure> {
        Ok(bench.session.read_le(Width::W, self.used + 2)? == u64::from(self.sent))
    }

    /// Waits until the device has used the last request, and returns the number of bytes that the
    /// device reports as written.
    pub fn wait(&self, bench: &mut Bench<'_>) -> Result<u32, Failure> {
        bench.wait_until("the device has used the request", |bench| {
            self.is_used(bench)
        })?;
        let place = self.used + 4 + 8 * u64::from(self.sent.wrapping_sub(1) % SIZE);
        let length = bench.session.read_le(Width::L, place + 4)?;
        Ok((length & 0xffff_ffff) as u32)
    }
}

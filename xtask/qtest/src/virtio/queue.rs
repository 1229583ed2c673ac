//! Virtqueues: split ones (VIRTIO 1.2, section 2.7) and packed ones (section 2.8). One request at a
//! time is in a queue.

use super::legacy::PAGE;
use super::transport::{Doorbell, Rings};
use crate::bench::{Bench, Failure};
use crate::protocol::Width;

/// Descriptor: another one follows.
const NEXT: u16 = 1;
/// Descriptor: the device writes to it.
const WRITE: u16 = 2;
/// Packed descriptor: equal to the driver's wrap counter if it is available, and to the other bit
/// if the device has used it.
const AVAILABLE: u16 = 1 << 7;
const USED: u16 = 1 << 15;
/// The bytes of a descriptor.
const DESCRIPTOR: u64 = 16;
/// The identifier of the buffers in a packed queue.
const IDENTIFIER: u16 = 0x4b49;

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

/// How a queue is laid out in RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// A table of descriptors and two rings; its numbers are big-endian for an old device of a
    /// big-endian guest.
    Split { big_endian: bool },
    /// One ring of descriptors.
    Packed,
}

/// A virtqueue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    layout: Layout,
    rings: Rings,
    doorbell: Option<Doorbell>,
    index: u16,
    /// Split: the number of requests so far.
    sent: u16,
    /// Packed: the position of the last request and of the next one.
    last: Position,
    next: Position,
}

/// A position in a packed ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    slot: u16,
    /// The driver's wrap counter.
    wrap: bool,
}

impl Position {
    const START: Self = Self {
        slot: 0,
        wrap: true,
    };

    fn after(self, count: u16, size: u16) -> Self {
        let slot = self.slot + count;
        if slot < size {
            Self { slot, ..self }
        } else {
            Self {
                slot: slot - size,
                wrap: !self.wrap,
            }
        }
    }
}

impl Queue {
    /// Allocates a queue in RAM.
    pub(super) fn allocate(
        bench: &mut Bench<'_>,
        layout: Layout,
        index: u16,
        size: u16,
    ) -> Result<Self, Failure> {
        // The legacy layout: the used ring begins at the next page. Other layouts have no rule.
        let table = DESCRIPTOR * u64::from(size);
        let used = (table + 6 + 2 * u64::from(size)).next_multiple_of(PAGE);
        let total = used + 6 + 8 * u64::from(size);
        let descriptors = bench.allocate(total, PAGE)?;
        let length = usize::try_from(total).unwrap_or(usize::MAX);
        bench.session.memset(descriptors, length, 0)?;
        let rings = Rings {
            size,
            descriptors,
            driver: descriptors + table,
            device: descriptors + used,
        };
        Ok(Self {
            layout,
            rings,
            doorbell: None,
            index,
            sent: 0,
            last: Position::START,
            next: Position::START,
        })
    }

    pub(super) fn rings(&self) -> Rings {
        self.rings
    }

    pub(super) fn connect(&mut self, doorbell: Doorbell) {
        self.doorbell = Some(doorbell);
    }

    /// Sends a request, waits until the device has used it, and returns the number of bytes that
    /// the device reports as written.
    #[track_caller]
    pub fn send(&mut self, bench: &mut Bench<'_>, buffers: &[Buffer]) -> Result<u32, Failure> {
        self.post(bench, buffers)?;
        self.wait(bench)
    }

    /// Sends a request without waiting.
    pub fn post(&mut self, bench: &mut Bench<'_>, buffers: &[Buffer]) -> Result<(), Failure> {
        let count = u16::try_from(buffers.len()).unwrap_or(u16::MAX);
        let fits = (1..=self.rings.size).contains(&count);
        bench.check("request fits the queue", fits, true)?;
        match self.layout {
            Layout::Split { big_endian } => self.post_split(bench, buffers, big_endian)?,
            Layout::Packed => self.post_packed(bench, buffers, count)?,
        }
        match self.doorbell {
            None => Ok(()),
            Some(it) => bench.write(it.registers, it.width, it.at, self.index.into()),
        }
    }

    fn post_split(
        &mut self,
        bench: &mut Bench<'_>,
        buffers: &[Buffer],
        big_endian: bool,
    ) -> Result<(), Failure> {
        let mut table = Vec::new();
        for (index, buffer) in (1u16..).zip(buffers) {
            let is_last = usize::from(index) == buffers.len();
            let next = if is_last { 0 } else { NEXT };
            let write = if buffer.is_written { WRITE } else { 0 };
            let order = Order { big_endian };
            table.extend(order.bytes(Width::Q, buffer.address));
            table.extend(order.bytes(Width::L, buffer.length.into()));
            table.extend(order.bytes(Width::W, (next | write).into()));
            table.extend(order.bytes(Width::W, if is_last { 0 } else { index.into() }));
        }
        bench.session.write(self.rings.descriptors, &table)?;
        let order = Order { big_endian };
        let entry = self.rings.driver + 4 + 2 * u64::from(self.sent % self.rings.size);
        bench.session.write(entry, &order.bytes(Width::W, 0))?;
        self.sent = self.sent.wrapping_add(1);
        let sent = order.bytes(Width::W, self.sent.into());
        Ok(bench.session.write(self.rings.driver + 2, &sent)?)
    }

    /// The first descriptor becomes available last.
    fn post_packed(
        &mut self,
        bench: &mut Bench<'_>,
        buffers: &[Buffer],
        count: u16,
    ) -> Result<(), Failure> {
        self.last = self.next;
        let mut first = Vec::new();
        for (index, buffer) in (0..count).zip(buffers) {
            let position = self.last.after(index, self.rings.size);
            let next = if index + 1 == count { 0 } else { NEXT };
            let write = if buffer.is_written { WRITE } else { 0 };
            let available = if position.wrap { AVAILABLE } else { USED };
            let mut entry = buffer.address.to_le_bytes().to_vec();
            entry.extend(buffer.length.to_le_bytes());
            entry.extend(IDENTIFIER.to_le_bytes());
            let flags = (next | write | available).to_le_bytes();
            let at = self.slot(position);
            bench.session.write(at, &entry)?;
            if index == 0 {
                first = flags.to_vec();
            } else {
                bench.session.write(at + 14, &flags)?;
            }
        }
        self.next = self.last.after(count, self.rings.size);
        Ok(bench.session.write(self.slot(self.last) + 14, &first)?)
    }

    fn slot(&self, position: Position) -> u64 {
        self.rings.descriptors + DESCRIPTOR * u64::from(position.slot)
    }

    /// Whether the device has used the last request.
    pub fn is_used(&self, bench: &mut Bench<'_>) -> Result<bool, Failure> {
        match self.layout {
            Layout::Split { big_endian } => {
                let used = Order { big_endian }.read(bench, Width::W, self.rings.device + 2)?;
                Ok(used == u64::from(self.sent))
            }
            Layout::Packed => {
                let flags = bench.session.read_le(Width::W, self.slot(self.last) + 14)?;
                let marks = u64::from(AVAILABLE | USED);
                Ok(flags & marks == if self.last.wrap { marks } else { 0 })
            }
        }
    }

    /// Waits until the device has used the last request, and returns the number of bytes that the
    /// device reports as written.
    #[track_caller]
    pub fn wait(&self, bench: &mut Bench<'_>) -> Result<u32, Failure> {
        bench.wait_until("the device has used the request", |bench| {
            self.is_used(bench)
        })?;
        let length = match self.layout {
            Layout::Split { big_endian } => {
                let entry = u64::from(self.sent.wrapping_sub(1) % self.rings.size);
                let order = Order { big_endian };
                order.read(bench, Width::L, self.rings.device + 8 + 8 * entry)?
            }
            Layout::Packed => {
                let at = self.slot(self.last);
                let found = bench.session.read_le(Width::W, at + 12)?;
                bench.check("identifier of the used buffer", found, IDENTIFIER.into())?;
                bench.session.read_le(Width::L, at + 8)?
            }
        };
        Ok((length & 0xffff_ffff) as u32)
    }
}

/// The byte order of a split queue.
#[derive(Debug, Clone, Copy)]
struct Order {
    big_endian: bool,
}

impl Order {
    fn bytes(self, width: Width, value: u64) -> Vec<u8> {
        let count = usize::from(width.bytes());
        if self.big_endian {
            value.to_be_bytes()[8 - count..].to_vec()
        } else {
            value.to_le_bytes()[..count].to_vec()
        }
    }

    fn read(self, bench: &mut Bench<'_>, width: Width, at: u64) -> Result<u64, Failure> {
        let value = bench.session.read_le(width, at)?;
        Ok(if self.big_endian {
            width.swapped(value)
        } else {
            value
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_ring_wraps_with_its_counter() {
        let check = |slot, wrap, count, expect: (u16, bool)| {
            let next = Position { slot, wrap }.after(count, 8);
            assert_eq!((next.slot, next.wrap), expect);
        };
        check(0, true, 3, (3, true));
        check(6, true, 2, (0, false));
        check(6, true, 3, (1, false));
        check(7, false, 8, (7, true));
    }

    #[test]
    fn legacy_numbers_have_guest_byte_order() {
        let check = |big_endian, width, expect: &[u8]| {
            assert_eq!(Order { big_endian }.bytes(width, 0x0102_0304), expect);
        };
        check(false, Width::W, &[4, 3]);
        check(true, Width::W, &[3, 4]);
        check(false, Width::L, &[4, 3, 2, 1]);
        check(true, Width::Q, &[0, 0, 0, 0, 1, 2, 3, 4]);
    }
}

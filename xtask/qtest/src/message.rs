//! Interrupts by messages, which are writes to an address (PCI Local Bus Specification 3.0, section
//! 6.8): MSI, and MSI-X with its table.
//!
//! A test chooses an address in RAM, where it finds the message without any interrupt controller.

use crate::bench::{Bench, Failure};
use crate::pci::{Bar, Capability, Function, MSI, MSI_X};
use crate::protocol::Width;

/// The offset of the control word in both capabilities.
const CONTROL: u16 = 2;

/// Control of MSI: enabled, and 64-bit addresses.
const MSI_ENABLE: u32 = 1;
const MSI_WIDE: u32 = 1 << 7;

/// Control of MSI-X: enabled, all messages masked, and the number of entries less one.
const ENABLE: u32 = 1 << 15;
const MASK_ALL: u32 = 1 << 14;
const ENTRIES: u32 = 0x7ff;
/// Where the table and the pending bits are: an offset with the number of a base address register.
const TABLE: u16 = 4;
const PENDING: u16 = 8;
const BAR_NUMBER: u32 = 0b111;
/// The bytes of an entry, and its fields.
const ENTRY: u64 = 16;
const DATA: u64 = 8;
const VECTOR_CONTROL: u64 = 12;
const MASKED: u64 = 1;

/// The table of messages of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MsiX {
    function: Function,
    at: u16,
    /// The number of its entries.
    pub entries: u32,
    table: (Bar, u64),
    pending: (Bar, u64),
}

impl MsiX {
    /// Finds the table of a function, and enables MSI-X. All entries are masked.
    pub fn enable(bench: &mut Bench<'_>, function: Function) -> Result<Self, Failure> {
        let at = capability(bench, function, MSI_X)?;
        let at = at.ok_or_else(|| Failure::Missing("MSI-X".to_owned()))?.at;
        let table = structure(bench, function, at + TABLE)?;
        let pending = structure(bench, function, at + PENDING)?;
        let control = bench.config(function, Width::W, at + CONTROL)?;
        bench.set_config(function, Width::W, at + CONTROL, control | ENABLE)?;
        Ok(Self {
            function,
            at,
            entries: (control & ENTRIES) + 1,
            table,
            pending,
        })
    }

    /// Sets a message, and unmasks it.
    pub fn set(
        &self,
        bench: &mut Bench<'_>,
        vector: u16,
        address: u64,
        data: u32,
    ) -> Result<(), Failure> {
        let (bar, start) = self.entry(bench, vector)?;
        bench.write(bar, Width::L, start, address & 0xffff_ffff)?;
        bench.write(bar, Width::L, start + 4, address >> 32)?;
        bench.write(bar, Width::L, start + DATA, data.into())?;
        self.mask(bench, vector, false)
    }

    /// The data of a message.
    pub fn data(&self, bench: &mut Bench<'_>, vector: u16) -> Result<u64, Failure> {
        let (bar, start) = self.entry(bench, vector)?;
        bench.read(bar, Width::L, start + DATA)
    }

    /// Whether a message is masked.
    pub fn is_masked(&self, bench: &mut Bench<'_>, vector: u16) -> Result<bool, Failure> {
        let (bar, start) = self.entry(bench, vector)?;
        Ok(bench.read(bar, Width::L, start + VECTOR_CONTROL)? & MASKED != 0)
    }

    /// Masks or unmasks a message.
    pub fn mask(&self, bench: &mut Bench<'_>, vector: u16, masked: bool) -> Result<(), Failure> {
        let (bar, start) = self.entry(bench, vector)?;
        bench.write(bar, Width::L, start + VECTOR_CONTROL, masked.into())
    }

    /// Masks or unmasks the whole function.
    pub fn mask_all(&self, bench: &mut Bench<'_>, masked: bool) -> Result<(), Failure> {
        let control = bench.config(self.function, Width::W, self.at + CONTROL)?;
        let control = if masked {
            control | MASK_ALL
        } else {
            control & !MASK_ALL
        };
        bench.set_config(self.function, Width::W, self.at + CONTROL, control)
    }

    /// Whether a message waits until it is unmasked.
    pub fn is_pending(&self, bench: &mut Bench<'_>, vector: u16) -> Result<bool, Failure> {
        let (bar, start) = self.pending;
        let word = bench.read(bar, Width::L, start + 4 * u64::from(vector / 32))?;
        Ok(word >> (vector % 32) & 1 != 0)
    }

    fn entry(&self, bench: &Bench<'_>, vector: u16) -> Result<(Bar, u64), Failure> {
        let exists = u32::from(vector) < self.entries;
        bench.check(format!("message {vector} exists"), exists, true)?;
        let (bar, start) = self.table;
        Ok((bar, start + ENTRY * u64::from(vector)))
    }
}

impl Bench<'_> {
    /// Enables MSI: writes of `data` to an address.
    pub fn enable_msi(
        &mut self,
        function: Function,
        address: u64,
        data: u16,
    ) -> Result<(), Failure> {
        let at = capability(self, function, MSI)?;
        let at = at.ok_or_else(|| Failure::Missing("MSI".to_owned()))?.at;
        let control = self.config(function, Width::W, at + CONTROL)?;
        self.set_config(function, Width::L, at + 4, (address & 0xffff_ffff) as u32)?;
        let at_data = if control & MSI_WIDE == 0 {
            at + 8
        } else {
            self.set_config(function, Width::L, at + 8, (address >> 32) as u32)?;
            at + 12
        };
        self.set_config(function, Width::W, at_data, data.into())?;
        self.set_config(function, Width::W, at + CONTROL, control | MSI_ENABLE)
    }

    /// Whether MSI-X is enabled.
    pub fn has_msi_x(&mut self, function: Function) -> Result<bool, Failure> {
        match capability(self, function, MSI_X)? {
            None => Ok(false),
            Some(it) => Ok(self.config(function, Width::W, it.at + CONTROL)? & ENABLE != 0),
        }
    }
}

fn capability(
    bench: &mut Bench<'_>,
    function: Function,
    id: u8,
) -> Result<Option<Capability>, Failure> {
    let (session, pci) = bench.pci()?;
    let found = pci.capabilities(session, function)?;
    Ok(found.into_iter().find(|it| it.id == id))
}

/// Reads a reference to a structure in a base address register.
fn structure(bench: &mut Bench<'_>, function: Function, at: u16) -> Result<(Bar, u64), Failure> {
    let reference = bench.config(function, Width::L, at)?;
    let bar = bench.map(function, (reference & BAR_NUMBER) as u8)?;
    Ok((bar, u64::from(reference & !BAR_NUMBER)))
}

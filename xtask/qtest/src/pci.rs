//! PCI on any machine: configuration space, base address registers, capabilities.
//!
//! Registers are those of the PCI Local Bus Specification 3.0, chapter 6. Tests use it through `bench`.

mod host;

use crate::error::QtestError;
use crate::protocol::Width;
use crate::session::Session;

pub use host::{HostError, Pci, device_tree};

/// Offsets in configuration space.
pub mod register {
    /// Vendor and device.
    pub const ID: u16 = 0x00;
    /// Enabled kinds of accesses.
    pub const COMMAND: u16 = 0x04;
    /// Status bits.
    pub const STATUS: u16 = 0x06;
    /// Revision, programming interface, class.
    pub const CLASS: u16 = 0x08;
    /// The layout of the header. Bit 7 marks a device with several functions.
    pub const HEADER_TYPE: u16 = 0x0e;
    /// The first base address register.
    pub const BAR: u16 = 0x10;
    /// Vendor and device of the board.
    pub const SUBSYSTEM: u16 = 0x2c;
    /// The first capability.
    pub const CAPABILITIES: u16 = 0x34;
    /// The interrupt pin of the device, from 1.
    pub const INTERRUPT_PIN: u16 = 0x3d;
}

/// The capability of message-signalled interrupts (MSI).
pub const MSI: u8 = 0x05;
/// The capability of message-signalled interrupts from a table (MSI-X).
pub const MSI_X: u8 = 0x11;

/// Bits of the command register.
const COMMAND_ALL: u16 = 0b111;
/// Status: a list of capabilities exists.
const STATUS_CAPABILITIES: u16 = 1 << 4;
/// Header type: other functions exist.
const MULTI_FUNCTION: u8 = 1 << 7;
/// The maximum number of capabilities in the 192 bytes after the header.
const CAPABILITIES_MOST: usize = 48;

/// The address of a function of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    /// Bus.
    pub bus: u8,
    /// Device on the bus.
    pub device: u8,
    /// Function of the device.
    pub function: u8,
}

impl Function {
    /// Device and function in a byte.
    #[must_use]
    pub fn devfn(self) -> u8 {
        self.device << 3 | self.function
    }
}

/// A mapped base address register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// Its address for the processor.
    pub address: BarAddress,
    /// Its address on the bus, which the register contains.
    pub bus_address: u64,
    /// Its size in bytes.
    pub size: u64,
}

/// The address of a base address register for the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarAddress {
    /// I/O ports.
    Port(u16),
    /// Memory.
    Memory(u64),
}

impl Bar {
    /// Reads a little-endian number.
    pub fn read(&self, session: &mut Session, width: Width, at: u64) -> Result<u64, QtestError> {
        match self.address {
            BarAddress::Port(port) => session.port_in(width, offset(port, at)).map(u64::from),
            BarAddress::Memory(address) => session.read_le(width, address + at),
        }
    }

    /// Writes a little-endian number.
    pub fn write(
        &self,
        session: &mut Session,
        width: Width,
        at: u64,
        value: u64,
    ) -> Result<(), QtestError> {
        match self.address {
            BarAddress::Port(port) => {
                session.port_out(width, offset(port, at), (value & 0xffff_ffff) as u32)
            }
            BarAddress::Memory(address) => session.write_le(width, address + at, value),
        }
    }
}

fn offset(port: u16, at: u64) -> u16 {
    port.wrapping_add((at & 0xffff) as u16)
}

/// A capability of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// Its number, such as 5 for MSI.
    pub id: u8,
    /// Its offset in configuration space.
    pub at: u16,
}

impl Pci {
    /// All functions of the first bus.
    pub fn functions(&self, session: &mut Session) -> Result<Vec<Function>, QtestError> {
        let mut found = Vec::new();
        for device in 0..32 {
            for function in 0..8 {
                let function = Function {
                    bus: 0,
                    device,
                    function,
                };
                let id = self.read(session, function, Width::L, register::ID)?;
                if id & 0xffff != 0xffff {
                    found.push(function);
                }
                // A device without a function 0 does not exist.
                let first = function.function == 0;
                if first && (id & 0xffff == 0xffff || !self.is_multiple(session, function)?) {
                    break;
                }
            }
        }
        Ok(found)
    }

    fn is_multiple(&self, session: &mut Session, function: Function) -> Result<bool, QtestError> {
        let header = self.read(session, function, Width::B, register::HEADER_TYPE)?;
        Ok(header & u32::from(MULTI_FUNCTION) != 0)
    }

    /// The first function with this vendor and device.
    pub fn find(
        &self,
        session: &mut Session,
        vendor: u16,
        device: u16,
    ) -> Result<Option<Function>, QtestError> {
        let id = u32::from(device) << 16 | u32::from(vendor);
        for function in self.functions(session)? {
            if self.read(session, function, Width::L, register::ID)? == id {
                return Ok(Some(function));
            }
        }
        Ok(None)
    }

    /// Enables ports, memory and bus mastering of a function.
    pub fn enable(&self, session: &mut Session, function: Function) -> Result<(), QtestError> {
        let command = self.read(session, function, Width::W, register::COMMAND)?;
        let command = command | u32::from(COMMAND_ALL);
        self.write(session, function, Width::W, register::COMMAND, command)
    }

    /// The capabilities of a function, in the order of its list.
    pub fn capabilities(
        &self,
        session: &mut Session,
        function: Function,
    ) -> Result<Vec<Capability>, QtestError> {
        let status = self.read(session, function, Width::W, register::STATUS)?;
        let mut found = Vec::new();
        if status & u32::from(STATUS_CAPABILITIES) == 0 {
            return Ok(found);
        }
        let mut at = self.read(session, function, Width::B, register::CAPABILITIES)? & 0xfc;
        // The limit also ends a cyclic list.
        while at != 0 && found.len() < CAPABILITIES_MOST {
            let at_register = (at & 0xff) as u16;
            let header = self.read(session, function, Width::W, at_register)?;
            found.push(Capability {
                id: (header & 0xff) as u8,
                at: at_register,
            });
            at = header >> 8 & 0xfc;
        }
        Ok(found)
    }
}

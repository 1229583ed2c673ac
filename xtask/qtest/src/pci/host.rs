//! The PCI host of a machine: access to configuration space, and addresses for base address
//! registers.

use crate::error::QtestError;
use crate::fdt::{self, Node};
use crate::machine::{Machine, PciHost};
use crate::pci::{Bar, BarAddress, Function, register};
use crate::protocol::Width;
use crate::rtas;
use crate::session::Session;

/// The port that selects a register.
const ADDRESS_PORT: u16 = 0xcf8;
/// The port of the selected register.
const DATA_PORT: u16 = 0xcfc;
/// The largest device tree that QEMU makes.
const TREE_MOST: usize = 2 << 20;
/// A host bridge with memory-mapped configuration space.
const ECAM: &str = "pci-host-ecam-generic";
/// A host bridge that is accessed through the firmware.
const LOGICAL: &str = "IBM,Logical_PHB";

/// Why a machine has no PCI host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The communication with QEMU failed.
    #[error(transparent)]
    Qtest(#[from] QtestError),
    /// The machine's data does not mention PCI.
    #[error("the machine `{0}` has no PCI host")]
    None(String),
    /// The device tree is missing, or does not describe a supported host.
    #[error("expected a PCI host in the device tree at {address:#x}: {why}")]
    Tree {
        /// The expected address of the device tree.
        address: u64,
        /// What was found.
        why: &'static str,
    },
    /// A base address register is missing, or does not fit.
    #[error("base address register {index} of {function:?} {why}")]
    Bar {
        /// Number of the register.
        index: u8,
        /// The function.
        function: Function,
        /// The problem.
        why: &'static str,
    },
}

/// The PCI host of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pci {
    access: Access,
    memory: Window,
    io: Window,
    placed: Vec<(Function, u8, Bar)>,
}

/// How configuration space is accessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// With two I/O ports.
    Ports,
    /// Memory-mapped at this address.
    Ecam(u64),
    /// With firmware calls: the bridge's identifier, and the address for arguments.
    Firmware { bridge: u64, arguments: u64 },
}

/// A range of addresses for base address registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    /// The next free address on the bus.
    next: u64,
    /// The first address on the bus behind it.
    end: u64,
    /// The difference between an address for the processor and the one on the bus. `None` for
    /// ports.
    offset: Option<u64>,
}

impl Window {
    /// Allocates an address range for a register of this size.
    fn take(&mut self, size: u64) -> Option<u64> {
        let start = self.next.next_multiple_of(size.max(0x1000));
        let end = start.checked_add(size).filter(|end| *end <= self.end)?;
        self.next = end;
        Some(start)
    }
}

impl Pci {
    /// Finds the host of a machine. `scratch` is RAM for the arguments of firmware calls.
    pub fn of(session: &mut Session, machine: &Machine, scratch: u64) -> Result<Self, HostError> {
        match machine.pci {
            None => Err(HostError::None(machine.name.clone())),
            Some(PciHost::Ports { memory, io }) => Ok(Self {
                access: Access::Ports,
                memory: Window {
                    next: memory,
                    end: memory + (256 << 20),
                    offset: Some(0),
                },
                io: Window {
                    next: io,
                    end: 0x1_0000,
                    offset: None,
                },
                placed: Vec::new(),
            }),
            Some(PciHost::DeviceTree { address }) => {
                let refused = |why| HostError::Tree { address, why };
                let nodes = device_tree(session, machine)?;
                Self::from_tree(&nodes, scratch).map_err(refused)
            }
        }
    }

    /// Reads the host from the nodes of a device tree.
    fn from_tree(nodes: &[Node], scratch: u64) -> Result<Self, &'static str> {
        let is_host = |node: &&Node| node.is_compatible(ECAM) || node.is_compatible(LOGICAL);
        let node = nodes.iter().find(is_host).ok_or("no node of one")?;
        let reg = node.cells("reg");
        let [high, low, ..] = reg[..] else {
            return Err("its `reg` is too short");
        };
        let start = wide(high, low);
        let access = if node.is_compatible(ECAM) {
            Access::Ecam(start)
        } else {
            Access::Firmware {
                bridge: start,
                arguments: scratch,
            }
        };
        let (mut memory, mut io) = (None, None);
        // Child address (3 cells), parent address (2), size (2).
        for range in node.cells("ranges").chunks_exact(7) {
            let (bus, parent, size) = (
                wide(range[1], range[2]),
                wide(range[3], range[4]),
                wide(range[5], range[6]),
            );
            let window = Window {
                next: bus,
                end: bus.saturating_add(size),
                offset: Some(parent.wrapping_sub(bus)),
            };
            // Open Firmware's PCI bus binding: 1 is I/O space, 2 is memory of 32 bits.
            match range[0] >> 24 & 3 {
                1 => io = Some(window),
                2 => memory = Some(window),
                _ => {}
            }
        }
        Ok(Self {
            access,
            memory: memory.ok_or("no range of memory")?,
            io: io.ok_or("no range of ports")?,
            placed: Vec::new(),
        })
    }

    /// Reads a register of configuration space.
    pub fn read(
        &self,
        session: &mut Session,
        function: Function,
        width: Width,
        register: u16,
    ) -> Result<u32, QtestError> {
        match self.access {
            Access::Ports => {
                session.outl(ADDRESS_PORT, port_address(function, register))?;
                session.port_in(width, DATA_PORT + (register & 3))
            }
            Access::Ecam(base) => {
                let value = session.read_le(width, base + ecam(function, register))?;
                Ok((value & 0xffff_ffff) as u32)
            }
            Access::Firmware { bridge, arguments } => {
                let [high, low] = halves(bridge);
                let address = firmware_address(function, register);
                let input = [address, high, low, width.bytes().into()];
                let [status, value] =
                    rtas::call(session, "ibm,read-pci-config", arguments, &input)?;
                // For a missing function this call fails, whereas other hosts return ones.
                Ok(if status == 0 {
                    value
                } else {
                    u32::MAX >> (32 - 8 * width.bytes())
                })
            }
        }
    }

    /// Writes a register of configuration space.
    pub fn write(
        &self,
        session: &mut Session,
        function: Function,
        width: Width,
        register: u16,
        value: u32,
    ) -> Result<(), QtestError> {
        match self.access {
            Access::Ports => {
                session.outl(ADDRESS_PORT, port_address(function, register))?;
                session.port_out(width, DATA_PORT + (register & 3), value)
            }
            Access::Ecam(base) => {
                session.write_le(width, base + ecam(function, register), value.into())
            }
            Access::Firmware { bridge, arguments } => {
                let [high, low] = halves(bridge);
                let address = firmware_address(function, register);
                let input = [address, high, low, width.bytes().into(), value];
                rtas::call::<1>(session, "ibm,write-pci-config", arguments, &input).map(drop)
            }
        }
    }

    /// Calls a firmware function about a PCI function: its address and the bridge are followed by these arguments.
    /// `None` if the host is not accessed through the firmware.
    pub fn firmware<const N: usize>(
        &self,
        session: &mut Session,
        name: &str,
        function: Function,
        arguments: &[u32],
    ) -> Result<Option<[u32; N]>, QtestError> {
        let Access::Firmware {
            bridge,
            arguments: at,
        } = self.access
        else {
            return Ok(None);
        };
        let [high, low] = halves(bridge);
        let mut input = vec![firmware_address(function, 0), high, low];
        input.extend(arguments);
        rtas::call(session, name, at, &input).map(Some)
    }

    /// Determines the size of a base address register, maps it, and returns its address. One that
    /// was mapped before stays where it is.
    pub fn map(
        &mut self,
        session: &mut Session,
        function: Function,
        index: u8,
    ) -> Result<Bar, HostError> {
        let refused = |why| HostError::Bar {
            index,
            function,
            why,
        };
        let is_same = |it: &&(Function, u8, Bar)| (it.0, it.1) == (function, index);
        if let Some((.., bar)) = self.placed.iter().find(is_same) {
            return Ok(*bar);
        }
        let at = register::BAR + 4 * u16::from(index);
        let (is_port, is_wide, size) = self.size(session, function, at)?;
        if size == 0 {
            return Err(refused("is not there"));
        }
        let window = if is_port {
            &mut self.io
        } else {
            &mut self.memory
        };
        let bus = window.take(size).ok_or(refused("does not fit"))?;
        let offset = window.offset;
        self.write(session, function, Width::L, at, (bus & 0xffff_ffff) as u32)?;
        if is_wide {
            self.write(session, function, Width::L, at + 4, (bus >> 32) as u32)?;
        }
        let address = match offset {
            None => BarAddress::Port((bus & 0xffff) as u16),
            Some(offset) => BarAddress::Memory(bus.wrapping_add(offset)),
        };
        let bar = Bar {
            address,
            bus_address: bus,
            size,
        };
        self.placed.push((function, index, bar));
        Ok(bar)
    }

    /// Whether a base address register is for ports, whether it has 64 bits, and its size, which is
    /// 0 for a missing one.
    pub fn size(
        &self,
        session: &mut Session,
        function: Function,
        at: u16,
    ) -> Result<(bool, bool, u64), QtestError> {
        let before = self.read(session, function, Width::L, at)?;
        self.write(session, function, Width::L, at, u32::MAX)?;
        let ones = self.read(session, function, Width::L, at)?;
        self.write(session, function, Width::L, at, before)?;
        let is_port = ones & 1 != 0;
        let mask = if is_port { !0x3 } else { !0xf };
        let size = u64::from((ones & mask).wrapping_neg());
        let size = if ones == 0 { 0 } else { size };
        Ok((is_port, !is_port && ones & 0b110 == 0b100, size))
    }
}

/// The nodes of the device tree that QEMU leaves in RAM.
pub fn device_tree(session: &mut Session, machine: &Machine) -> Result<Vec<Node>, HostError> {
    let Some(PciHost::DeviceTree { address }) = machine.pci else {
        return Err(HostError::None(machine.name.clone()));
    };
    let refused = |why| HostError::Tree { address, why };
    let header = session.read(address, fdt::HEADER)?;
    let size = fdt::used_size(&header).filter(|size| *size <= TREE_MOST);
    let size = size.ok_or(refused("no device tree"))?;
    let blob = session.read(address, size)?;
    fdt::nodes(&blob).ok_or(refused("the device tree is damaged"))
}

fn wide(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn halves(value: u64) -> [u32; 2] {
    [(value >> 32) as u32, (value & 0xffff_ffff) as u32]
}

fn port_address(function: Function, register: u16) -> u32 {
    1 << 31
        | u32::from(function.bus) << 16
        | u32::from(function.devfn()) << 8
        | u32::from(register & 0xfc)
}

fn ecam(function: Function, register: u16) -> u64 {
    u64::from(function.bus) << 20 | u64::from(function.devfn()) << 12 | u64::from(register & 0xfff)
}

/// The address format of `ibm,read-pci-config`: the register in bits 0 to 7, its higher bits in 28
/// to 31.
fn firmware_address(function: Function, register: u16) -> u32 {
    u32::from(register & 0xf00) << 20
        | u32::from(function.bus) << 16
        | u32::from(function.devfn()) << 8
        | u32::from(register & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_aligned_and_limited() {
        let mut window = Window {
            next: 0x1_0010,
            end: 0x4_0000,
            offset: None,
        };
        assert_eq!(window.take(0x10), Some(0x1_1000));
        assert_eq!(window.take(0x1_0000), Some(0x2_0000));
        assert_eq!(window.take(0x2_0000), None);
        assert_eq!(window.take(0x1_0000), Some(0x3_0000));
        assert_eq!(window.take(1), None);
    }

    #[test]
    fn register_address_is_right_for_each_access() {
        let function = Function {
            bus: 1,
            device: 2,
            function: 3,
        };
        assert_eq!(port_address(function, 0x3d), 0x8001_133c);
        assert_eq!(ecam(function, 0x13d), 0x11_313d);
        assert_eq!(firmware_address(function, 0x13d), 0x1001_133d);
    }
}

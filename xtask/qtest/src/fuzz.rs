//! Generates plausible traffic for a device from a seed.
//!
//! Each round maps and enables the device, and then mixes register accesses of every width,
//! descriptors in RAM, and repetitions of the last write.

use crate::bench::Failure;
use crate::crash::Ending;
use crate::error::QtestError;
use crate::machine::Machine;
use crate::pci::{Bar, BarAddress, Function, Pci, register};
use crate::protocol::{Width, write_command};
use crate::random::Random;
use crate::replay::judged;
use crate::session::{Session, Spec};

/// The device number of the fuzzed device on the first bus.
pub const SLOT: u8 = 4;
/// The vendor number of a missing function.
const NOTHING: u32 = 0xffff;
/// Number of base address registers of a function.
const BARS: u8 = 6;
/// The command register with ports, memory and bus mastering enabled.
const ENABLED: u32 = 0b111;
/// Size of the RAM for descriptors.
const ARENA: u64 = 0x1_0000;

/// The fuzzed device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    bars: Vec<Bar>,
    arena: u64,
    end_of_ram: u64,
}

impl Target {
    /// Finds the device in its slot and maps its base address registers. The commands of the
    /// session so far are the setup.
    pub fn find(session: &mut Session, machine: &Machine) -> Result<Self, Failure> {
        let mut pci = Pci::of(session, machine, machine.ram)?;
        let function = Function {
            bus: 0,
            device: SLOT,
            function: 0,
        };
        if pci.read(session, function, Width::L, register::ID)? & NOTHING == NOTHING {
            return Err(Failure::Missing(format!("a PCI device in slot {SLOT}")));
        }
        let mut bars = Vec::new();
        let mut index = 0;
        while index < BARS {
            let at = register::BAR + 4 * u16::from(index);
            let (_, is_wide, size) = pci.size(session, function, at)?;
            if size > 0 {
                bars.extend(pci.map(session, function, index).ok());
            }
            index += if is_wide { 2 } else { 1 };
        }
        pci.write(session, function, Width::W, register::COMMAND, ENABLED)?;
        Ok(Self {
            bars,
            arena: machine.ram + ARENA,
            end_of_ram: machine.ram_end,
        })
    }
}

/// The result of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Every command that was sent.
    pub commands: Vec<String>,
    /// How it ended.
    pub ending: Ending,
}

/// Starts QEMU and sends the traffic of a seed. Fails only in the setup.
pub fn round(
    spec: &Spec<'_>,
    machine: &Machine,
    seed: u64,
    length: usize,
) -> Result<Round, Failure> {
    let mut session = Session::start(spec)?;
    let target = Target::find(&mut session, machine)?;
    let mut ending = Ending::Survived;
    for command in Traffic::new(&target, seed).take(length) {
        match session.command(&command) {
            Ok(_) | Err(QtestError::Refused { .. }) => {}
            Err(error) => {
                ending = judged(error, true)?;
                break;
            }
        }
    }
    // Some devices can request a shutdown.
    if matches!(ending, Ending::Exited { status: 0, .. }) {
        ending = Ending::Survived;
    }
    Ok(Round {
        commands: session.transcript().commands(),
        ending,
    })
}

/// Generates the commands of a seed.
pub struct Traffic<'a> {
    target: &'a Target,
    random: Random,
    last_write: Option<String>,
}

impl<'a> Traffic<'a> {
    /// The traffic of a seed.
    #[must_use]
    pub fn new(target: &'a Target, seed: u64) -> Self {
        Self {
            target,
            random: Random::new(seed),
            last_write: None,
        }
    }

    /// An address for a pointer in a register.
    fn address(&mut self) -> u64 {
        let target = self.target;
        match self.random.below(8) {
            0 if !target.bars.is_empty() => {
                let bar = target.bars[self.index(target.bars.len())];
                bar.bus_address + (self.random.below(bar.size) & !3)
            }
            1 => target.end_of_ram - self.random.below(64),
            2 => 0xffff_f000 | self.random.below(0x1000),
            3 => self.random.below(0x1_0000),
            _ => target.arena + (self.random.below(ARENA) & !15),
        }
    }

    /// A value for a register or a descriptor.
    fn value(&mut self) -> u64 {
        match self.random.below(8) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << self.random.below(32),
            3 => self.random.below(256),
            4 => self.random.next(),
            _ => self.address(),
        }
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.random.below(length as u64)).unwrap_or_default()
    }

    fn width(&mut self) -> Width {
        [Width::B, Width::W, Width::L, Width::L, Width::L, Width::Q][self.index(6)]
    }

    /// An access to a register of the device.
    fn register(&mut self) -> Option<String> {
        if self.target.bars.is_empty() {
            return None;
        }
        let bar = self.target.bars[self.index(self.target.bars.len())];
        // Most devices have their registers at the beginning.
        let most = if self.random.below(4) == 0 {
            bar.size
        } else {
            bar.size.min(0x200)
        };
        let offset = self.random.below(most) & !3;
        let is_write = self.random.below(4) != 0;
        let (width, value) = (self.width(), self.value());
        let command = match (bar.address, width) {
            (BarAddress::Port(port), width) => {
                let width = if width == Width::Q { Width::L } else { width };
                let port = u64::from(port) + offset;
                let value = value & 0xffff_ffff;
                if is_write {
                    format!("out{} {port:#x} {value:#x}", width.letter())
                } else {
                    format!("in{} {port:#x}", width.letter())
                }
            }
            (BarAddress::Memory(base), width) => {
                let address = base + offset;
                if is_write {
                    format!("write{} {address:#x} {value:#x}", width.letter())
                } else {
                    format!("read{} {address:#x}", width.letter())
                }
            }
        };
        if is_write {
            self.last_write = Some(command.clone());
        }
        Some(command)
    }

    /// Descriptors: addresses, lengths and flags in RAM.
    fn descriptors(&mut self) -> String {
        let count = 1 + self.random.below(8);
        let mut bytes = Vec::new();
        for _ in 0..count {
            bytes.extend(self.address().to_le_bytes());
            let length = [0, 1, 0x10, 0x1000, 0xffff, 0xffff_ffff][self.index(6)];
            bytes.extend(u32::to_le_bytes(length));
            bytes.extend(&self.random.next().to_le_bytes()[..4]);
        }
        let at = self.target.arena + (self.random.below(ARENA / 2) & !15);
        write_command(at, &bytes)
    }
}

impl Iterator for Traffic<'_> {
    type Item = String;

    /// The next command. The sequence is endless.
    fn next(&mut self) -> Option<String> {
        let choice = self.random.below(16);
        let command = match choice {
            0..=3 => Some(self.descriptors()),
            4 => self.last_write.clone(),
            _ => self.register(),
        };
        command.or_else(|| Some(self.descriptors()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            bars: vec![
                Bar {
                    address: BarAddress::Memory(0x2000_0000_1000),
                    bus_address: 0x1000,
                    size: 0x100,
                },
                Bar {
                    address: BarAddress::Port(0xc000),
                    bus_address: 0xc000,
                    size: 0x20,
                },
            ],
            arena: 0x10_0000,
            end_of_ram: 0x80_0000,
        }
    }

    #[test]
    fn seed_decides_the_traffic() {
        let target = target();
        let round = |seed| Traffic::new(&target, seed).take(200).collect::<Vec<_>>();
        assert_eq!(round(7), round(7));
        assert_ne!(round(7), round(8));
    }

    #[test]
    fn traffic_reaches_every_part_of_the_device() {
        let target = target();
        let round: Vec<String> = Traffic::new(&target, 1).take(2000).collect();
        for part in [
            "write 0x10",
            "writel 0x20000000",
            "readl 0x20000000",
            "outl 0xc0",
            "inb 0xc0",
        ] {
            let found = round.iter().any(|command| command.starts_with(part));
            assert!(found, "no `{part}`");
        }
        let twice = round
            .windows(2)
            .any(|pair| pair[0] == pair[1] && pair[0].starts_with("writel"));
        assert!(twice, "no doorbell was rung twice");
    }
}

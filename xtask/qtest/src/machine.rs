//! Machines as data: the features that device tests need, and their addresses. Pure.

use serde::Deserialize;

use crate::memory::Layout;

/// A machine of a QEMU binary for device tests.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The architecture, as in `images/<arch>.toml`.
    pub arch: String,
    /// The name in the syntax of `-machine`.
    pub name: String,
    /// The features that tests may need: `pci`, `isa`, or the name of a device of the machine.
    pub provides: Vec<String>,
    /// The size of its memory in the syntax of `-m`.
    pub memory: String,
    /// The address of the first byte of RAM.
    #[serde(default, rename = "ram-start")]
    pub ram_start: u64,
    /// The first address of 32 MiB of RAM without firmware or device tree.
    pub ram: u64,
    /// The first address after RAM.
    #[serde(rename = "ram-end")]
    pub ram_end: u64,
    /// Whether QEMU can map a file as its RAM.
    #[serde(default = "yes", rename = "shared-ram")]
    pub shared_ram: bool,
    /// Its PCI host.
    #[serde(default)]
    pub pci: Option<PciHost>,
    /// Its slots for virtio devices over memory-mapped registers.
    #[serde(default, rename = "virtio-mmio")]
    pub virtio_mmio: Option<Slots>,
    /// Addresses and numbers of its own devices, by name.
    #[serde(default)]
    pub at: std::collections::BTreeMap<String, u64>,
}

/// How to access PCI configuration space, and the addresses for base address registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(
    tag = "found-by",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum PciHost {
    /// With the ports 0xcf8 and 0xcfc. These numbers are the free addresses.
    Ports {
        /// First address for memory BARs.
        memory: u64,
        /// First port for I/O BARs.
        io: u64,
    },
    /// From the device tree that QEMU leaves in RAM: through memory (ECAM) or the firmware (RTAS).
    DeviceTree {
        /// The address of the device tree.
        address: u64,
    },
}

/// Slots for devices, at equal distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slots {
    /// The address of the first one.
    pub address: u64,
    /// The size of each.
    pub size: u64,
    /// Their number.
    pub count: u64,
}

fn yes() -> bool {
    true
}

/// The file of machines.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    machine: Vec<Machine>,
}

/// Why a file of machines is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to read the machines of device tests: {0}")]
pub struct MachineError(String);

/// Parses a file of machines.
pub fn read(text: &str) -> Result<Vec<Machine>, MachineError> {
    toml::from_str::<File>(text)
        .map(|file| file.machine)
        .map_err(|error| MachineError(error.to_string().trim().replace('\n', " ")))
}

impl Machine {
    /// Whether it has all of these features.
    #[must_use]
    pub fn provides(&self, needs: &[&str]) -> bool {
        needs
            .iter()
            .all(|need| self.provides.iter().any(|provided| provided == need))
    }

    /// Its RAM, for a session that shares it with QEMU.
    #[must_use]
    pub fn layout(&self) -> Option<Layout> {
        self.shared_ram.then(|| Layout {
            start: self.ram_start,
            size: self.ram_end - self.ram_start,
            plain: self.ram..self.ram_end,
        })
    }

    /// QEMU's options for it.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        ["-machine", &self.name, "-m", &self.memory]
            .map(str::to_owned)
            .to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_read_or_refused() {
        let good = "[[machine]]\narch = \"x\"\nname = \"m\"\nprovides = [\"pci\", \"isa\"]\nmemory = \"128M\"\n\
                    ram = 0x100000\nram-end = 0x8000000\npci = { found-by = \"device-tree\", address = 0x40 }\n";
        let machines = read(good).unwrap();
        let machine = &machines[0];
        assert_eq!(machine.pci, Some(PciHost::DeviceTree { address: 0x40 }));
        assert!(machine.provides(&["isa"]) && machine.provides(&[]));
        assert!(!machine.provides(&["isa", "rtc"]));
        let check = |from: &str, to: &str, expect: &str| {
            let error = read(&good.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check("arch", "arhc", "unknown field `arhc`");
        check("device-tree", "magic", "unknown variant `magic`");
        check("ram = 0x100000\n", "", "missing field `ram`");
    }
}

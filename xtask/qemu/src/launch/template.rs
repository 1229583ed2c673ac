//! The launches of a template: a guest of the bare machine that is saved once, and the guests of
//! tests that are restored from it.
//!
//! QEMU maps the memory of the saved guest from a shared file. A restored guest maps the file
//! privately, so that pages are copied only when they are written (QEMU: migration capability
//! `x-ignore-shared`).

use camino::Utf8Path;

use super::ram_file::{Mapping, RamFile};
use super::resolved::{Launch, Start};
use crate::facts::Facts;

/// The name of the memory if QEMU does not report the machine's own name for it.
const DEFAULT_RAM: &str = "kiln.ram";

impl Launch {
    /// The same machine without the devices of the test and with its memory in a file: the guest to
    /// save. `None` if `-m` is more than a size.
    #[must_use]
    pub fn bare(&self, facts: &Facts, ram: &Utf8Path) -> Option<Self> {
        Some(Self {
            start: Start::Boot,
            devices: Vec::new(),
            reboot_allowed: false,
            name: None,
            ram: Some(self.ram_file(facts, ram, Mapping::Shared)?),
            ..self.clone()
        })
    }

    /// The same launch for a QEMU into which a saved guest is loaded.
    #[must_use]
    pub fn restored(&self, facts: &Facts, ram: &Utf8Path) -> Option<Self> {
        Some(Self {
            start: Start::Incoming {
                from: vec!["defer".to_owned()],
                paused: true,
            },
            ram: Some(self.ram_file(facts, ram, Mapping::Private)?),
            ..self.clone()
        })
    }

    fn ram_file(&self, facts: &Facts, path: &Utf8Path, mapping: Mapping) -> Option<RamFile> {
        let name = self.machine.machine.split(',').next().unwrap_or_default();
        let machine = facts.machines.get(name);
        let id = machine.and_then(|machine| machine.ram.clone());
        Some(RamFile {
            id: id.unwrap_or_else(|| DEFAULT_RAM.to_owned()),
            path: path.to_owned(),
            size: bytes(&self.machine.memory)?,
            mapping,
        })
    }
}

/// The value of `-m` in bytes. The default unit is mebibytes. `None` for anything but a size.
fn bytes(memory: &str) -> Option<u64> {
    if memory.bytes().all(|byte| byte.is_ascii_digit()) {
        return memory.parse::<u64>().ok()?.checked_mul(1 << 20);
    }
    plan::size::parse(memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_a_plain_size_or_nothing() {
        let check = |memory: &str, expect: Option<u64>| {
            assert_eq!(bytes(memory), expect, "{memory}");
        };
        check("256M", Some(256 << 20));
        check("1G", Some(1 << 30));
        check("512", Some(512 << 20));
        check("1G,slots=2,maxmem=4G", None);
        check("", None);
    }
}

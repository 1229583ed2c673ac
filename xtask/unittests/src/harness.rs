//! How the `run` script of a test directory starts QEMU: `data/kvm-unit-tests.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Written from the scripts of the revision that the file names.
const DATA: &str = include_str!("../data/kvm-unit-tests.toml");

/// The behaviour of the `run` script of a test directory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Harness {
    /// The source of the guest's status.
    pub status: Status,
    /// Devices that every test requires.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Arguments before the kernel.
    pub args: Vec<Arguments>,
    /// How a program for EFI firmware is started.
    pub efi: Option<Efi>,
}

/// How a program for EFI firmware is started, in addition to the arguments before the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Efi {
    /// The firmware, if `config.mak` does not set `EFI_UEFI`.
    pub firmware: String,
    /// The path of the program in the boot disk.
    pub program: String,
    /// Arguments before those of the test.
    pub before: String,
    /// Arguments after them.
    pub after: String,
}

/// The source of a guest's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// In the exit status of QEMU.
    Exit,
    /// In a printed line, `EXIT: STATUS=…`.
    Printed,
}

/// A group of arguments.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The words.
    pub text: String,
    /// A condition.
    pub when: Option<String>,
    /// A required device.
    pub device: Option<String>,
}

impl Status {
    /// The name in the data, and in exported scripts.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::Printed => "printed",
        }
    }
}

impl Harness {
    /// The behaviour for a test directory.
    #[must_use]
    pub fn of(directory: &str) -> Option<Self> {
        let mut all: BTreeMap<String, Self> = toml::from_str(DATA).ok()?;
        all.remove(directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::{Scope, condition, words};

    #[test]
    fn every_text_and_condition_can_be_read() {
        let all: BTreeMap<String, Harness> = toml::from_str(DATA).unwrap();
        assert!(all.len() >= 4);
        let scope = Scope {
            variables: &BTreeMap::new(),
            now: 0,
        };
        for arguments in all.values().flat_map(|harness| &harness.args) {
            assert!(!words(&arguments.text, scope).unwrap().is_empty());
            if let Some(when) = &arguments.when {
                condition::holds(when, scope).unwrap();
            }
        }
    }
}

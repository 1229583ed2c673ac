//! How the `run` script of a test directory starts QEMU: `data/kvm-unit-tests.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The scripts of the revision that the data was written from.
const DATA: &str = include_str!("../../data/kvm-unit-tests.toml");

/// What the `run` script of a test directory does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Harness {
    /// Where the status of the guest is.
    pub status: Status,
    /// Devices without which no test runs.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Arguments before the kernel.
    pub args: Vec<Arguments>,
}

/// Where the status of a guest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// In the exit status of QEMU.
    Exit,
    /// In a printed line, `EXIT: STATUS=…`.
    Printed,
}

/// Some arguments.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The words.
    pub text: String,
    /// A condition.
    pub when: Option<String>,
    /// A device that QEMU must have.
    pub device: Option<String>,
}

impl Harness {
    /// That of a test directory.
    #[must_use]
    pub fn of(directory: &str) -> Option<Self> {
        let mut all: BTreeMap<String, Self> = toml::from_str(DATA).ok()?;
        all.remove(directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::{Scope, condition, words};

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

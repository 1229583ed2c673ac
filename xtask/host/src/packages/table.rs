//! The table of `data/packages.toml`: which packages contain a tool, and how a manager installs them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

/// A supported package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Manager {
    /// Debian, Ubuntu.
    Apt,
    /// Fedora, RHEL.
    Dnf,
    /// Arch.
    Pacman,
    /// openSUSE.
    Zypper,
    /// Alpine.
    Apk,
}

/// The command line of a package manager.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Commands {
    /// The manager is installed if this program is on PATH.
    pub(super) program: String,
    /// `ID` or `ID_LIKE` of os-release.
    pub(super) systems: Vec<String>,
    /// Updates the package lists, if that is a separate command.
    #[serde(default)]
    pub(super) refresh: Vec<String>,
    /// The install command, to which packages are appended.
    pub(super) install: Vec<String>,
}

/// Packages that together contain a tool.
pub(super) type PackageSet = Vec<String>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    /// The tool is one of these files instead of a program.
    #[serde(default)]
    file: Vec<String>,
    /// Further programs in the same packages.
    #[serde(default)]
    also: Vec<String>,
    #[serde(default)]
    apt: Vec<String>,
    #[serde(default)]
    dnf: Vec<String>,
    #[serde(default)]
    pacman: Vec<String>,
    #[serde(default)]
    zypper: Vec<String>,
    #[serde(default)]
    apk: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    managers: BTreeMap<Manager, Commands>,
    tools: BTreeMap<String, Tool>,
}

impl Table {
    /// The built-in table.
    pub(super) fn get() -> &'static Self {
        static TABLE: OnceLock<Table> = OnceLock::new();
        // The test `built_in_table_covers_every_tool` shows that it parses.
        TABLE.get_or_init(|| Self::parse().unwrap_or_default())
    }

    fn parse() -> Result<Self, toml::de::Error> {
        toml::from_str(include_str!("../../data/packages.toml"))
    }

    pub(super) fn commands(&self, manager: Manager) -> Option<&Commands> {
        self.managers.get(&manager)
    }

    pub(super) fn managers(&self) -> impl Iterator<Item = (Manager, &Commands)> {
        self.managers
            .iter()
            .map(|(manager, commands)| (*manager, commands))
    }

    /// The files of which one is required, if the tool is not a program.
    pub(super) fn files(&self, tool: &str) -> &[String] {
        self.tool(tool).map_or(&[], |tool| &tool.file)
    }

    fn tool(&self, name: &str) -> Option<&Tool> {
        let companion = || {
            let mut tools = self.tools.values();
            tools.find(|tool| tool.also.iter().any(|also| also == name))
        };
        self.tools.get(name).or_else(companion)
    }

    /// The package sets that contain the tool, best first. Never empty.
    pub(super) fn alternatives(&self, tool: &str, manager: Manager) -> Vec<PackageSet> {
        let listed = self.tool(tool).map(|entry| match manager {
            Manager::Apt => &entry.apt,
            Manager::Dnf => &entry.dnf,
            Manager::Pacman => &entry.pacman,
            Manager::Zypper => &entry.zypper,
            Manager::Apk => &entry.apk,
        });
        match listed {
            Some(sets) if !sets.is_empty() => sets
                .iter()
                .map(|set| set.split(' ').map(str::to_owned).collect())
                .collect(),
            _ => vec![vec![tool.to_owned()]],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_table_covers_every_tool() {
        let table = Table::parse().expect("valid");
        assert_eq!(table.managers.len(), 5);
        for (name, tool) in &table.tools {
            for sets in [&tool.apt, &tool.dnf, &tool.pacman, &tool.zypper, &tool.apk] {
                assert!(!sets.is_empty(), "`{name}` lacks a manager");
            }
            for also in &tool.also {
                assert!(!table.tools.contains_key(also), "`{also}` occurs twice");
            }
        }
    }

    #[test]
    fn unlisted_tool_uses_its_own_name() {
        let check = |tool: &str, manager: Manager, expect: &[&[&str]]| {
            assert_eq!(Table::get().alternatives(tool, manager), expect, "{tool}");
        };
        check("flex", Manager::Apt, &[&["flex"]]);
        check("cc", Manager::Apt, &[&["gcc", "libc6-dev"]]);
        check("objdump", Manager::Apk, &[&["binutils"]]);
        check(
            "qemu-system-riscv64",
            Manager::Apt,
            &[&["qemu-system-riscv"], &["qemu-system-misc"]],
        );
        check("shellcheck", Manager::Zypper, &[&["ShellCheck"]]);
    }
}

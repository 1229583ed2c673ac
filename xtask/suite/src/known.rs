//! The names in released QEMUs: devices, machines, network backends and CPU models.
//!
//! A test is skipped if the available QEMU lacks something that it requires. A misspelt name would
//! be skipped with every QEMU, so [`crate::header`] refuses a name that no QEMU in
//! `data/qemu-names.txt` has. The example `qemu-names` adds the names of given binaries to that
//! file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::OnceLock;

use qemu::{Facts, Version};

/// The kind of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A CPU model.
    Cpu,
    /// A device type, or an alias that `-device` takes.
    Device,
    /// A machine type or an alias of one.
    Machine,
    /// A network backend.
    Netdev,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Cpu, Self::Device, Self::Machine, Self::Netdev];

    /// The kind's keyword in the file.
    fn keyword(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Device => "device",
            Self::Machine => "machine",
            Self::Netdev => "netdev",
        }
    }

    /// The kind in messages.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Cpu => "CPU model",
            Self::Device => "device",
            Self::Machine => "machine",
            Self::Netdev => "network backend",
        }
    }
}

/// A QEMU release, by its first two numbers.
type Release = (u32, u32);

/// A third number of at least this value marks the development version of the next release.
const DEVELOPMENT: u32 = 50;

/// The names, and the releases that have them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownNames {
    releases: BTreeSet<Release>,
    names: BTreeMap<(Kind, String), BTreeSet<Release>>,
}

/// A malformed line of the file.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: expected `KIND NAME [RELEASE...]`, found `{text}`")]
pub struct NamesError {
    line: usize,
    text: String,
}

impl KnownNames {
    /// The committed names.
    pub fn committed() -> &'static Self {
        static NAMES: OnceLock<KnownNames> = OnceLock::new();
        // Errors are ignored here, because a test parses the file. Without names, all are accepted.
        NAMES
            .get_or_init(|| Self::parse(include_str!("../data/qemu-names.txt")).unwrap_or_default())
    }

    /// Parses the file: `releases A B...`, then one line per name, followed by the releases that
    /// have it unless all have.
    pub fn parse(text: &str) -> Result<Self, NamesError> {
        let mut known = Self::default();
        for (index, text) in text.lines().enumerate() {
            let wrong = || NamesError {
                line: index + 1,
                text: text.to_owned(),
            };
            let mut words = text.split_whitespace();
            let Some(keyword) = words.next().filter(|word| !word.starts_with('#')) else {
                continue;
            };
            if keyword == "releases" {
                known.releases = words
                    .map(release)
                    .collect::<Option<_>>()
                    .ok_or_else(wrong)?;
                continue;
            }
            let kind = Kind::ALL.into_iter().find(|kind| kind.keyword() == keyword);
            let (Some(kind), Some(name)) = (kind, words.next()) else {
                return Err(wrong());
            };
            let listed: BTreeSet<_> = words
                .map(release)
                .collect::<Option<_>>()
                .ok_or_else(wrong)?;
            if !listed.is_subset(&known.releases) {
                return Err(wrong());
            }
            let having = if listed.is_empty() {
                known.releases.clone()
            } else {
                listed
            };
            known.names.insert((kind, name.to_owned()), having);
        }
        Ok(known)
    }

    /// The file's text.
    #[must_use]
    pub fn render(&self) -> String {
        let releases = |of: &BTreeSet<Release>| {
            of.iter().fold(String::new(), |mut text, (major, minor)| {
                let _ = write!(text, " {major}.{minor}");
                text
            })
        };
        let mut text = format!("{HEAD}releases{}\n", releases(&self.releases));
        for ((kind, name), having) in &self.names {
            text.push_str(kind.keyword());
            text.push(' ');
            text.push_str(name);
            if *having != self.releases {
                text.push_str(&releases(having));
            }
            text.push('\n');
        }
        text
    }

    /// Adds the names of a binary. Binaries of the same release for other architectures may follow.
    pub fn add(&mut self, facts: &Facts) {
        let release = (facts.version.major, facts.version.minor);
        self.releases.insert(release);
        let cpus = facts.cpus.iter().map(|cpu| (Kind::Cpu, &cpu.name));
        let devices = facts.devices.iter().map(|name| (Kind::Device, name));
        let machines = facts.machines.keys().map(|name| (Kind::Machine, name));
        let netdevs = facts.netdevs.iter().map(|name| (Kind::Netdev, name));
        for (kind, name) in cpus.chain(devices).chain(machines).chain(netdevs) {
            let having = self.names.entry((kind, name.clone())).or_default();
            having.insert(release);
        }
    }

    /// Whether a release has the name.
    #[must_use]
    pub fn has(&self, kind: Kind, name: &str) -> bool {
        self.names.is_empty() || self.names.contains_key(&(kind, name.to_owned()))
    }

    /// Whether a name in a release has this prefix.
    #[must_use]
    pub fn has_prefix(&self, kind: Kind, prefix: &str) -> bool {
        self.names.is_empty() || self.of(kind).any(|name| name.starts_with(prefix))
    }

    /// The name that was probably meant.
    #[must_use]
    pub fn nearest(&self, kind: Kind, name: &str) -> Option<&str> {
        plan::suggest::closest(name, self.of(kind))
    }

    /// Whether this QEMU is newer than all known releases.
    #[must_use]
    pub fn is_beyond(&self, version: Version) -> bool {
        let last = self.releases.last().copied();
        last.is_none_or(|(major, minor)| version >= Version::new(major, minor, DEVELOPMENT))
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &str> {
        let names = self.names.keys().filter(move |(of, _)| *of == kind);
        names.map(|(_, name)| name.as_str())
    }
}

fn release(text: &str) -> Option<Release> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The comment at the beginning of the file.
const HEAD: &str = "\
# Names of QEMU's CPU models, devices, machines and network backends, as its binaries list them. A name without releases
# is in all of them. Generated: cargo run -p suite --example qemu-names -- DIRECTORY-OR-BINARY...
";

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(version: Version, devices: &[&str]) -> Facts {
        Facts {
            version,
            devices: devices.iter().map(|name| (*name).to_owned()).collect(),
            ..Facts::default()
        }
    }

    #[test]
    fn names_are_listed_with_their_releases() {
        let mut known = KnownNames::default();
        known.add(&facts(Version::new(7, 2, 22), &["edu", "nvme"]));
        known.add(&facts(Version::new(7, 2, 22), &["spapr-rng"]));
        known.add(&facts(Version::new(10, 0, 2), &["edu", "igb", "spapr-rng"]));
        let text = known.render();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                "releases 7.2 10.0",
                "device edu",
                "device igb 10.0",
                "device nvme 7.2",
                "device spapr-rng",
            ]
        );
        assert_eq!(KnownNames::parse(&text), Ok(known));
    }

    #[test]
    fn wrong_lines_are_refused_with_their_number() {
        let check = |text: &str, line: usize| {
            let found = KnownNames::parse(text).unwrap_err();
            assert_eq!(found.line, line, "{text}");
        };
        check("releases 7.2\ngadget edu\n", 2);
        check("releases 7\n", 1);
        check("releases 7.2\ndevice\n", 2);
        check("releases 7.2\n# x\ndevice edu 8.2\n", 3);
    }

    #[test]
    fn committed_names_are_those_of_three_releases() {
        let text = include_str!("../data/qemu-names.txt");
        let known = KnownNames::parse(text).unwrap();
        assert_eq!(known.render(), text);
        let check = |kind, name: &str, expect: bool| {
            assert_eq!(known.has(kind, name), expect, "{name}");
        };
        check(Kind::Device, "virtio-blk-pci", true);
        check(Kind::Device, "virtio-blk", true);
        check(Kind::Device, "igb", true);
        check(Kind::Device, "virtio-blk-pcy", false);
        check(Kind::Machine, "pseries", true);
        check(Kind::Machine, "pc-q35-7.2", true);
        check(Kind::Netdev, "user", true);
        check(Kind::Netdev, "dgram", true);
        check(Kind::Cpu, "cortex-a57", true);
        assert!(known.has_prefix(Kind::Machine, "virt-"));
        assert!(!known.has_prefix(Kind::Machine, "vrit-"));
        let near = known.nearest(Kind::Device, "virtio-blk-pcy");
        assert_eq!(near, Some("virtio-blk-pci"));
        assert!(!known.is_beyond(Version::new(10, 0, 2)));
        assert!(known.is_beyond(Version::new(99, 0, 0)));
        assert!(known.releases.contains(&(7, 2)) && known.releases.len() >= 3);
    }
}

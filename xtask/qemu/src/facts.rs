//! What a QEMU binary can do, as plain data: asked once a binary by `probe`, cached by the caller.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::version::Version;

/// What one QEMU binary can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What it emulates, as QMP `query-target` names it: `x86_64`.
    pub target: String,
    /// Its version.
    pub version: Version,
    /// What its packager adds to the version, such as `Debian 1:10.0.2+ds-2`; may be empty.
    pub package: String,
    /// Names and aliases that `-device` takes.
    pub devices: BTreeSet<String>,
    /// The device types that `-device help` lists, by name.
    pub models: BTreeMap<String, DeviceFacts>,
    /// Machine types, by name and by alias.
    pub machines: BTreeMap<String, MachineFacts>,
    /// Kinds that `-netdev` takes; `user` is there only where the binary has slirp.
    pub netdevs: BTreeSet<String>,
    /// Accelerators compiled in: `tcg`, `kvm`, `qtest`, ...
    pub accels: BTreeSet<String>,
    /// CPU models, as its default accelerator can run them; see [`crate::probe::cpus`].
    pub cpus: Vec<CpuFacts>,
    /// Whether `-sandbox` works.
    pub seccomp: bool,
    /// What the binary could not be asked about without dying, with its last words. The answer is
    /// missing from the other fields; a machine is not in `machines`.
    #[serde(default)]
    pub unanswered: BTreeMap<String, String>,
}

/// The key of the devices in [`Facts::unanswered`].
pub(crate) const DEVICES_SUBJECT: &str = "its devices";

/// The key of a machine in [`Facts::unanswered`].
pub(crate) fn machine_subject(name: &str) -> String {
    format!("the machine `{name}`")
}

/// What is known of a machine type.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MachineFacts {
    /// Its own name: `pc-q35-10.0` for the alias `q35`.
    pub name: String,
    /// Whether QEMU calls it deprecated.
    pub deprecated: bool,
    /// The most processors it takes.
    pub cpus: u32,
    /// The id of its RAM backend, such as `pc.ram`.
    pub ram: Option<String>,
    /// Names that `-machine NAME,...` takes; absent where it was not asked for.
    pub properties: Option<BTreeSet<String>>,
}

/// What is known of a device type.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// The bus it is plugged into, such as `PCI`; absent where it needs none.
    pub bus: Option<String>,
    /// Another name that `-device` takes.
    pub alias: Option<String>,
}

/// What is known of a CPU model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CpuFacts {
    /// As `-cpu` takes it.
    pub name: String,
    /// Whether it is another name of a model that is listed too.
    pub alias: bool,
    /// Whether the accelerator has all its features.
    pub usable: bool,
    /// Whether QEMU calls it deprecated.
    pub deprecated: bool,
}

impl Facts {
    /// The version, with what the packager adds to it.
    #[must_use]
    pub fn full_version(&self) -> String {
        match self.package.trim() {
            "" => self.version.to_string(),
            package => format!("{} ({package})", self.version),
        }
    }

    /// Whether `-device name` can be given.
    #[must_use]
    pub fn has_device(&self, name: &str) -> bool {
        self.devices.contains(name)
    }

    /// The type that `-device name` makes: `virtio-blk-pci` for its alias `virtio-blk`.
    #[must_use]
    pub fn device_type<'a>(&'a self, name: &'a str) -> &'a str {
        let aliased = |model: &&String| self.models[*model].alias.as_deref() == Some(name);
        if self.models.contains_key(name) {
            return name;
        }
        self.models
            .keys()
            .find(aliased)
            .map_or(name, String::as_str)
    }

    /// Whether `-machine name` can be given.
    #[must_use]
    pub fn has_machine(&self, name: &str) -> bool {
        self.machines.contains_key(name)
    }

    /// How QEMU died when it was asked which devices it has, if it did.
    #[must_use]
    pub fn devices_failure(&self) -> Option<&str> {
        let why = self.unanswered.get(DEVICES_SUBJECT);
        why.filter(|_| self.models.is_empty()).map(String::as_str)
    }

    /// How QEMU died when it was asked about this machine, if it did.
    #[must_use]
    pub fn machine_failure(&self, name: &str) -> Option<&str> {
        let why = self.unanswered.get(&machine_subject(name));
        why.map(String::as_str)
    }

    /// Whether `-netdev kind` can be given.
    #[must_use]
    pub fn has_netdev(&self, kind: &str) -> bool {
        self.netdevs.contains(kind)
    }

    /// Whether the accelerator is compiled in; says nothing about whether it works here.
    #[must_use]
    pub fn has_accel(&self, name: &str) -> bool {
        self.accels.contains(name)
    }

    /// Whether the binary is `version` or newer.
    #[must_use]
    pub fn at_least(&self, version: Version) -> bool {
        self.version >= version
    }

    /// Whether `-machine name,property=...` can be given; `None` where it was not asked for.
    #[must_use]
    pub fn machine_has(&self, name: &str, property: &str) -> Option<bool> {
        let properties = self.machines.get(name)?.properties.as_ref()?;
        Some(properties.contains(property))
    }
}

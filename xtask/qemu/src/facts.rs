//! The capabilities of a QEMU binary as plain data. `probe` determines them once per binary, and
//! the caller caches them.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::version::Version;

/// The capabilities of a QEMU binary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The target, as in QMP `query-target`: `x86_64`.
    pub target: String,
    /// Its version.
    pub version: Version,
    /// The packager's addition to the version, such as `Debian 1:10.0.2+ds-2`, possibly empty.
    pub package: String,
    /// Names and aliases for `-device`.
    pub devices: BTreeSet<String>,
    /// The device types in `-device help`, by name.
    pub models: BTreeMap<String, DeviceFacts>,
    /// Machine types, by name and by alias.
    pub machines: BTreeMap<String, MachineFacts>,
    /// Kinds for `-netdev`. `user` is present only if the binary has slirp.
    pub netdevs: BTreeSet<String>,
    /// Built-in accelerators: `tcg`, `kvm`, `qtest`, ...
    pub accels: BTreeSet<String>,
    /// CPU models that the default accelerator supports. See [`crate::probe::cpus`].
    pub cpus: Vec<CpuFacts>,
    /// Whether `-sandbox` works.
    pub seccomp: bool,
    /// The directories in which it looks for firmware.
    pub data_directories: Vec<Utf8PathBuf>,
    /// Queries over which the binary exits, with its last message. Their answers are missing from
    /// the other fields. A machine is then missing from `machines`.
    #[serde(default)]
    pub unanswered: BTreeMap<String, String>,
}

/// The key of the devices in [`Facts::unanswered`].
pub(crate) const DEVICES_SUBJECT: &str = "its devices";

/// The key of a machine in [`Facts::unanswered`].
pub(crate) fn machine_subject(name: &str) -> String {
    format!("the machine `{name}`")
}

/// The facts about a machine type.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MachineFacts {
    /// Its own name: `pc-q35-10.0` for the alias `q35`.
    pub name: String,
    /// Whether it is deprecated.
    pub deprecated: bool,
    /// Its maximum number of processors.
    pub cpus: u32,
    /// The id of its RAM backend, such as `pc.ram`.
    pub ram: Option<String>,
    /// Properties of the machine, or `None` if they were not queried.
    pub properties: Option<BTreeSet<String>>,
}

/// The facts about a device type.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// The bus it is plugged into, such as `PCI`, or `None` without a bus.
    pub bus: Option<String>,
    /// An alias for `-device`.
    pub alias: Option<String>,
}

/// The facts about a CPU model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CpuFacts {
    /// The name in the syntax of `-cpu`.
    pub name: String,
    /// Whether it is an alias of another listed model.
    pub alias: bool,
    /// Whether the accelerator supports all its features.
    pub usable: bool,
    /// Whether it is deprecated.
    pub deprecated: bool,
}

impl Facts {
    /// The version with the packager's addition.
    #[must_use]
    pub fn full_version(&self) -> String {
        match self.package.trim() {
            "" => self.version.to_string(),
            package => format!("{} ({package})", self.version),
        }
    }

    /// Whether `-device name` is supported.
    #[must_use]
    pub fn has_device(&self, name: &str) -> bool {
        self.devices.contains(name)
    }

    /// The type behind `-device name`: `virtio-blk-pci` for its alias `virtio-blk`.
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

    /// Whether `-machine name` is supported.
    #[must_use]
    pub fn has_machine(&self, name: &str) -> bool {
        self.machines.contains_key(name)
    }

    /// How QEMU exited when it was queried for its devices, if it did.
    #[must_use]
    pub fn devices_failure(&self) -> Option<&str> {
        let why = self.unanswered.get(DEVICES_SUBJECT);
        why.filter(|_| self.models.is_empty()).map(String::as_str)
    }

    /// How QEMU exited when it was queried for this machine, if it did.
    #[must_use]
    pub fn machine_failure(&self, name: &str) -> Option<&str> {
        let why = self.unanswered.get(&machine_subject(name));
        why.map(String::as_str)
    }

    /// Whether `-netdev kind` is supported.
    #[must_use]
    pub fn has_netdev(&self, kind: &str) -> bool {
        self.netdevs.contains(kind)
    }

    /// Whether the accelerator is built in. It may still not work on this host.
    #[must_use]
    pub fn has_accel(&self, name: &str) -> bool {
        self.accels.contains(name)
    }

    /// Whether the binary is `version` or newer.
    #[must_use]
    pub fn at_least(&self, version: Version) -> bool {
        self.version >= version
    }

    /// Whether `-machine name,property=...` is supported, or `None` if the properties were not
    /// queried.
    #[must_use]
    pub fn machine_has(&self, name: &str, property: &str) -> Option<bool> {
        let properties = self.machines.get(name)?.properties.as_ref()?;
        Some(properties.contains(property))
    }
}

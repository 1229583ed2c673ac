//! The identity of the bare machine of a launch: with equal keys, a guest of one can continue on
//! the other.
//!
//! The key covers the arguments that describe the machine. It excludes files of the image, the
//! binary and descriptors. A cache that uses keys adds the digests of the files.

use std::fmt;

use plan::digest::Digest;

use super::resolved::{BareMachine, Launch};

/// The arguments of a bare machine, without files of the image and descriptors.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineKey(Vec<String>);

impl MachineKey {
    /// The key of a machine.
    #[must_use]
    pub fn of(machine: &BareMachine) -> Self {
        let pair = |option: &str, value: &str| [option.to_owned(), value.to_owned()];
        let mut arguments = machine.hardware_arguments();
        let kernel_line = machine.kernel_line(machine.channel_parameter());
        arguments.extend(pair("-append", &kernel_line));
        arguments.extend(machine.arguments.iter().cloned());
        if let Some(control) = &machine.control {
            arguments.extend(pair("-device", control));
        }
        for slot in &machine.slots {
            arguments.extend(pair("-device", slot));
        }
        arguments.extend(machine.options.iter().cloned());
        Self(arguments)
    }

    /// The arguments that define the machine.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        &self.0
    }

    /// The SHA-256 over all arguments.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // No process argument contains this byte.
        Digest::of(self.0.join("\0").as_bytes())
    }
}

impl Launch {
    /// The key of its bare machine.
    #[must_use]
    pub fn key(&self) -> MachineKey {
        MachineKey::of(&self.machine)
    }
}

impl fmt::Display for MachineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&host::process::command::quote_line(&self.0))
    }
}

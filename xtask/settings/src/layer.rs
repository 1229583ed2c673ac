//! The values of one layer (the flags, the environment, or a table of a file), each with its
//! origin, and the combination of layers.

use std::collections::BTreeMap;
use std::fmt;

use camino::Utf8PathBuf;
use plan::arch::MachineProfile;

/// The origin of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag, such as `--retries`.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// A file.
    File(Location),
}

/// A line of a settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file's name in messages.
    pub path: Utf8PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// The profile that the line belongs to.
    pub profile: Option<String>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)?;
        match &self.profile {
            Some(profile) => write!(f, " (profile {profile})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::File(location) => location.fmt(f),
        }
    }
}

/// A value and its origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// The origin.
    pub origin: Origin,
}

impl<T> Setting<T> {
    /// The value of a flag, if it was given.
    pub fn of_flag(name: &'static str, value: Option<T>) -> Option<Self> {
        let origin = Origin::Flag(name);
        value.map(|value| Self { value, origin })
    }

    /// The value of an environment variable, if it is set.
    pub fn of_variable(name: &'static str, value: Option<T>) -> Option<Self> {
        let origin = Origin::Variable(name);
        value.map(|value| Self { value, origin })
    }
}

/// The values of a layer. Lower layers provide the absent ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layer {
    /// Default architectures.
    pub arch: Option<Setting<Vec<String>>>,
    /// QEMU build directory or binary.
    pub qemu: Option<Setting<Utf8PathBuf>>,
    /// The variant of the machines.
    pub machines: Option<Setting<MachineProfile>>,
    /// Job slots.
    pub jobs: Option<Setting<u16>>,
    /// Number of retries of a failed test.
    pub retries: Option<Setting<u32>>,
    /// Multiplies every time limit.
    pub timeout_factor: Option<Setting<f64>>,
    /// Seed of all choices of tests.
    pub seed: Option<Setting<u64>>,
    /// Report files by format.
    pub reports: Option<Setting<BTreeMap<String, Utf8PathBuf>>>,
}

impl Layer {
    /// Combines with a lower layer, which provides absent values.
    #[must_use]
    pub fn or(self, lower: Self) -> Self {
        Self {
            arch: self.arch.or(lower.arch),
            qemu: self.qemu.or(lower.qemu),
            machines: self.machines.or(lower.machines),
            jobs: self.jobs.or(lower.jobs),
            retries: self.retries.or(lower.retries),
            timeout_factor: self.timeout_factor.or(lower.timeout_factor),
            seed: self.seed.or(lower.seed),
            reports: self.reports.or(lower.reports),
        }
    }
}

//! The values that one layer sets (the flags, the environment, a table of a file), each with its
//! origin, and how layers are combined.

use std::collections::BTreeMap;
use std::fmt;

use camino::Utf8PathBuf;

/// Where a value comes from.
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
    /// The file, as messages show it.
    pub path: Utf8PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// The profile whose table the line is in.
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

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
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

/// What a layer sets; an absent value is left to the layers below.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layer {
    /// Architectures where `--arch` is not given.
    pub arch: Option<Setting<Vec<String>>>,
    /// QEMU build directory or binary.
    pub qemu: Option<Setting<Utf8PathBuf>>,
    /// Job slots.
    pub jobs: Option<Setting<u16>>,
    /// How often a failed test is tried again.
    pub retries: Option<Setting<u32>>,
    /// Multiplies every time limit.
    pub timeout_factor: Option<Setting<f64>>,
    /// Of every choice that a test makes.
    pub seed: Option<Setting<u64>>,
    /// Files to write a report to, by format.
    pub reports: Option<Setting<BTreeMap<String, Utf8PathBuf>>>,
}

impl Layer {
    /// These values, and those of a lower layer where this one has none.
    #[must_use]
    pub fn or(self, lower: Self) -> Self {
        Self {
            arch: self.arch.or(lower.arch),
            qemu: self.qemu.or(lower.qemu),
            jobs: self.jobs.or(lower.jobs),
            retries: self.retries.or(lower.retries),
            timeout_factor: self.timeout_factor.or(lower.timeout_factor),
            seed: self.seed.or(lower.seed),
            reports: self.reports.or(lower.reports),
        }
    }
}

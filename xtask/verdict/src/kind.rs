//! The kinds of test, with their names in reports and filters.

use serde::{Deserialize, Serialize};

/// The kind of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TestKind {
    /// A script that boots guests.
    Guest,
    /// A script on the host only.
    Host,
    /// A test of a device model, without a guest.
    Device,
    /// A guest without an operating system.
    Bare,
    /// A guest without an operating system, from a tree of kvm-unit-tests.
    Suite,
    /// A script of ktest.
    Ktest,
}

impl TestKind {
    /// Its name in reports, headers and filters.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Host => "host",
            Self::Device => "device",
            Self::Bare => "bare",
            Self::Suite => "suite",
            Self::Ktest => "ktest",
        }
    }
}

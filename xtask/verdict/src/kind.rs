//! The kinds of test, as reports and filters name them.

use serde::{Deserialize, Serialize};

/// What kind of test a report is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TestKind {
    /// A script that boots guests.
    Guest,
    /// A script on the host alone.
    Host,
    /// A test of a device model, without a guest.
    Device,
    /// A guest without an operating system, from a tree of kvm-unit-tests.
    Suite,
}

impl TestKind {
    /// Its name in reports, headers and filters.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Host => "host",
            Self::Device => "device",
            Self::Suite => "suite",
        }
    }
}

//! The origin of a run: which command ran which tests on what. Only reports with the same origin
//! can be merged.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

/// The origin of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Kiln's version.
    pub kiln: String,
    /// The commit of the checkout, if any, with `-dirty` if files differ from it.
    pub commit: Option<String>,
    /// The start time in RFC 3339.
    pub started: String,
    /// The command line, without the program.
    pub argv: Vec<String>,
    /// The part of the selected tests that ran, such as `slice:2/3`.
    pub partition: Option<String>,
    /// The full set of tests, for a later run of the rest. Absent in a merged report.
    #[serde(default)]
    pub scope: Option<Scope>,
}

/// The full set of tests of a run. It exceeds the report if the run continued an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The flags that select the tests and their platforms.
    pub flags: Vec<String>,
    /// Full names of tests that succeeded in an earlier run, and are therefore not in the report.
    pub settled: BTreeSet<String>,
}

/// The platform of the tests of an architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// The architecture.
    pub arch: String,
    /// The image's name, which is a hash of all its inputs.
    pub image: String,
    /// The QEMU binary.
    pub binary: Utf8PathBuf,
    /// QEMU's version.
    pub qemu: String,
    /// `tcg` or `kvm`. Like the image, empty if no test boots a guest.
    pub accel: String,
    /// Version and path of the kernel that replaces the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
}

impl std::fmt::Display for Platform {
    /// Formats QEMU's version, and the image if guests boot.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "QEMU {}", self.qemu)?;
        if !self.image.is_empty() {
            write!(f, ", {}, {}", self.accel, self.image)?;
        }
        if let Some(kernel) = &self.kernel {
            write!(f, ", kernel {kernel}")?;
        }
        Ok(())
    }
}

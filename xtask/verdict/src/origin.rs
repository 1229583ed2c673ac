//! Where a run comes from: which command ran which tests with what. Reports of runs that differ in it are
//! not parts of one.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

/// What the one who starts a run knows about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Kiln's version.
    pub kiln: String,
    /// The commit of the checkout, where it is one; with `-dirty` where files differ from it.
    pub commit: Option<String>,
    /// When the run began, as RFC 3339 has it.
    pub started: String,
    /// The command line, without the program.
    pub argv: Vec<String>,
    /// The part of the selected tests that was run, such as `slice:2/3`.
    pub partition: Option<String>,
    /// What the run was to reach, for those who run the rest of it; absent in a report that was made of
    /// others.
    #[serde(default)]
    pub scope: Option<Scope>,
}

/// What a run was to reach: more than its report lists where it ran what others had left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The flags that select its tests, and say what they run on.
    pub flags: Vec<String>,
    /// Whole names of tests that succeeded before, and so are not in the report.
    pub settled: BTreeSet<String>,
}

/// What the tests of an architecture ran on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// The architecture.
    pub arch: String,
    /// The image's name, which is a hash of all that it is made from.
    pub image: String,
    /// The QEMU binary.
    pub binary: Utf8PathBuf,
    /// QEMU's version.
    pub qemu: String,
    /// `tcg` or `kvm`; empty where no test boots a guest, as is the image.
    pub accel: String,
    /// Version and path of the kernel that takes the place of the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
}

impl std::fmt::Display for Platform {
    /// QEMU's version, and what guests boot with if there are any.
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

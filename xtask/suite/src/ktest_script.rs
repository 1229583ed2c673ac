//! A script of ktest as the body of a test. [`crate::ktest`] makes it.

use camino::Utf8PathBuf;

/// A script with what was found for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// As the command line names it.
    pub shown: Utf8PathBuf,
    /// The host script, and the guest script that runs it.
    pub scripts: String,
    /// Files of the host with their paths in the guest.
    pub files: Vec<(Utf8PathBuf, Utf8PathBuf)>,
    /// Why it cannot run here, if so.
    pub skip: Option<String>,
}

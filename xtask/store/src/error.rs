//! Errors of the store, with hints.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use host::interrupt::Interrupted;
use plan::digest::Digest;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No space or quota is left.
    #[error("no space left in `{place}`{}", wanted(*.needed))]
    Full {
        /// The store's directory.
        place: Utf8PathBuf,
        /// Size in bytes of what was being written, if known.
        needed: Option<u64>,
        /// The error of the system.
        source: io::Error,
    },
    /// A write into a read-only store.
    #[error("the store `{0}` is read-only and lacks the requested entry")]
    ReadOnly(Utf8PathBuf),
    /// The directory contains no store.
    #[error("no store in `{0}`")]
    Absent(Utf8PathBuf),
    /// The file system is not case-sensitive, but source trees contain names that differ only in
    /// case.
    #[error("the file system of `{0}` is not case-sensitive")]
    FoldsCase(Utf8PathBuf),
    /// A newer version of Kiln wrote the entry.
    #[error("unsupported format {found} of entry `{name}`: expected at most {known}")]
    FutureEntry {
        /// The entry's name.
        name: String,
        /// Its format.
        found: u64,
        /// The newest supported format.
        known: u64,
    },
    /// Two builds of one key gave different bytes.
    #[error("entry `{name}` already exists with different content: `{file}` differs")]
    Differs {
        /// The entry's name.
        name: String,
        /// The first file that differs.
        file: String,
    },
    /// A step's output contains a file of an unsupported type.
    #[error("output `{path}` is {kind}: expected files, directories and symbolic links")]
    Kind {
        /// Path in the output tree.
        path: String,
        /// The file's type.
        kind: &'static str,
    },
    /// A name in an output tree is not UTF-8.
    #[error("output name `{0}` is not UTF-8")]
    NotUtf8(String),
    /// The bytes of a file do not match its name.
    #[error("`{path}` is corrupt: expected {expected}, found {got}")]
    Corrupt {
        /// The file.
        path: Utf8PathBuf,
        /// The expected SHA-256.
        expected: Digest,
        /// The actual SHA-256.
        got: Digest,
    },
    /// Another process held a lock for too long.
    #[error("timed out after {seconds} s waiting for `{path}`")]
    LockTimeout {
        /// The lock file.
        path: Utf8PathBuf,
        /// The time limit in seconds.
        seconds: u64,
    },
    /// The run was interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Any other error of the system. Its message names the file.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StoreError {
    /// Classifies an I/O error in the store at `place`.
    #[must_use]
    pub fn io(place: &Utf8Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full {
                place: place.to_owned(),
                needed: None,
                source,
            },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(place.to_owned()),
            _ => Self::Io(source),
        }
    }

    /// Adds the required number of bytes to an error about missing space.
    #[must_use]
    pub fn needing(mut self, bytes: u64) -> Self {
        if let Self::Full { needed, .. } = &mut self {
            *needed = Some(bytes);
        }
        self
    }

    /// Whether space is missing.
    pub(crate) fn is_lack_of_space(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Whether the store is not writable.
    pub(crate) fn is_denial(&self) -> bool {
        match self {
            Self::ReadOnly(_) => true,
            Self::Io(error) => error.kind() == io::ErrorKind::PermissionDenied,
            _ => false,
        }
    }

    /// The command that fixes the error, if one exists.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Full { place, .. } => {
                format!(
                    "free space there (`{place}` may be deleted), or use another disk: export KILN_STORE=DIR"
                )
            }
            Self::Io(error) if error.kind() != io::ErrorKind::PermissionDenied => return None,
            Self::ReadOnly(_) | Self::Io(_) => "use a directory that you can write to: export KILN_STORE=DIR".to_owned(),
            Self::Absent(_) => "use a directory that holds a store: export KILN_STORE=DIR".to_owned(),
            Self::FoldsCase(_) => {
                "use a case-sensitive file system: export KILN_STORE=DIR".to_owned()
            }
            Self::FutureEntry { .. } => {
                "git pull, or use another store: export KILN_STORE=DIR".to_owned()
            }
            Self::Differs { .. } => {
                "the build is not reproducible; find the difference: cargo xtask images --from-source --verify"
                    .to_owned()
            }
            Self::LockTimeout { path, .. } => format!("find the process that holds it: fuser -v {path}"),
            Self::Kind { .. }
            | Self::NotUtf8(_)
            | Self::Corrupt { .. }
            | Self::Interrupted(_) => return None,
        };
        Some(text)
    }
}

fn wanted(bytes: Option<u64>) -> String {
    bytes.map_or_else(String::new, |bytes| format!(" for {bytes} bytes"))
}

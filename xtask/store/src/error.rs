//! What can go wrong with a store, and what fixes it.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use host::interrupt::Interrupted;
use plan::digest::Digest;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No space or quota left.
    #[error("no space left in `{place}`{}", wanted(*.needed))]
    Full {
        /// The store.
        place: Utf8PathBuf,
        /// Bytes of what was being written, where that is known.
        needed: Option<u64>,
        /// What the system said.
        source: io::Error,
    },
    /// A write into a store that can only be read.
    #[error("the store `{0}` is read-only and lacks the requested entry")]
    ReadOnly(Utf8PathBuf),
    /// There is no store.
    #[error("no store in `{0}`")]
    Absent(Utf8PathBuf),
    /// Source trees hold names that differ in case only.
    #[error("the file system of `{0}` is not case-sensitive")]
    FoldsCase(Utf8PathBuf),
    /// An entry of a later version of this program.
    #[error("unsupported format {found} of entry `{name}`: expected at most {known}")]
    FutureEntry {
        /// The entry.
        name: String,
        /// Its format.
        found: u64,
        /// The newest format known here.
        known: u64,
    },
    /// Two builds of one key gave different bytes.
    #[error("entry `{name}` already exists with different content: `{file}` differs")]
    Differs {
        /// The entry.
        name: String,
        /// The first file that differs.
        file: String,
    },
    /// A step's output holds something an entry cannot.
    #[error("output `{path}` is {kind}: expected files, directories and symbolic links")]
    Kind {
        /// Path in the output tree.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A name in an output tree is not UTF-8.
    #[error("output name `{0}` is not UTF-8")]
    NotUtf8(String),
    /// Bytes that are not what their name says.
    #[error("`{path}` is corrupt: expected {expected}, found {got}")]
    Corrupt {
        /// The file.
        path: Utf8PathBuf,
        /// SHA-256 that it should have.
        expected: Digest,
        /// SHA-256 that it has.
        got: Digest,
    },
    /// Another process held a lock for too long.
    #[error("timed out after {seconds} s waiting for `{path}`")]
    LockTimeout {
        /// The lock.
        path: Utf8PathBuf,
        /// How long.
        seconds: u64,
    },
    /// The run was asked to end.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Anything else the system said; the message names the file.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StoreError {
    /// Sorts an I/O failure in the store at `place`.
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

    /// Says of a lack of space how much is needed.
    #[must_use]
    pub fn needing(mut self, bytes: u64) -> Self {
        if let Self::Full { needed, .. } = &mut self {
            *needed = Some(bytes);
        }
        self
    }

    /// Whether there is no room to write, now.
    pub(crate) fn is_lack_of_space(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Whether the place refuses to be written to.
    pub(crate) fn is_denial(&self) -> bool {
        match self {
            Self::ReadOnly(_) => true,
            Self::Io(error) => error.kind() == io::ErrorKind::PermissionDenied,
            _ => false,
        }
    }

    /// What to do about it.
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

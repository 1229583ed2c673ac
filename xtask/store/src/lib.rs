//! The local store: blobs named by their content, entries named by their build key, unpacked trees.
//!
//! ```text
//! <root>/CACHEDIR.TAG
//! <root>/log/                     build logs, for people
//! <root>/probe/<name>             capabilities of QEMU binaries and accelerators; probed again if
//! absent
//! <root>/mirrors/<sha256>         age of the newest index that was seen of a release tree
//! <root>/repro/<seed>/            stores of second builds, kept by `repro --keep`
//! <root>/v1/blobs/sha256/<hex>    0444, name == content
//! <root>/v1/entries/<name>/       out/ entry.json boot notes/; appears by rename only
//! <root>/v1/tree/<id>/            root/ tree.json boot; unpacked and patched sources
//! <root>/v1/part/<hex>.part       an unfinished download that can be resumed
//! <root>/v1/tmp/<random>/         work areas; dead when the lock next to them is free
//! <root>/v1/lock/<name>.lock      flock, never removed
//! <root>/v1/quarantine/           corrupt items, at most eight
//! <root>/v1/templates/<hex>/      ram state template.json; saved guests, appears by rename only
//! <root>/v1/roots/<hex>.json      a checkout that uses the store, and the items it needs
//! ```
//!
//! Any number of processes may use one store at once: readers never wait, and writers write below
//! `tmp/` and rename. Only [`gc`] needs exclusive access. A new layout gets a new `v<n>`, without a
//! migration in place. A read-only store can still be read. This crate does not know recipes or
//! archives.
//!
//! | module | subject |
//! |---|---|
//! | `blob`, `hash` | files named by their SHA-256 |
//! | `entry`, `staging`, `note` | outputs of steps, named by build key; how one is made; notes about it |
//! | `template` | saved guests |
//! | `copy`, `transfer` | copies from another store, or in a tar file |
//! | `inventory`, `gc`, `roots`, `usage` | lists and checks items; removes those that no checkout needs |
//! | `quarantine` | corrupt items |
//! | `lock`, `workspace`, `durable` | locks between processes, work areas, power cuts |

mod blob;
mod copy;
mod durable;
mod entry;
mod error;
pub mod gc;
mod hash;
pub mod inventory;
mod lock;
mod note;
mod quarantine;
pub mod roots;
mod staging;
mod template;
pub mod transfer;
mod usage;
mod workspace;

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use plan::digest::Digest;

pub use blob::Verified;
pub use entry::{EntryMeta, EntryName, EntryState, FileMeta, Ready, Vacant};
pub use error::StoreError;
pub use hash::digest_file;
pub use lock::Guard;
pub use quarantine::Quarantined;
pub use staging::{About, Staging};
pub use template::{SavedGuest, TEMPLATE_FORMAT, Template, TemplateStaging};
pub use workspace::Workspace;

pub use blob::PartPaths;

/// Marks the directory as a cache for backup programs (bford.info/cachedir).
const CACHEDIR_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This directory holds what Kiln fetched and built; it may be deleted at any time.\n";

/// The directories of the layout.
const DIRECTORIES: [&str; 9] = [
    "blobs/sha256",
    "entries",
    "tree",
    "part",
    "tmp",
    "lock",
    "quarantine",
    "roots",
    "templates",
];

/// An open store. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: Utf8PathBuf,
    layout: Utf8PathBuf,
    access: Access,
    /// The store is read-only because no space was left when it was opened.
    full: bool,
    boot: Option<String>,
    observer: quarantine::Observer,
    /// Held while the store is open, so that no item in use is removed.
    usage: usage::Usage,
}

/// Whether the store may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and written.
    Write,
}

impl Store {
    /// Opens the store at `root`, creates missing directories and sweeps dead work areas. An
    /// existing store that is read-only or full is opened for reading.
    pub fn open(root: &Utf8Path) -> Result<Self, StoreError> {
        match Self::create(root) {
            Ok(store) => {
                store.inner.usage.share(store.layout())?;
                store.sweep();
                Ok(store)
            }
            Err(error) if error.is_denial() && root.join("v1").is_dir() => Self::read_only(root),
            Err(error) if error.is_lack_of_space() && root.join("v1").is_dir() => {
                Self::begin_reading(Self::new(root, Access::Read, true))
            }
            Err(error) => Err(error),
        }
    }

    /// Opens an existing store without ever writing to it.
    pub fn read_only(root: &Utf8Path) -> Result<Self, StoreError> {
        Self::begin_reading(Self::new(root, Access::Read, false))
    }

    fn begin_reading(store: Self) -> Result<Self, StoreError> {
        if !store.layout().is_dir() {
            return Err(StoreError::Absent(store.root().to_owned()));
        }
        store.inner.usage.share(store.layout())?;
        Ok(store)
    }

    fn create(root: &Utf8Path) -> Result<Self, StoreError> {
        let store = Self::new(root, Access::Write, false);
        let wrap = |error| StoreError::io(root, error);
        if !root.is_dir() {
            fs::create_dir_all(root).map_err(wrap)?;
            fs::set_permissions(root, Permissions::from_mode(0o700)).map_err(wrap)?;
        }
        for directory in DIRECTORIES {
            fs::create_dir_all(store.layout().join(directory)).map_err(wrap)?;
        }
        fs::create_dir_all(store.log_dir()).map_err(wrap)?;
        let tag = root.join("CACHEDIR.TAG");
        if !fs::read(&tag).is_ok_and(|text| text == CACHEDIR_TAG.as_bytes()) {
            store.write_durably(&tag, CACHEDIR_TAG.as_bytes())?;
        }
        if root.join("cachedir.tag").exists() {
            return Err(StoreError::FoldsCase(root.to_owned()));
        }
        // Existing directories may be read-only, so a work area is created as a test.
        drop(store.workspace()?);
        Ok(store)
    }

    fn new(root: &Utf8Path, access: Access, full: bool) -> Self {
        let inner = Inner {
            root: root.to_owned(),
            layout: root.join("v1"),
            access,
            full,
            boot: durable::current_boot(),
            observer: quarantine::Observer::default(),
            usage: usage::Usage::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The store's directory.
    #[must_use]
    pub fn root(&self) -> &Utf8Path {
        &self.inner.root
    }

    /// Whether it may be changed.
    #[must_use]
    pub fn access(&self) -> Access {
        self.inner.access
    }

    /// The directory of build logs.
    #[must_use]
    pub fn log_dir(&self) -> Utf8PathBuf {
        self.root().join("log")
    }

    /// The directory of capabilities of QEMU binaries and accelerators. Missing files are created
    /// again.
    #[must_use]
    pub fn probe_dir(&self) -> Utf8PathBuf {
        self.root().join("probe")
    }

    /// The directory of the kept stores of second builds.
    #[must_use]
    pub fn repro_dir(&self) -> Utf8PathBuf {
        self.root().join("repro")
    }

    /// The directory with a file per release tree, which records the age of its index to detect an
    /// older one.
    #[must_use]
    pub fn mirror_dir(&self) -> Utf8PathBuf {
        self.root().join("mirrors")
    }

    fn layout(&self) -> &Utf8Path {
        &self.inner.layout
    }

    /// The id of the current boot, if the system has one.
    #[must_use]
    pub fn boot(&self) -> Option<&str> {
        self.inner.boot.as_deref()
    }

    fn writable(&self) -> Result<(), StoreError> {
        match self.access() {
            Access::Write => Ok(()),
            Access::Read if self.inner.full => Err(self.io(ErrorKind::StorageFull.into())),
            Access::Read => Err(StoreError::ReadOnly(self.root().to_owned())),
        }
    }

    fn io(&self, error: std::io::Error) -> StoreError {
        StoreError::io(self.root(), error)
    }

    /// The path of the tree `id`, whether or not it exists.
    #[must_use]
    pub fn tree_dir(&self, id: &Digest) -> Utf8PathBuf {
        self.layout().join("tree").join(id.to_string())
    }
}

#[cfg(test)]
mod tests;

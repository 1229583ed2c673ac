//! The local store: blobs named by their content, entries named by their build key, unpacked trees.
//!
//! ```text
//! <root>/CACHEDIR.TAG
//! <root>/log/                     build logs, for people
//! <root>/probe/<name>             what QEMU binaries and accelerators can do; asked again if absent
//! <root>/mirrors/<sha256>         how new the index of a release tree was that was checked last
//! <root>/repro/<seed>/            stores of second builds that `repro --keep` kept, for people
//! <root>/v1/blobs/sha256/<hex>    0444, name == content
//! <root>/v1/entries/<name>/       out/ entry.json boot notes/; appears by rename only
//! <root>/v1/tree/<id>/            root/ tree.json boot; unpacked and patched sources
//! <root>/v1/part/<hex>.part       a download that may continue
//! <root>/v1/tmp/<random>/         work areas; dead when the lock next to them is free
//! <root>/v1/lock/<name>.lock      flock, never removed
//! <root>/v1/quarantine/           what was found corrupt, at most eight
//! <root>/v1/templates/<hex>/      ram state template.json; saved guests, appears by rename only
//! <root>/v1/roots/<hex>.json      a checkout that uses the store, and what it needs of it
//! ```
//!
//! Any number of processes may use one store at once: readers never wait, writers write below
//! `tmp/` and rename; only [`gc`] needs the store for itself. A new layout gets a new `v<n>`; nothing is migrated in place. A store that
//! cannot be written to serves for reading. Used by every other module of this crate; it does not
//! know what a recipe or an archive is.

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

/// Tells backup programs and people what the directory is (bford.info/cachedir).
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

/// A store that is open. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: Utf8PathBuf,
    layout: Utf8PathBuf,
    access: Access,
    /// It can be read only because there was no room to write when it was opened.
    full: bool,
    boot: Option<String>,
    observer: quarantine::Observer,
    /// Held while the store is open, so that nothing is removed under its users' feet.
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
    /// Opens the store at `root`, creates what is missing and sweeps dead work areas. Where the
    /// place cannot be written to, or is full, but holds a store, the store is open for reading.
    pub fn open(root: &Utf8Path) -> Result<Self, StoreError> {
        match Self::create(root) {
            Ok(store) => {
                store.inner.usage.begin(store.layout())?;
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
        store.inner.usage.begin(store.layout())?;
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
        // The directories may be there and yet be read-only: ask for a work area, which must work.
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

    /// Where the store is.
    #[must_use]
    pub fn root(&self) -> &Utf8Path {
        &self.inner.root
    }

    /// Whether it may be changed.
    #[must_use]
    pub fn access(&self) -> Access {
        self.inner.access
    }

    /// Directory of build logs.
    #[must_use]
    pub fn log_dir(&self) -> Utf8PathBuf {
        self.root().join("log")
    }

    /// Directory of what QEMU binaries and accelerators can do; its files are made again if absent.
    #[must_use]
    pub fn probe_dir(&self) -> Utf8PathBuf {
        self.root().join("probe")
    }

    /// Directory of the stores of second builds that were kept.
    #[must_use]
    pub fn repro_dir(&self) -> Utf8PathBuf {
        self.root().join("repro")
    }

    /// Directory with a file for each release tree: how new its index was, so that an older one is
    /// noticed.
    #[must_use]
    pub fn mirror_dir(&self) -> Utf8PathBuf {
        self.root().join("mirrors")
    }

    fn layout(&self) -> &Utf8Path {
        &self.inner.layout
    }

    /// What this boot of the system is called, where it has a name.
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

    /// Where the tree `id` is, or will be.
    #[must_use]
    pub fn tree_dir(&self, id: &Digest) -> Utf8PathBuf {
        self.layout().join("tree").join(id.to_string())
    }
}

#[cfg(test)]
mod tests;

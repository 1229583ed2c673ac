//! Roots: the checkouts that use the store, and the items that each one's plan needs. An item that
//! a root names is not collected while its checkout exists.

use std::collections::BTreeSet;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use plan::digest::{BuildKey, Digest};
use serde::{Deserialize, Serialize};

use crate::{Access, Store, StoreError};

/// The format of a root's file.
const FORMAT: u64 = 1;

/// The needs of one checkout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    format: u64,
    /// The path of the checkout.
    pub checkout: Utf8PathBuf,
    /// Needed entries by key, from any host.
    pub entries: BTreeSet<String>,
    /// Needed unpacked trees by id.
    pub trees: BTreeSet<String>,
    /// Needed blobs by SHA-256.
    pub blobs: BTreeSet<String>,
}

impl Root {
    /// A root without needs.
    #[must_use]
    pub fn new(checkout: &Utf8Path) -> Self {
        Self {
            format: FORMAT,
            checkout: checkout.to_owned(),
            entries: BTreeSet::new(),
            trees: BTreeSet::new(),
            blobs: BTreeSet::new(),
        }
    }

    /// Adds the entries of a key.
    pub fn entry(&mut self, key: BuildKey) {
        self.entries.insert(key.to_string());
    }

    /// Adds an unpacked tree.
    pub fn tree(&mut self, id: &Digest) {
        self.trees.insert(id.to_string());
    }

    /// Adds a blob.
    pub fn blob(&mut self, digest: &Digest) {
        self.blobs.insert(digest.to_string());
    }

    /// Whether the checkout still exists.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.checkout.join("recipes").is_dir()
    }

    fn file(&self) -> String {
        format!("{}.json", Digest::of(self.checkout.as_str().as_bytes()))
    }
}

impl Store {
    /// Writes the root of a checkout. Does nothing in a read-only store, which is not collected.
    pub fn keep_root(&self, root: &Root) -> Result<(), StoreError> {
        if self.access() == Access::Read {
            return Ok(());
        }
        let path = self.layout().join("roots").join(root.file());
        let mut text = serde_json::to_vec_pretty(root).map_err(io::Error::from)?;
        text.push(b'\n');
        if fs::read(&path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        self.write_durably(&path, &text)
    }

    /// Reads all roots. Skips unreadable ones, which may come from a later version.
    pub fn roots(&self) -> Result<Vec<Root>, StoreError> {
        let directory = self.layout().join("roots");
        if !directory.is_dir() {
            return Ok(Vec::new());
        }
        let mut roots = Vec::new();
        for path in self.listing(&directory)? {
            let text = fs::read(&path).map_err(|error| self.io(error))?;
            roots.extend(serde_json::from_slice::<Root>(&text));
        }
        roots.sort_by(|one, other| one.checkout.cmp(&other.checkout));
        Ok(roots)
    }

    /// Removes a root.
    pub(crate) fn forget_root(&self, root: &Root) -> io::Result<()> {
        fs::remove_file(self.layout().join("roots").join(root.file()))
    }

    /// Lists a directory of the store, sorted.
    pub(crate) fn listing(&self, directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, StoreError> {
        let wrap = |error| self.io(error);
        let mut paths = Vec::new();
        for entry in directory.read_dir_utf8().map_err(wrap)? {
            paths.push(entry.map_err(wrap)?.into_path());
        }
        paths.sort();
        Ok(paths)
    }
}

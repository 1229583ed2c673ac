//! Finds trees that may have lost bytes in a power cut.
//!
//! Images are synced file by file before they appear and are hashed when they are used. That is too
//! slow for trees of a hundred thousand files. Those record the boot during which they were
//! written. In a later boot their sizes are checked once, because a power cut truncates unsynced
//! files. On a system without a boot id they are checked each time.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::{Store, StoreError};

/// A random id for each boot (`random(4)`, proc(5)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

pub(crate) fn current_boot() -> Option<String> {
    fs::read_to_string(BOOT_ID)
        .ok()
        .map(|id| id.trim().to_owned())
        .filter(|id| !id.is_empty())
}

fn mark(directory: &Utf8Path) -> Utf8PathBuf {
    directory.join("boot")
}

impl Store {
    /// Records in `directory` that its bytes were written or checked during this boot.
    pub fn mark_boot(&self, directory: &Utf8Path) -> io::Result<()> {
        fs::write(mark(directory), self.boot().unwrap_or_default())
    }

    /// Whether `directory` was written or checked during this boot.
    #[must_use]
    pub fn is_of_this_boot(&self, directory: &Utf8Path) -> bool {
        let Some(current) = self.boot() else {
            return false;
        };
        fs::read_to_string(mark(directory)).is_ok_and(|boot| boot == current)
    }
}

impl Store {
    /// Writes a small file atomically and syncs it.
    pub(crate) fn write_durably(&self, path: &Utf8Path, content: &[u8]) -> Result<(), StoreError> {
        let area = self.workspace()?;
        let staged = area.path().join("file");
        let written = || {
            fs::write(&staged, content)?;
            fs::File::open(&staged)?.sync_all()?;
            fs::rename(&staged, path)?;
            path.parent().map_or(Ok(()), sync_directory)
        };
        written().map_err(|error| self.io(error).needing(content.len() as u64))
    }
}

/// Syncs the names in a directory.
pub(crate) fn sync_directory(directory: &Utf8Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

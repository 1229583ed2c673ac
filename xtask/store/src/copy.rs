//! Copies an entry from another store, under the name that it has here.

use std::io;

use camino::Utf8Path;
use fs_err as fs;

use crate::staging::About;
use crate::{EntryName, EntryState, Ready, Store, StoreError};

impl Store {
    /// Copies the entry of another store. An existing entry stays.
    pub fn copy(&self, entry: &Ready, name: &EntryName) -> Result<Ready, StoreError> {
        let vacant = match self.entry(name)? {
            EntryState::Ready(ready) => return Ok(ready),
            EntryState::Vacant(vacant) => vacant,
        };
        let staging = vacant.stage()?;
        copy_tree(&entry.path(), &staging.path())
            .map_err(|error| StoreError::io(self.root(), error))?;
        let meta = entry.meta();
        staging.commit(About {
            recipe: meta.recipe.clone(),
            version: meta.version.clone(),
            arch: meta.arch.clone(),
            seconds: meta.seconds,
        })
    }
}

/// Copies a directory tree into another directory: contents, links and permission bits.
fn copy_tree(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    for entry in from.read_dir_utf8()? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            fs::os::unix::fs::symlink(fs::read_link(from)?, to)?;
        } else if kind.is_dir() {
            fs::create_dir(&to)?;
            copy_tree(from, &to)?;
        } else {
            fs::copy(from, to)?;
        }
    }
    // The permissions are set last, because a directory may be write-protected.
    fs::set_permissions(to, fs::metadata(from)?.permissions())
}

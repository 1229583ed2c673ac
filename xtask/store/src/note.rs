//! Notes about an entry, stored next to its output. They are not part of the entry's identity: an
//! entry without notes is equivalent, and no build depends on one.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::{Ready, Staging, Store, StoreError};

fn notes(entry: &Utf8Path) -> Utf8PathBuf {
    entry.join("notes")
}

impl Ready {
    /// Reads the note of this name.
    #[must_use]
    pub fn note(&self, name: &str) -> Option<String> {
        let entry = self.path().parent().map(Utf8Path::to_owned)?;
        fs::read_to_string(notes(&entry).join(name)).ok()
    }
}

impl Staging {
    /// Writes a note of the entry that is being made.
    pub fn note(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let entry = self.path();
        let entry = entry.parent().unwrap_or(&entry);
        write(entry, name, text).map_err(|error| self.store().io(error))
    }
}

impl Store {
    /// Writes or replaces a note of an entry.
    pub fn note(&self, entry: &Ready, name: &str, text: &str) -> Result<(), StoreError> {
        self.writable()?;
        write(&self.entry_dir(entry.name()), name, text).map_err(|error| self.io(error))
    }
}

/// Renames the note into place, so that a reader sees the old or the new one.
fn write(entry: &Utf8Path, name: &str, text: &str) -> io::Result<()> {
    let notes = notes(entry);
    fs::create_dir_all(&notes)?;
    let file = tempfile::NamedTempFile::new_in(&notes)?;
    fs::write(file.path(), text)?;
    file.persist(notes.join(name))?;
    Ok(())
}

//! Notes: what is remembered of an entry next to its output. They are no part of what it is: an entry
//! without them is as good, and nothing that is built depends on one.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::{Ready, Staging, Store, StoreError};

fn notes(entry: &Utf8Path) -> Utf8PathBuf {
    entry.join("notes")
}

impl Ready {
    /// What was noted under a name.
    #[must_use]
    pub fn note(&self, name: &str) -> Option<String> {
        let entry = self.path().parent().map(Utf8Path::to_owned)?;
        fs::read_to_string(notes(&entry).join(name)).ok()
    }
}

impl Staging {
    /// Notes something of the entry that is being made.
    pub fn note(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let entry = self.path();
        let entry = entry.parent().unwrap_or(&entry);
        write(entry, name, text).map_err(|error| self.store().io(error))
    }
}

impl Store {
    /// Notes something of an entry, in place of what was noted before.
    pub fn note(&self, entry: &Ready, name: &str, text: &str) -> Result<(), StoreError> {
        self.writable()?;
        write(&self.entry_dir(entry.name()), name, text).map_err(|error| self.io(error))
    }
}

/// By rename: a reader sees the old note or the new one.
fn write(entry: &Utf8Path, name: &str, text: &str) -> io::Result<()> {
    let notes = notes(entry);
    fs::create_dir_all(&notes)?;
    let file = tempfile::NamedTempFile::new_in(&notes)?;
    fs::write(file.path(), text)?;
    file.persist(notes.join(name))?;
    Ok(())
}

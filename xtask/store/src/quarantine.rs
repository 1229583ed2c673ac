//! The quarantine keeps at most eight corrupt items for bug reports.

use std::fmt;
use std::io;
use std::sync::OnceLock;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::workspace::remove_tree;
use crate::{Access, Ready, Store, StoreError};

const KEEP: usize = 8;

/// A corrupt item of the store, which is not used any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Its former path.
    pub path: Utf8PathBuf,
    /// The reason: which file, what was expected, what was found.
    pub why: String,
    /// Its path in the quarantine, or `None` in a read-only store, in which it stays in place.
    pub moved_to: Option<Utf8PathBuf>,
}

impl fmt::Display for Quarantined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            why,
            moved_to,
        } = self;
        match moved_to {
            Some(target) => write!(f, "{why}; it was moved to `{target}`"),
            None => write!(f, "{why}; it stays in `{path}`, which cannot be written to"),
        }
    }
}

type Notice = dyn Fn(&Quarantined) + Send + Sync;

/// Receives each item that goes into quarantine.
#[derive(Default)]
pub(crate) struct Observer(OnceLock<Box<Notice>>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").finish_non_exhaustive()
    }
}

impl Store {
    /// Calls `observer` with every item that goes into quarantine. Only the first observer counts.
    pub fn on_quarantine(&self, observer: impl Fn(&Quarantined) + Send + Sync + 'static) {
        let _ = self.inner.observer.0.set(Box::new(observer));
    }

    /// Quarantines an entry whose bytes are correct but which is unusable. Returns its new path.
    pub fn condemn(&self, entry: &Ready, why: &str) -> Result<Option<Utf8PathBuf>, StoreError> {
        self.quarantine(&self.entry_dir(entry.name()), why)
            .map_err(|error| self.io(error))
    }

    /// Moves `path` into quarantine and returns the new path. In a read-only store it stays in
    /// place.
    pub(crate) fn quarantine(&self, path: &Utf8Path, why: &str) -> io::Result<Option<Utf8PathBuf>> {
        let moved_to = self.move_away(path)?;
        // If another process was faster, that one reports it.
        let is_ours = moved_to.is_some() || self.access() == Access::Read;
        if let Some(observer) = self.inner.observer.0.get().filter(|_| is_ours) {
            observer(&Quarantined {
                path: path.to_owned(),
                why: why.to_owned(),
                moved_to: moved_to.clone(),
            });
        }
        Ok(moved_to)
    }

    fn move_away(&self, path: &Utf8Path) -> io::Result<Option<Utf8PathBuf>> {
        if self.access() == Access::Read {
            return Ok(None);
        }
        let home = self.layout().join("quarantine");
        let name = path.file_name().unwrap_or("unnamed");
        for number in 0.. {
            let target = home.join(format!("{name}.{number}"));
            if target.symlink_metadata().is_ok() {
                continue;
            }
            match fs::rename(path, &target) {
                Ok(()) => {
                    thin_out(&home);
                    return Ok(Some(target));
                }
                // Another process has moved it, or has taken the same name.
                Err(_) if !path.exists() => return Ok(None),
                Err(_) if target.exists() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

fn thin_out(home: &Utf8Path) {
    let Ok(listing) = home.read_dir_utf8() else {
        return;
    };
    let mut kept: Vec<(SystemTime, Utf8PathBuf)> = listing
        .flatten()
        .filter_map(|entry| {
            let moved = entry.path().symlink_metadata().ok()?;
            // The change time is the time of the move. The file's modification time is unrelated.
            Some((changed(&moved), entry.into_path()))
        })
        .collect();
    kept.sort();
    let surplus = kept.len().saturating_sub(KEEP);
    for (_, path) in kept.into_iter().take(surplus) {
        let _ = if path.is_dir() {
            remove_tree(&path)
        } else {
            fs::remove_file(&path)
        };
    }
}

fn changed(metadata: &std::fs::Metadata) -> SystemTime {
    use std::os::unix::fs::MetadataExt as _;
    let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
    let nanoseconds = u32::try_from(metadata.ctime_nsec()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + std::time::Duration::new(seconds, nanoseconds)
}

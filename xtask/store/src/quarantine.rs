//! Where corrupt things go: out of the way, kept for the bug report, at most eight.

use std::fmt;
use std::io;
use std::sync::OnceLock;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::workspace::remove_tree;
use crate::{Access, Ready, Store, StoreError};

const KEEP: usize = 8;

/// Something of the store that was found wrong and is not used any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Where it was.
    pub path: Utf8PathBuf,
    /// What is wrong with it: which file, what was expected, what was found.
    pub why: String,
    /// Where it is now; `None` in a store that cannot be written to, where it stays.
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
    /// From now on `observer` is called with everything that goes into quarantine. The first one stays.
    pub fn on_quarantine(&self, observer: impl Fn(&Quarantined) + Send + Sync + 'static) {
        let _ = self.inner.observer.0.set(Box::new(observer));
    }

    /// Puts away an entry whose bytes are whole and which is wrong nevertheless; where it is now.
    pub fn condemn(&self, entry: &Ready, why: &str) -> Result<Option<Utf8PathBuf>, StoreError> {
        self.quarantine(&self.entry_dir(entry.name()), why)
            .map_err(|error| self.io(error))
    }

    /// Moves `path` away and returns where to. In a read-only store it stays where it is.
    pub(crate) fn quarantine(&self, path: &Utf8Path, why: &str) -> io::Result<Option<Utf8PathBuf>> {
        let moved_to = self.move_away(path)?;
        // Where another process was first, that one reports it.
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
                // Another process has moved it, or took the same name.
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
            // The change time is when it was moved; the file's own time says nothing here.
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

//! Directories that do not outlive the run: removed by `Drop`, or by a second Ctrl-C, and when the
//! run was killed by the [`sweep`] of the next one.

use std::io;
use std::path::Path;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use crate::interrupt;

/// Start of the name of each.
const PREFIX: &str = "kiln-";
/// Held as long as its directory is in use; the system lets go of it when a run is killed.
const LOCK: &str = ".lock";
/// The lock's name until it is held.
const FRESH: &str = ".lock-new";
/// A younger directory without a lock may be about to get one.
const SETTLED: Duration = Duration::from_secs(60);

/// A directory of its own (mode 0700), removed with its content when dropped.
#[derive(Debug)]
pub struct Scratch {
    path: Utf8PathBuf,
    kept: bool,
    _lock: fs_err::File,
}

impl Scratch {
    /// Makes a new directory in `parent`: `kiln-`, the word, and a random ending.
    pub fn new_in(parent: &Utf8Path, word: &str) -> io::Result<Self> {
        // Until it has its lock it is removed by its own destructor.
        let directory = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{word}-"))
            .tempdir_in(parent)?;
        let lock = lock_in(directory.path())?;
        let path = Utf8PathBuf::from_path_buf(directory.keep())
            .map_err(|path| io::Error::other(format!("`{}` is no UTF-8 path", path.display())))?;
        interrupt::add_directory(path.as_std_path());
        Ok(Self {
            path,
            kept: false,
            _lock: lock,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Leaves it in place, such as for a failed test's logs.
    #[must_use]
    pub fn keep(mut self) -> Utf8PathBuf {
        self.kept = true;
        // Without its lock it is no dead run's.
        let _ = fs_err::remove_file(self.path.join(LOCK));
        self.path.clone()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.kept {
            // A directory that is gone already is what was wanted; the next run removes what could not be.
            let _ = fs_err::remove_dir_all(&self.path);
        }
        interrupt::forget_directory(self.path.as_std_path());
    }
}

/// Locks a directory until the file is dropped or this process ends, however it does.
///
/// The lock gets its name when it is held, so a lock with that name that nobody holds is a dead run's.
pub fn lock_in(directory: &Path) -> io::Result<fs_err::File> {
    let fresh = directory.join(FRESH);
    let lock = fs_err::File::create(&fresh)?;
    lock.file().lock()?;
    fs_err::rename(&fresh, directory.join(LOCK))?;
    Ok(lock)
}

/// Whether somebody holds the lock of a directory; `None` where it has none.
#[must_use]
pub fn is_locked(directory: &Path) -> Option<bool> {
    let lock = fs_err::File::open(directory.join(LOCK)).ok()?;
    Some(lock.file().try_lock().is_err())
}

/// Removes what killed runs left in `parent`. What cannot be removed harms nobody.
pub fn sweep(parent: &Utf8Path) {
    let Ok(entries) = fs_err::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let age = entry.metadata().and_then(|data| data.modified()).ok();
        let age = age.and_then(|time| crate::clock::now().duration_since(time).ok());
        let _ = match is_locked(&entry.path()) {
            Some(false) => fs_err::remove_dir_all(entry.path()),
            // Killed before it got its lock, it is empty but for that; what is not empty is not ours.
            None if age.is_some_and(|age| age > SETTLED) => {
                let _ = fs_err::remove_file(entry.path().join(FRESH));
                fs_err::remove_dir(entry.path())
            }
            Some(true) | None => Ok(()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_killed_runs_left_is_removed_and_nothing_else() {
        let parent = Scratch::new_in(Utf8Path::new("/tmp"), "test").expect("made");
        let make = |name: &str| {
            let path = parent.path().join(name);
            fs_err::create_dir(&path).expect("made");
            path
        };
        let hour_ago = crate::clock::now() - Duration::from_secs(3600);
        let age = |path: &Utf8Path| {
            let file = fs_err::File::open(path).expect("opens");
            file.file().set_modified(hour_ago).expect("set");
        };
        let (killed, other) = (make("kiln-run-killed"), make("other"));
        for path in [&killed, &other] {
            drop(lock_in(path.as_std_path()).expect("locked"));
        }
        let running = Scratch::new_in(parent.path(), "run").expect("made");
        let (old, young, foreign) = (make("kiln-old"), make("kiln-young"), make("kiln-foreign"));
        fs_err::write(foreign.join("file"), "x").expect("written");
        fs_err::write(old.join(FRESH), "").expect("written");
        age(&old);
        age(&foreign);
        sweep(parent.path());
        let there = [&killed, &old, &other, &young, &foreign].map(|path| path.exists());
        assert_eq!(there, [false, false, true, true, true]);
        assert!(running.path().exists());
    }

    #[test]
    fn it_goes_with_its_content_unless_it_is_kept() {
        let outer = Scratch::new_in(Utf8Path::new("/tmp"), "test").expect("made");
        let inner = Scratch::new_in(outer.path(), "inner").expect("made");
        fs_err::write(inner.path().join("file"), "x").expect("written");
        let gone = inner.path().to_owned();
        drop(inner);
        assert!(!gone.exists());
        let kept = Scratch::new_in(outer.path(), "inner").expect("made").keep();
        sweep(outer.path());
        assert!(kept.exists());
        drop(outer);
        assert!(!kept.exists());
    }
}

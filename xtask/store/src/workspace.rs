//! Work areas below `tmp/`: a directory with a lock file next to it, locked while the owner lives.
//! An area whose lock is free is dead. Opening the store sweeps it.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::{Store, StoreError};

/// How long the opening of a store waits for the sweep.
const SWEEP: Duration = Duration::from_secs(2);

/// A private directory on the store's file system, removed on drop.
#[derive(Debug)]
pub struct Workspace {
    path: Utf8PathBuf,
    /// Locked. The file is removed after the directory.
    lock: Option<tempfile::NamedTempFile>,
}

impl Store {
    /// Creates an empty work area.
    pub fn workspace(&self) -> Result<Workspace, StoreError> {
        self.writable()?;
        let parent = self.layout().join("tmp");
        let wrap = |error| self.io(error);
        loop {
            let lock = tempfile::Builder::new()
                .prefix("")
                .suffix(".lock")
                .tempfile_in(&parent)
                .map_err(wrap)?;
            // Before it was locked, a sweep may have removed the file as a dead one.
            lock.as_file().lock().map_err(wrap)?;
            if lock.as_file().metadata().map_err(wrap)?.nlink() == 0 {
                continue;
            }
            let name = lock
                .path()
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            let path = parent.join(name);
            fs::create_dir(&path).map_err(wrap)?;
            return Ok(Workspace {
                path,
                lock: Some(lock),
            });
        }
    }
}

impl Workspace {
    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Leaves the area as a killed process does: directory and lock file exist, but the lock is
    /// free.
    #[cfg(test)]
    pub(crate) fn abandon(mut self) -> Utf8PathBuf {
        let (file, path) = self.lock.take().unwrap().keep().unwrap();
        drop(file);
        Utf8PathBuf::from_path_buf(path).unwrap().with_extension("")
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if let Some(lock) = self.lock.take() {
            // The next opening of a store sweeps what cannot be removed now.
            let _ = remove_tree(&self.path);
            drop(lock);
        }
    }
}

impl Store {
    /// Removes the work areas of dead owners. Large ones are removed in the background; the next
    /// run continues if this one ends earlier.
    pub(crate) fn sweep(&self) {
        let store = self.clone();
        let (done, finished) = mpsc::channel();
        thread::spawn(move || {
            sweep(&store);
            // The receiver does not wait for a long sweep.
            let _ = done.send(());
        });
        let _ = finished.recv_timeout(SWEEP);
    }
}

/// Removes the work areas of dead owners. A later sweep retries failures.
fn sweep(store: &Store) {
    let Ok(listing) = fs::read_dir(store.layout().join("tmp")) else {
        return;
    };
    for path in listing
        .flatten()
        .filter_map(|entry| Utf8PathBuf::from_path_buf(entry.path()).ok())
    {
        match path.as_str().strip_suffix(".lock") {
            Some(area) => sweep_area(&path, Utf8Path::new(area)),
            // The lock file is created before its directory and removed after it.
            None if !Utf8PathBuf::from(format!("{path}.lock")).exists() => {
                let _ = remove_tree(&path);
            }
            None => {}
        }
    }
}

fn sweep_area(lock: &Utf8Path, area: &Utf8Path) {
    let Ok(file) = fs::File::open(lock) else {
        return;
    };
    if file.try_lock().is_ok() && remove_tree(area).is_ok() {
        let _ = fs::remove_file(lock);
    }
}

/// Removes a tree, including write-protected directories. Succeeds if it does not exist.
pub(crate) fn remove_tree(path: &Utf8Path) -> io::Result<()> {
    let denied = match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => error,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => return result,
    };
    if unprotect(path).is_err() {
        return Err(denied);
    }
    fs::remove_dir_all(path)
}

fn unprotect(directory: &Utf8Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
    for entry in directory.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            unprotect(entry.path())?;
        }
    }
    Ok(())
}

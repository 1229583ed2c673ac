//! The lock that all users of the store share. Operations that remove items which others may be
//! reading hold it exclusively. The kernel releases it when its holder dies.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use camino::Utf8Path;
use fs_err as fs;

use crate::{Access, Store, StoreError, lock};

/// Collections take seconds, so users rarely wait this long.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// The lock file.
const FILE: &str = "lock/use.lock";

/// A shared or exclusive hold of the lock.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    file: Mutex<Option<fs::File>>,
}

impl Usage {
    /// Takes a shared hold. A read-only store without a lock file has only readers.
    pub(crate) fn share(&self, layout: &Utf8Path) -> Result<(), StoreError> {
        let path = layout.join(FILE);
        let opened = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .or_else(|_| fs::File::open(&path));
        let Ok(file) = opened else { return Ok(()) };
        lock::take(&path, PATIENCE, || {}, || file.file().try_lock_shared())?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        Ok(())
    }
}

/// Exclusive access to the store. Shared again on drop.
#[derive(Debug)]
#[must_use = "others may use the store once this is dropped"]
pub struct Alone<'a> {
    store: &'a Store,
}

impl Store {
    /// Waits until no other process has the store open. Calls `notice` once if it has to wait.
    pub fn alone(
        &self,
        patience: Duration,
        notice: impl FnOnce(),
    ) -> Result<Alone<'_>, StoreError> {
        self.writable()?;
        let held = &self.inner.usage.file;
        let held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*held {
            let path = self.layout().join(FILE);
            // Releases the shared hold first. Otherwise two waiting processes would wait for each
            // other forever.
            file.file().unlock().map_err(|error| self.io(error))?;
            lock::take(&path, patience, notice, || file.file().try_lock())
                .inspect_err(|_| drop(file.file().lock_shared()))?;
        }
        Ok(Alone { store: self })
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        let held = &self.store.inner.usage.file;
        let held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*held {
            let _ = file.file().lock_shared();
        }
    }
}

impl Alone<'_> {
    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        debug_assert_eq!(self.store.access(), Access::Write);
        self.store
    }
}

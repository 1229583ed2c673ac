//! Who uses the store: each open store shares one lock, and what removes things that others may be
//! reading takes it alone. The kernel frees it when its holder dies.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use camino::Utf8Path;
use fs_err as fs;

use crate::{Access, Store, StoreError, lock};

/// Removing takes seconds.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// The lock's file.
const FILE: &str = "lock/use.lock";

/// A share of the lock, or all of it.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    file: Mutex<Option<fs::File>>,
}

impl Usage {
    /// Takes a share. A store that has no lock and cannot be written to is used by readers alone.
    pub(crate) fn begin(&self, layout: &Utf8Path) -> Result<(), StoreError> {
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

/// The store while no other process has it open; shared again when dropped.
#[derive(Debug)]
#[must_use = "others may use the store once this is dropped"]
pub struct Alone<'a> {
    store: &'a Store,
}

impl Store {
    /// Waits until no other process has the store open. `notice` is called once where it has to wait.
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
            // The share is given up first: two that wait for each other's would wait forever.
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
    /// The store that is held.
    #[must_use]
    pub fn store(&self) -> &Store {
        debug_assert_eq!(self.store.access(), Access::Write);
        self.store
    }
}

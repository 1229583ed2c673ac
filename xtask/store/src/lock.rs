//! Locks between processes: `flock` on files that are never removed. The kernel releases a lock
//! when its holder dies, so no lock is ever stale.

use std::fs::TryLockError;
use std::time::Duration;

use camino::Utf8Path;
use fs_err as fs;
use host::interrupt;
use host::wait::{self, Limit};

use crate::{Access, Store, StoreError};

/// Longer than the longest build of one step on a slow machine.
const PATIENCE: Duration = Duration::from_secs(6 * 60 * 60);

/// Holds a lock until dropped.
#[derive(Debug)]
#[must_use = "the lock is free once this is dropped"]
pub struct Guard {
    /// `None` in a read-only store.
    _file: Option<fs::File>,
}

impl Store {
    /// Takes the lock `name`. If another process holds it, calls `notice` once and waits. In a
    /// read-only store the lock has no effect.
    pub fn lock(&self, name: &str, notice: impl FnOnce()) -> Result<Guard, StoreError> {
        self.lock_within(name, PATIENCE, notice)
    }

    /// Like [`Store::lock`], with another time limit.
    pub fn lock_within(
        &self,
        name: &str,
        patience: Duration,
        notice: impl FnOnce(),
    ) -> Result<Guard, StoreError> {
        if self.access() == Access::Read {
            return Ok(Guard { _file: None });
        }
        let path = self.layout().join("lock").join(format!("{name}.lock"));
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| self.io(error))?;
        take(&path, patience, notice, || file.try_lock())?;
        Ok(Guard { _file: Some(file) })
    }
}

/// Tries to take a lock until it is free. Calls `notice` once if it is not free at first.
pub(crate) fn take(
    path: &Utf8Path,
    patience: Duration,
    notice: impl FnOnce(),
    try_lock: impl Fn() -> Result<(), TryLockError>,
) -> Result<(), StoreError> {
    let mut notice = Some(notice);
    let limit = Limit::within(patience).or_if(&interrupt::is_pending);
    let taken = wait::poll(limit, || match try_lock() {
        Ok(()) => Some(Ok(())),
        Err(TryLockError::WouldBlock) => {
            if let Some(notice) = notice.take() {
                notice();
            }
            None
        }
        Err(TryLockError::Error(error)) => Some(Err(StoreError::Io(error))),
    });
    taken.unwrap_or_else(|_| {
        interrupt::check()?;
        Err(StoreError::LockTimeout {
            path: path.to_owned(),
            seconds: patience.as_secs(),
        })
    })
}

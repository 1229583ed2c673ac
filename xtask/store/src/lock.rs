//! Locks over processes: `flock` on files that are never removed. The kernel frees a lock when its
//! holder dies, so none is ever stale.

use std::fs::TryLockError;
use std::time::Duration;

use fs_err as fs;
use host::clock;

use crate::{Access, Store, StoreError};

/// Longer than the longest build of one step on a slow machine.
const PATIENCE: Duration = Duration::from_secs(6 * 60 * 60);
/// First and longest time between two looks at a lock that is held.
const LOOK: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

/// Holds a lock until dropped.
#[derive(Debug)]
#[must_use = "the lock is free once this is dropped"]
pub struct Guard {
    /// `None` in a store that is read-only.
    _file: Option<fs::File>,
}

impl Store {
    /// Takes the lock `name`. Where another process holds it, `notice` is called once and then it is
    /// waited for. In a read-only store there is nothing to exclude and the lock is void.
    pub fn lock(&self, name: &str, notice: impl FnOnce()) -> Result<Guard, StoreError> {
        self.lock_within(name, PATIENCE, notice)
    }

    /// As [`Store::lock`], with another patience.
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
        let mut notice = Some(notice);
        let start = clock::monotonic();
        let mut look = LOOK.0;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Guard { _file: Some(file) }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(self.io(error)),
            }
            if let Some(notice) = notice.take() {
                notice();
            }
            if start.elapsed() >= patience {
                return Err(StoreError::LockTimeout {
                    path,
                    seconds: patience.as_secs(),
                });
            }
            clock::pause(look)?;
            look = (look * 2).min(LOOK.1);
        }
    }
}

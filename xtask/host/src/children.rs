//! The registry of live children of this process. An interruption signals all of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::process::Signal;

/// A child process that can be signalled.
pub(crate) trait Child: Send + Sync {
    /// Signals the child and its process group. Does nothing once the child was reaped.
    fn signal(&self, signal: Signal);
}

static LIVE: Mutex<BTreeMap<u32, Weak<dyn Child>>> = Mutex::new(BTreeMap::new());

/// Registers a child that has just been started.
pub(crate) fn add<C: Child + 'static>(pid: u32, child: &Arc<C>) {
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    let child: Weak<C> = Arc::downgrade(child);
    live.insert(pid, child);
}

/// Removes a child that has been reaped.
pub(crate) fn remove(pid: u32) {
    LIVE.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&pid);
}

/// Signals every live child and its group. Returns the number of children.
pub(crate) fn signal_all(signal: Signal) -> usize {
    let live: Vec<_> = {
        let live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        live.values().filter_map(Weak::upgrade).collect()
    };
    for child in &live {
        child.signal(signal);
    }
    live.len()
}

/// The number of live children.
#[must_use]
pub fn live() -> usize {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner).len()
}

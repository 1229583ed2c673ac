//! Every live child of this process, so that an interruption reaches all of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::process::Signal;

use super::running::Shared;

static LIVE: Mutex<BTreeMap<u32, Weak<Shared>>> = Mutex::new(BTreeMap::new());

/// Notes a child that has just been started.
pub(super) fn add(pid: u32, child: &Arc<Shared>) {
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.insert(pid, Arc::downgrade(child));
}

/// Forgets a child that has been reaped.
pub(super) fn remove(pid: u32) {
    LIVE.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&pid);
}

/// Signals every live child with its group; returns how many there were.
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

/// How many children are alive.
#[must_use]
pub fn live() -> usize {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner).len()
}

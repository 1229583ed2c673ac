//! Fetches sources, one file at a time, while other steps are built.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use host::interrupt::{self, Interrupted};
use host::wait::{self, Limit};
use plan::digest::Digest;
use plan::source::SourcePin;

use fetch::FetchError;

/// The progress of the fetches.
#[derive(Default)]
pub(super) struct Prefetch {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Files that are in the store, or could not be fetched.
    settled: BTreeMap<Digest, Option<FetchError>>,
    /// Nothing more will be fetched.
    ended: bool,
}

impl Prefetch {
    /// Fetches the files in this order until one fails or the run stops.
    pub(super) fn fetch(
        &self,
        pins: &[&SourcePin],
        stop: &AtomicBool,
        fetch: impl Fn(&SourcePin) -> Option<FetchError>,
    ) {
        let _end = AtEnd(self);
        for pin in pins {
            let stopped = stop.load(Ordering::Relaxed) || interrupt::received().is_some();
            if stopped || self.update(|state| state.settled.contains_key(&pin.sha256)) {
                continue;
            }
            let error = fetch(pin);
            let failed = error.is_some();
            self.update(|state| drop(state.settled.insert(pin.sha256, error)));
            if failed {
                return;
            }
        }
    }

    /// Waits until a file was fetched. Returns the error, or `None` if it succeeded or was not
    /// tried.
    pub(super) fn wait(&self, pin: &SourcePin) -> Result<Option<FetchError>, Interrupted> {
        let limit = Limit::unless(&interrupt::is_pending);
        let settled = wait::until(&self.state, &self.changed, limit, |state| {
            match state.settled.get_mut(&pin.sha256) {
                Some(error) => Some(error.take()),
                None => state.ended.then_some(None),
            }
        });
        interrupt::check()?;
        Ok(settled.ok().flatten())
    }

    fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut state);
        self.changed.notify_all();
        result
    }
}

/// Marks the end, even if the thread panics, because others wait for it.
struct AtEnd<'a>(&'a Prefetch);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.update(|state| state.ended = true);
    }
}

//! Many files: some at a time, the largest first, and on to the end whatever fails on the way.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread;

use plan::source::SourcePin;
use store::{Store, StoreError};

use super::{FetchError, Remotes, fetch};
use crate::event::Event;

/// Brings all of `pins` into the store, `at_once` at a time. The errors of those that could not be had
/// come back in the order of the pins; only a store that fails ends it early.
pub fn fetch_all(
    store: &Store,
    pins: &[&SourcePin],
    remotes: &Remotes,
    at_once: usize,
    events: &Sender<Event>,
) -> Result<Vec<FetchError>, StoreError> {
    announce(store, pins, events);
    let mut order: Vec<usize> = (0..pins.len()).collect();
    // The one that takes longest is not begun last.
    order.sort_by_key(|&at| std::cmp::Reverse(pins[at].size));
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || {
        let mut failures = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            let fetched = fetch(store, pins[at], remotes, &mut |event| {
                // Renderers may be gone: no result depends on one.
                let _ = events.send(event);
            });
            match fetched {
                Ok(_) => {}
                Err(FetchError::Store(error)) => {
                    stop.store(true, Ordering::Relaxed);
                    return Err(error);
                }
                Err(error) => failures.push((at, error)),
            }
        }
        Ok(failures)
    };
    let mut failures = thread::scope(|scope| {
        let workers = at_once.clamp(1, pins.len().max(1));
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut failures = Vec::new();
        for worker in workers {
            match worker.join() {
                Ok(failed) => failures.extend(failed?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok::<_, StoreError>(failures)
    })?;
    failures.sort_by_key(|(at, _)| *at);
    Ok(failures.into_iter().map(|(_, error)| error).collect())
}

/// Says how much there is to do.
fn announce(store: &Store, pins: &[&SourcePin], events: &Sender<Event>) {
    let missing = pins.iter().filter(|pin| !store.has_blob(&pin.sha256));
    let (files, bytes) = missing.fold((0, 0), |(files, bytes), pin| (files + 1, bytes + pin.size));
    if files > 0 {
        let _ = events.send(Event::FetchTotal { files, bytes });
    }
}

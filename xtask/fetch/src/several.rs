//! Fetches many files, several at a time, the largest first. A failure does not stop the others.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread;

use plan::source::SourcePin;
use store::{Store, StoreError};

use crate::error::FetchError;
use crate::event::Event;
use crate::file::fetch;
use crate::remote::Remotes;

/// Brings all of `pins` into the store, `at_once` at a time. Returns the errors in the order of the
/// pins. Only an error of the store ends it early.
pub fn fetch_all<E: From<Event> + Send>(
    store: &Store,
    pins: &[&SourcePin],
    remotes: &Remotes,
    at_once: usize,
    events: &Sender<E>,
) -> Result<Vec<FetchError>, StoreError> {
    // The receiver may be closed, because no result depends on an event.
    let send = |event: Event| drop(events.send(event.into()));
    announce(store, pins, send);
    let mut order: Vec<usize> = (0..pins.len()).collect();
    // The largest file starts first, so that it does not finish long after the others.
    order.sort_by_key(|&at| std::cmp::Reverse(pins[at].size));
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || {
        let mut failures = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            match fetch(store, pins[at], remotes, &mut |event| send(event)) {
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

/// Sends the total of the downloads.
fn announce(store: &Store, pins: &[&SourcePin], send: impl FnOnce(Event)) {
    let missing = pins.iter().filter(|pin| !store.has_blob(&pin.sha256));
    let (files, bytes) = missing.fold((0, 0), |(files, bytes), pin| (files + 1, bytes + pin.size));
    if files > 0 {
        send(Event::Total { files, bytes });
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Condvar, Mutex};
    use std::time::Duration;

    use camino::Utf8Path;
    use plan::digest::Digest;
    use plan::source::Location;

    use super::*;
    use crate::{Remote, RemoteError, Response, Resume};

    /// A remote that answers once a number of requests are waiting, with the last part of the URL.
    struct Gate {
        wanted: usize,
        inside: Mutex<(usize, usize)>,
        changed: Condvar,
    }

    impl Remote for Gate {
        fn get(&self, url: &str, _: Option<&Resume>) -> Result<Response, RemoteError> {
            let mut inside = self.inside.lock().unwrap();
            inside.0 += 1;
            inside.1 = inside.1.max(inside.0);
            self.changed.notify_all();
            let patience = Duration::from_secs(20);
            let (mut inside, _) = self
                .changed
                .wait_timeout_while(inside, patience, |inside| inside.1 < self.wanted)
                .unwrap();
            inside.0 -= 1;
            let name = url.rsplit('/').next().unwrap_or_default().to_owned();
            Ok(Response {
                status: if name.contains("absent") { 404 } else { 200 },
                length: None,
                validator: None,
                range: None,
                retry_after: None,
                body: Box::new(io::Cursor::new(name)),
            })
        }
    }

    /// The maximum number of concurrent downloads, and the names of the failed ones.
    fn fetched(names: &[&str], at_once: usize, wanted: usize) -> (usize, Vec<String>) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(Utf8Path::from_path(home.path()).unwrap()).unwrap();
        let gate = Arc::new(Gate {
            wanted,
            inside: Mutex::default(),
            changed: Condvar::new(),
        });
        let remotes = Remotes::online(gate.clone());
        let pins = names.iter().map(|name| SourcePin {
            file: (*name).to_owned(),
            size: name.len() as u64,
            sha256: Digest::of(name.as_bytes()),
            locations: vec![Location::Url(format!("http://x/{name}"))],
        });
        let pins: Vec<_> = pins.collect();
        let (sender, _events) = channel::<Event>();
        let pins: Vec<&SourcePin> = pins.iter().collect();
        let failed = fetch_all(&store, &pins, &remotes, at_once, &sender).unwrap();
        let there = pins.iter().filter(|pin| store.has_blob(&pin.sha256));
        assert_eq!(there.count() + failed.len(), pins.len());
        let name = |error: &FetchError| match error {
            FetchError::AllFailed { file, .. } => file.clone(),
            error => panic!("{error}"),
        };
        let most = gate.inside.lock().unwrap().1;
        (most, failed.iter().map(name).collect())
    }

    #[test]
    fn parallel_downloads_respect_their_limit() {
        let names = ["one", "two", "three", "four", "five", "six", "seven"];
        assert_eq!(fetched(&names, 3, 3), (3, vec![]));
        assert_eq!(fetched(&names, 1, 1), (1, vec![]));
        assert_eq!(fetched(&names, 100, 7), (7, vec![]));
        assert_eq!(fetched(&[], 3, 0), (0, vec![]));
    }

    #[test]
    fn failed_file_does_not_stop_others() {
        let names = ["absent-a", "b", "c", "the-absent-d", "e"];
        for at_once in [1, 2, 8] {
            let (_, failed) = fetched(&names, at_once, 1);
            assert_eq!(failed, ["absent-a", "the-absent-d"]);
        }
    }
}

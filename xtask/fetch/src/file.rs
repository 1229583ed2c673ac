//! Brings one file into the store.

use host::secret::shown;
use plan::source::SourcePin;
use store::{Store, Verified};

use crate::download::{Download, Failure};
use crate::error::{Attempt, FetchError, Missing};
use crate::event::{Event, Next};
use crate::remote::{FILE_SCHEME, Remotes};
use crate::urls::urls;

/// Returns the bytes of `pin` from the store or a download. One process downloads a file and the
/// others wait for it. An interrupted download resumes.
pub fn fetch(
    store: &Store,
    pin: &SourcePin,
    remotes: &Remotes,
    events: &mut dyn FnMut(Event),
) -> Result<Verified, FetchError> {
    if let Some(blob) = store.blob(&pin.sha256)? {
        return Ok(blob);
    }
    let urls = urls(pin, remotes);
    let allowed: Vec<&String> = urls
        .iter()
        .filter(|url| remotes.client.is_some() || url.starts_with(FILE_SCHEME))
        .collect();
    if allowed.is_empty() && remotes.client.is_none() {
        return Err(FetchError::Offline(vec![missing_file(pin, &urls)]));
    }
    let _guard = store.lock(&format!("download-{}", pin.sha256), || {
        events(Event::Waiting {
            file: pin.file.clone(),
        });
    })?;
    if let Some(blob) = store.blob(&pin.sha256)? {
        return Ok(blob);
    }
    let part = store.part(&pin.sha256)?;
    let mut tries = Vec::new();
    for (at, url) in allowed.iter().enumerate() {
        let is_last = at + 1 == allowed.len();
        let mut download = Download {
            store,
            pin,
            remotes,
            part: &part,
            events,
        };
        match download.from(url) {
            Ok(blob) => {
                events(Event::Finished {
                    file: pin.file.clone(),
                    size: pin.size,
                });
                return Ok(blob);
            }
            Err(Failure::Store(error)) => return Err(error.into()),
            Err(Failure::Location { why, hint }) => {
                events(Event::Failed {
                    file: pin.file.clone(),
                    url: shown(url),
                    why: why.clone(),
                    next: if is_last { Next::GiveUp } else { Next::NextUrl },
                });
                tries.push(Attempt {
                    url: shown(url),
                    why,
                    hint,
                });
            }
        }
    }
    Err(FetchError::AllFailed {
        file: pin.file.clone(),
        sha256: pin.sha256,
        tries,
    })
}

/// Fails early with all of `pins` that are missing while the network is disabled.
pub fn check_offline<'a>(
    store: &Store,
    pins: impl IntoIterator<Item = &'a SourcePin>,
    remotes: &Remotes,
) -> Result<(), FetchError> {
    if remotes.client.is_some() {
        return Ok(());
    }
    let mut missing = missing(store, pins, remotes);
    missing.retain(|file| {
        let mut urls = file.urls.iter();
        !urls.any(|url| url.starts_with(FILE_SCHEME))
    });
    if missing.is_empty() {
        Ok(())
    } else {
        Err(FetchError::Offline(missing))
    }
}

/// The missing ones of `pins` with their URLs, as `--offline` lists them.
#[must_use]
pub fn missing<'a>(
    store: &Store,
    pins: impl IntoIterator<Item = &'a SourcePin>,
    remotes: &Remotes,
) -> Vec<Missing> {
    let mut missing: Vec<Missing> = pins
        .into_iter()
        .filter(|pin| !store.has_blob(&pin.sha256))
        .map(|pin| missing_file(pin, &urls(pin, remotes)))
        .collect();
    missing.sort();
    missing.dedup();
    missing
}

fn missing_file(pin: &SourcePin, urls: &[String]) -> Missing {
    Missing {
        file: pin.file.clone(),
        size: pin.size,
        sha256: pin.sha256,
        urls: urls.iter().map(|url| shown(url)).collect(),
    }
}

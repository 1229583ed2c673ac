//! Brings pinned files into the store: from the store itself, else from their locations in order,
//! else from the mirrors. All downloads use [`fetch`]. Only it and the store create a [`Verified`].
//! It does not read the contents of a file.

mod availability;
mod discovery;
mod download;
mod error;
mod http;
mod remote;
mod several;

use host::secret::{SecretUrl, shown};
use plan::digest::Digest;
use plan::source::{Location, SourcePin};

use crate::event::Event;
pub use availability::{Availability, LocationCheck, check_locations};
pub use discovery::{Discovered, discover};
pub use error::{Attempt, FetchError, Missing};
pub use remote::{
    Clock, ContentRange, Head, Remote, RemoteError, Remotes, Response, Resume, SystemClock,
};
pub use several::fetch_all;
pub use store::Verified;
use store::{Store, StoreError};

use download::{Download, Failure};

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
        .filter(|url| remotes.client.is_some() || url.starts_with(remote::FILE_SCHEME))
        .collect();
    if allowed.is_empty() && remotes.client.is_none() {
        return Err(FetchError::Offline(vec![missing_file(pin, &urls)]));
    }
    let _guard = store.lock(&format!("download-{}", pin.sha256), || {
        events(Event::Waiting {
            on: format!("the download of `{}`", pin.file),
        });
    })?;
    if let Some(blob) = store.blob(&pin.sha256)? {
        return Ok(blob);
    }
    let part = store.part(&pin.sha256)?;
    let mut tries = Vec::new();
    for url in allowed {
        let mut download = Download {
            store,
            pin,
            remotes,
            part: &part,
            events,
        };
        match download.from(url) {
            Ok(blob) => {
                events(Event::FetchFinished {
                    file: pin.file.clone(),
                    size: pin.size,
                });
                return Ok(blob);
            }
            Err(Failure::Store(error)) => return Err(error.into()),
            Err(Failure::Location { why, hint }) => {
                events(Event::FetchFailed {
                    file: pin.file.clone(),
                    url: shown(url),
                    why: why.clone(),
                    again_in: None,
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
        !urls.any(|url| url.starts_with(remote::FILE_SCHEME))
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

/// All URLs of a file in the order of attempts.
fn urls(pin: &SourcePin, remotes: &Remotes) -> Vec<String> {
    let own = pin.locations.iter();
    let own = own.flat_map(|location| location_urls(location, remotes));
    let mirrored = remotes
        .mirrors
        .iter()
        .map(|base| blob_url(base.reveal(), &pin.sha256));
    let mut urls = Vec::new();
    for url in own.chain(mirrored) {
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    urls
}

/// The URLs of one location, or none if its base is unknown.
fn location_urls(location: &Location, remotes: &Remotes) -> Vec<String> {
    let below = |bases: &[SecretUrl], path: &str| {
        let urls = bases.iter().map(|base| join(base.reveal(), path));
        urls.collect()
    };
    match location {
        Location::Url(url) => vec![url.clone()],
        Location::Debian(path) => below(&remotes.debian_mirrors, path),
        Location::DebianSnapshot(sha1) => {
            below(remotes.debian_snapshot.as_slice(), &format!("file/{sha1}"))
        }
    }
}

/// The URL of a blob on a mirror.
fn blob_url(base: &str, digest: &Digest) -> String {
    join(base, &format!("blobs/sha256/{digest}"))
}

fn join(base: &str, path: &str) -> String {
    format!(
        "{}/{}",
        base.trim_end_matches('/'),
        path.trim_start_matches('/')
    )
}

#[cfg(test)]
mod tests;

//! Checks whether each location of a source still has its file. Requests only status and length, so
//! a changed file of the same length is not noticed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use host::interrupt::{self, Interrupted};
use host::secret::shown;
use plan::source::{Location, SourcePin};

use crate::error::Attempt;
use crate::remote::{FILE_SCHEME, Head, RemoteError, Remotes, get_file};
use crate::urls::location_urls;

/// Number of requests per URL.
const TRIES: u32 = 3;
/// Default pause before the next request, and the longest that a server may request.
const PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// A location and the result of its check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationCheck {
    /// File name of the source.
    pub file: String,
    /// The location as written in the recipe.
    pub location: Location,
    /// The result.
    pub availability: Availability,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// This URL has a file of the right length.
    Available(String),
    /// None of these URLs has it.
    Unavailable(Vec<Attempt>),
    /// The base URL of this kind of location is unknown.
    NotAsked,
}

impl LocationCheck {
    /// Whether the location has the file.
    #[must_use]
    pub fn is_available(&self) -> bool {
        matches!(self.availability, Availability::Available(_))
    }
}

/// Checks every location of every pin, `at_once` at a time. The results are in the order of the
/// pins and their locations.
pub fn check_locations(
    pins: &[&SourcePin],
    remotes: &Remotes,
    at_once: usize,
) -> Result<Vec<LocationCheck>, Interrupted> {
    let all = pins
        .iter()
        .flat_map(|pin| pin.locations.iter().map(move |location| (*pin, location)));
    let all: Vec<_> = all.collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut checks = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((pin, location)) = all.get(at) else {
                return Ok::<_, Interrupted>(checks);
            };
            checks.push((at, check_location(pin, location, remotes)?));
        }
    };
    let mut checks = thread::scope(|scope| {
        let workers = at_once.clamp(1, all.len().max(1));
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut checks = Vec::new();
        for worker in workers {
            match worker.join() {
                Ok(found) => checks.extend(found?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(checks)
    })?;
    checks.sort_by_key(|(at, _)| *at);
    Ok(checks.into_iter().map(|(_, check)| check).collect())
}

/// Checks the URLs of one location until one has the file.
fn check_location(
    pin: &SourcePin,
    location: &Location,
    remotes: &Remotes,
) -> Result<LocationCheck, Interrupted> {
    let mut tries = Vec::new();
    let mut found = None;
    for url in location_urls(location, remotes) {
        let why = match ask(&url, remotes)? {
            Ok(length) if length.is_none_or(|length| length == pin.size) => {
                found = Some(shown(&url));
                break;
            }
            Ok(length) => {
                let length = length.unwrap_or_default();
                format!("has {length} bytes, expected {}", pin.size)
            }
            Err(why) => why,
        };
        let url = shown(&url);
        tries.push(Attempt {
            url,
            why,
            hint: None,
        });
    }
    let availability = match found {
        Some(url) => Availability::Available(url),
        None if tries.is_empty() => Availability::NotAsked,
        None => Availability::Unavailable(tries),
    };
    Ok(LocationCheck {
        file: pin.file.clone(),
        location: location.clone(),
        availability,
    })
}

/// The length of the file at a URL, if the server sends it, or why it is unavailable.
pub(crate) fn ask(
    url: &str,
    remotes: &Remotes,
) -> Result<Result<Option<u64>, String>, Interrupted> {
    let mut left = TRIES;
    loop {
        left -= 1;
        let answer = head(url, remotes);
        interrupt::check()?;
        let (why, pause) = match answer {
            Ok(Head {
                status: 200,
                length,
                ..
            }) => return Ok(Ok(length)),
            Ok(Head {
                status,
                retry_after,
                ..
            }) => {
                let why = format!("HTTP status {status}");
                if !matches!(status, 408 | 429 | 500..=599) {
                    return Ok(Err(why));
                }
                (why, retry_after.unwrap_or(PAUSE.0).min(PAUSE.1))
            }
            Err(RemoteError {
                why, passing: true, ..
            }) => (why, PAUSE.0),
            Err(RemoteError { why, .. }) => return Ok(Err(why)),
        };
        if left == 0 {
            return Ok(Err(format!("{why} ({TRIES} tries)")));
        }
        remotes.clock.sleep(pause)?;
    }
}

fn head(url: &str, remotes: &Remotes) -> Result<Head, RemoteError> {
    if url.starts_with(FILE_SCHEME) {
        return get_file(url).map(|response| response.head());
    }
    match &remotes.client {
        Some(client) => client.head(url),
        None => Err(RemoteError {
            why: "offline".to_owned(),
            passing: false,
            hint: None,
        }),
    }
}

#[cfg(test)]
mod tests;

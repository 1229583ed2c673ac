//! Downloads one file from one URL, with retries, resumption, and checks of the server's answers.
//!
//! The bytes so far are only in the part file, so every attempt starts from the disk. Bytes that
//! came from another URL are used, because the whole file is hashed in the end. If it is wrong
//! after a resumption, it is downloaded once more from the start.

use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use fs_err as fs;
use host::interrupt;
use host::secret::shown;
use plan::source::SourcePin;
use serde::{Deserialize, Serialize};

use crate::event::{Event, Next};
use crate::remote::{FILE_SCHEME, RemoteError, Remotes, Response, Resume, get_file};
use store::{PartPaths, Store, StoreError, Verified};

/// Attempts per URL.
const TRIES: u32 = 3;
/// Shortest and longest pause before the next attempt, in seconds.
const PAUSE: (f64, f64) = (0.5, 20.0);
/// Longest pause that a server may request.
const LONGEST_ASKED: Duration = Duration::from_secs(60);
/// Time limit of any file, and the minimum rate of a large one.
const BASE_TIME: Duration = Duration::from_secs(120);
const SLOWEST: u64 = 16 * 1024;
/// Bytes between two progress events.
const PROGRESS: u64 = 1024 * 1024;

/// A download in progress.
pub(crate) struct Download<'a> {
    pub(crate) store: &'a Store,
    pub(crate) pin: &'a SourcePin,
    pub(crate) remotes: &'a Remotes,
    pub(crate) part: &'a PartPaths,
    pub(crate) events: &'a mut dyn FnMut(Event),
}

/// Why a URL did not give the file.
pub(crate) enum Failure {
    /// The store failed, so no other URL would help.
    Store(StoreError),
    /// The location failed.
    Location {
        /// Its answer.
        why: String,
        /// The command that fixes the error, if known.
        hint: Option<String>,
    },
}

/// The result of one request.
enum Outcome {
    /// The part file has the full length. `resumed` is true if its beginning is from an earlier
    /// request.
    Whole { resumed: bool },
    /// The same URL may succeed later: at once, or after a pause that it may have requested.
    Again { why: String, pause: Pause },
    /// The URL will not succeed.
    Never {
        /// Its answer.
        why: String,
        /// The command that fixes the error, if known.
        hint: Option<String>,
    },
}

/// When to retry.
enum Pause {
    None,
    Usual,
    Asked(Duration),
}

/// The URL that the part file came from, without user and password.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Origin {
    url: String,
    validator: Option<String>,
}

impl Download<'_> {
    /// Downloads the file from `url` into the store.
    pub(crate) fn from(&mut self, url: &str) -> Result<Verified, Failure> {
        let mut left = TRIES;
        let mut clean_try_left = true;
        loop {
            left -= 1;
            match self.request(url).map_err(Failure::Store)? {
                Outcome::Whole { resumed } => {
                    match self.store.adopt(&self.part.bytes, &self.pin.sha256) {
                        Ok(blob) => {
                            self.forget_origin();
                            return Ok(blob);
                        }
                        Err(StoreError::Corrupt { expected, got, .. }) => {
                            self.drop_part().map_err(Failure::Store)?;
                            if !resumed || !clean_try_left {
                                return Err(refused(format!(
                                    "digest mismatch: expected sha256 {expected}, found {got}"
                                )));
                            }
                            clean_try_left = false;
                            left = left.max(1);
                        }
                        Err(error) => return Err(Failure::Store(error)),
                    }
                }
                Outcome::Never { why, hint } => return Err(Failure::Location { why, hint }),
                Outcome::Again { why, .. } if left == 0 => {
                    return Err(refused(format!("{why} ({TRIES} tries)")));
                }
                Outcome::Again { why, pause } => {
                    self.pause(url, why, &pause, TRIES - left)
                        .map_err(Failure::Store)?;
                }
            }
        }
    }

    fn pause(
        &mut self,
        url: &str,
        why: String,
        pause: &Pause,
        failed: u32,
    ) -> Result<(), StoreError> {
        let time = match pause {
            Pause::None => Duration::ZERO,
            Pause::Asked(time) => (*time).min(LONGEST_ASKED),
            Pause::Usual => {
                let longest = (PAUSE.0 * f64::from(1 << failed.min(8))).min(PAUSE.1);
                let spread = (longest - PAUSE.0) * self.remotes.clock.chance();
                Duration::from_secs_f64(PAUSE.0 + spread)
            }
        };
        (self.events)(Event::Failed {
            file: self.pin.file.clone(),
            url: shown(url),
            why,
            next: Next::Retry {
                seconds: time.as_secs_f64(),
            },
        });
        if !time.is_zero() {
            self.remotes.clock.sleep(time)?;
        }
        Ok(())
    }

    /// Sends one request and handles its answer.
    fn request(&mut self, url: &str) -> Result<Outcome, StoreError> {
        let mut offset = self.part_length()?;
        if offset > self.pin.size {
            self.drop_part()?;
            offset = 0;
        }
        if offset == self.pin.size {
            return Ok(Outcome::Whole { resumed: true });
        }
        let kept = self
            .origin()
            .filter(|origin| origin.url == shown(url))
            .unwrap_or_default();
        let resume = (offset > 0).then(|| Resume {
            offset,
            validator: kept.validator.clone(),
        });
        let response = self.get(url, resume.as_ref());
        interrupt::check()?;
        let response = match response {
            Ok(response) => response,
            Err(error) if error.passing => return Ok(retryable(error.why)),
            Err(RemoteError { why, hint, .. }) => return Ok(Outcome::Never { why, hint }),
        };
        match response.status {
            200 => {
                self.drop_part()?;
                self.receive(url, response, 0)
            }
            206 if offset > 0 => {
                let right = response.range.is_some_and(|range| {
                    range.start == offset && range.total.is_none_or(|total| total == self.pin.size)
                });
                let changed = kept.validator.is_some() && response.validator != kept.validator;
                if right && !changed {
                    return self.receive(url, response, offset);
                }
                self.drop_part()?;
                let why = if changed {
                    "the file changed"
                } else {
                    "sent a different range than requested"
                };
                Ok(Outcome::Again {
                    why: why.to_owned(),
                    pause: Pause::None,
                })
            }
            416 if offset > 0 => {
                self.drop_part()?;
                let why = "range not satisfiable".to_owned();
                Ok(Outcome::Again {
                    why,
                    pause: Pause::None,
                })
            }
            status @ (408 | 429 | 500..=599) => {
                let why = format!("HTTP status {status}");
                let pause = response.retry_after.map_or(Pause::Usual, Pause::Asked);
                Ok(Outcome::Again { why, pause })
            }
            status => Ok(never(format!("HTTP status {status}"))),
        }
    }

    fn get(&self, url: &str, resume: Option<&Resume>) -> Result<Response, RemoteError> {
        if url.starts_with(FILE_SCHEME) {
            return get_file(url);
        }
        match &self.remotes.client {
            Some(client) => client.get(url, resume),
            None => Err(RemoteError {
                why: "offline".to_owned(),
                passing: false,
                hint: None,
            }),
        }
    }

    /// Appends a body to the part file, which is `offset` bytes long.
    fn receive(
        &mut self,
        url: &str,
        mut response: Response,
        offset: u64,
    ) -> Result<Outcome, StoreError> {
        let size = self.pin.size;
        if let Some(length) = response.length.filter(|length| offset + length != size) {
            self.drop_part()?;
            return Ok(never(format!(
                "has {} bytes, expected {size}",
                offset + length
            )));
        }
        let wrap = |error| StoreError::io(self.store.root(), error).needing(size - offset);
        let origin = Origin {
            url: shown(url),
            validator: response.validator.take(),
        };
        let text = serde_json::to_vec(&origin).map_err(io::Error::from)?;
        fs::write(&self.part.origin, text).map_err(wrap)?;
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.part.bytes)
            .map_err(wrap)?;
        let file_name = &self.pin.file;
        (self.events)(Event::Started {
            file: file_name.clone(),
            url: shown(url),
            offset,
            size,
        });
        let deadline = self.remotes.clock.now() + BASE_TIME + Duration::from_secs(size / SLOWEST);
        let mut buffer = vec![0; 128 * 1024];
        let (mut done, mut reported) = (offset, offset);
        loop {
            let read = response.body.read(&mut buffer);
            interrupt::check()?;
            let count = match read {
                Ok(0) if done == size => {
                    return Ok(Outcome::Whole {
                        resumed: offset > 0,
                    });
                }
                Ok(0) => return Ok(retryable(format!("ended after {done} of {size} bytes"))),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Ok(retryable(format!("{error} after {done} of {size} bytes")));
                }
            };
            done += count as u64;
            if done > size {
                drop(file);
                self.drop_part()?;
                return Ok(never(format!("more than the expected {size} bytes")));
            }
            file.write_all(&buffer[..count]).map_err(wrap)?;
            if done - reported >= PROGRESS || done == size {
                reported = done;
                (self.events)(Event::Progress {
                    file: file_name.clone(),
                    done,
                    size,
                });
            }
            if self.remotes.clock.now() > deadline {
                return Ok(never(format!("too slow: {done} of {size} bytes")));
            }
        }
    }

    fn part_length(&self) -> Result<u64, StoreError> {
        match fs::metadata(&self.part.bytes) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(StoreError::io(self.store.root(), error)),
        }
    }

    fn origin(&self) -> Option<Origin> {
        serde_json::from_slice(&fs::read(&self.part.origin).ok()?).ok()
    }

    fn forget_origin(&self) {
        // It is useless without its part file, and the next download replaces it.
        let _ = fs::remove_file(&self.part.origin);
    }

    fn drop_part(&self) -> Result<(), StoreError> {
        self.forget_origin();
        match fs::remove_file(&self.part.bytes) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io(self.store.root(), error))
            }
            _ => Ok(()),
        }
    }
}

fn refused(why: String) -> Failure {
    Failure::Location { why, hint: None }
}

fn never(why: String) -> Outcome {
    Outcome::Never { why, hint: None }
}

fn retryable(why: String) -> Outcome {
    Outcome::Again {
        why,
        pause: Pause::Usual,
    }
}

//! Finds a file that no recipe pins yet: downloads it from the first location that has it, measures
//! and stores it, and checks whether the other locations agree. Only here are bytes accepted
//! without a digest to compare with. A person compares them before the recipe is committed.

use std::io::{self, Read, Write as _};

use camino::Utf8Path;
use fs_err as fs;
use host::interrupt::{self, Interrupted};
use host::secret::shown;
use plan::bump::{Candidate, alternatives};
use plan::digest::Digest;
use plan::source::{Location, Sha1};
use sha1::Digest as _;
use sha2::Sha256;
use store::{Store, StoreError};

use crate::availability;
use crate::error::{Attempt, FetchError};
use crate::remote::{FILE_SCHEME, RemoteError, Remotes, Response, get_file};
use crate::urls::location_urls;

/// Maximum size of a source in bytes.
const LONGEST: u64 = 4 << 30;
/// Maximum size of a directory listing in bytes.
const LISTING: u64 = 4 << 20;

/// The facts about a found file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// Its location, with the name under which it was found.
    pub candidate: Candidate,
    /// The URL of the download.
    pub url: String,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// SHA-1 of the file.
    pub sha1: Sha1,
    /// The other locations: `None` if one has a file of this length, else the reason.
    pub others: Vec<(Location, Option<String>)>,
}

/// Finds the file of `candidate`, whose version is `version`, and puts it into the store.
pub fn discover(
    store: &Store,
    candidate: &Candidate,
    version: &str,
    remotes: &Remotes,
) -> Result<Discovered, FetchError> {
    let area = store.workspace()?;
    let part = area.path().join("source");
    let mut tries = Vec::new();
    let found = find(candidate, version, remotes, &part, &mut tries);
    let found = found.map_err(|error| match error {
        Halt::Disk(error) => StoreError::io(store.root(), error),
        Halt::Interrupted(error) => error.into(),
    })?;
    let Some((candidate, downloaded)) = found else {
        let file = candidate.file.clone();
        return Err(FetchError::NotFound { file, tries });
    };
    let Downloaded {
        url,
        size,
        sha256,
        sha1,
    } = downloaded;
    store.adopt(&part, &sha256)?;
    let others = agreement(&candidate, &url, size, &sha1, remotes)?;
    Ok(Discovered {
        candidate,
        url: shown(&url),
        size,
        sha256,
        sha1,
        others,
    })
}

/// Compares the length with the file at every other location.
fn agreement(
    candidate: &Candidate,
    url: &str,
    size: u64,
    sha1: &Sha1,
    remotes: &Remotes,
) -> Result<Vec<(Location, Option<String>)>, FetchError> {
    let mut others = Vec::new();
    for location in &candidate.locations {
        let snapshot = || Location::DebianSnapshot(sha1.clone());
        let location = location.clone().unwrap_or_else(snapshot);
        let urls = location_urls(&location, remotes);
        if urls.iter().any(|one| one == url) {
            continue;
        }
        let mut why = Some("no URL is known".to_owned());
        for one in urls {
            why = match availability::ask(&one, remotes).map_err(StoreError::from)? {
                Ok(length) if length.is_none_or(|length| length == size) => None,
                Ok(_) => Some(format!("{}: another length", shown(&one))),
                Err(why) => Some(format!("{}: {why}", shown(&one))),
            };
            if why.is_none() {
                break;
            }
        }
        others.push((location, why));
    }
    Ok(others)
}

/// A downloaded file with its facts.
struct Downloaded {
    url: String,
    size: u64,
    sha256: Digest,
    sha1: Sha1,
}

/// What ends a search early.
enum Halt {
    Disk(io::Error),
    Interrupted(Interrupted),
}

/// Downloads the file under its likely name, else under a similar one.
fn find(
    candidate: &Candidate,
    version: &str,
    remotes: &Remotes,
    part: &Utf8Path,
    tries: &mut Vec<Attempt>,
) -> Result<Option<(Candidate, Downloaded)>, Halt> {
    if let Some(done) = download_any(candidate, remotes, part, tries)? {
        return Ok(Some((candidate.clone(), done)));
    }
    for file in renamed(candidate, version, remotes) {
        let other = candidate.with_file(&file);
        if let Some(done) = download_any(&other, remotes, part, tries)? {
            return Ok(Some((other, done)));
        }
    }
    Ok(None)
}

/// Downloads from the first location that has the file.
fn download_any(
    candidate: &Candidate,
    remotes: &Remotes,
    part: &Utf8Path,
    tries: &mut Vec<Attempt>,
) -> Result<Option<Downloaded>, Halt> {
    let urls = candidate.locations.iter().flatten();
    for url in urls.flat_map(|location| location_urls(location, remotes)) {
        let why = match get(&url, remotes) {
            Ok(response) => match receive(response, part) {
                Ok((size, sha256, sha1)) => {
                    return Ok(Some(Downloaded {
                        url,
                        size,
                        sha256,
                        sha1,
                    }));
                }
                Err(Broken::Transfer(why)) => why,
                Err(Broken::Disk(error)) => return Err(Halt::Disk(error)),
            },
            Err(why) => why,
        };
        interrupt::check().map_err(Halt::Interrupted)?;
        let url = shown(&url);
        tries.push(Attempt {
            url,
            why,
            hint: None,
        });
    }
    Ok(None)
}

/// Other names of the file in the directories of its pool.
fn renamed(candidate: &Candidate, version: &str, remotes: &Remotes) -> Vec<String> {
    let mut names = Vec::new();
    for location in candidate.locations.iter().flatten() {
        let Location::Debian(path) = location else {
            continue;
        };
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let folder = Location::Debian(format!("{folder}/"));
        for url in location_urls(&folder, remotes) {
            let mut listing = Vec::new();
            // A mirror without listings offers no other names.
            if let Ok(response) = get(&url, remotes)
                && response
                    .body
                    .take(LISTING)
                    .read_to_end(&mut listing)
                    .is_ok()
            {
                let listing = String::from_utf8_lossy(&listing);
                names.extend(alternatives(&listing, &candidate.file, version));
            }
        }
    }
    names.dedup();
    names
}

fn get(url: &str, remotes: &Remotes) -> Result<Response, String> {
    let answer = match &remotes.client {
        _ if url.starts_with(FILE_SCHEME) => get_file(url),
        Some(client) => client.get(url, None),
        None => Err(RemoteError {
            why: "offline".to_owned(),
            passing: false,
            hint: None,
        }),
    };
    match answer {
        Ok(response) if response.status == 200 => Ok(response),
        Ok(response) => Err(format!("HTTP status {}", response.status)),
        Err(error) => Err(error.why),
    }
}

/// Why a body was not stored as a file.
enum Broken {
    Transfer(String),
    Disk(io::Error),
}

fn receive(mut response: Response, part: &Utf8Path) -> Result<(u64, Digest, Sha1), Broken> {
    let mut file = fs::File::create(part).map_err(Broken::Disk)?;
    let (mut sha256, mut sha1) = (Sha256::new(), sha1::Sha1::new());
    let mut buffer = vec![0; 128 * 1024];
    let mut size = 0;
    loop {
        let count = match response.body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Broken::Transfer(format!("{error} after {size} bytes"))),
        };
        size += count as u64;
        if size > LONGEST {
            return Err(Broken::Transfer(format!("more than {LONGEST} bytes")));
        }
        sha256.update(&buffer[..count]);
        sha1.update(&buffer[..count]);
        file.write_all(&buffer[..count]).map_err(Broken::Disk)?;
    }
    if let Some(length) = response.length.filter(|length| *length != size) {
        let why = format!("ended after {size} of {length} bytes");
        return Err(Broken::Transfer(why));
    }
    if size == 0 {
        return Err(Broken::Transfer("an empty file".to_owned()));
    }
    let sha1 = Sha1::from_bytes(sha1.finalize().into());
    Ok((size, Digest::from_bytes(sha256.finalize().into()), sha1))
}

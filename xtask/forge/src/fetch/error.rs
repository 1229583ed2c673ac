//! Why a file could not be fetched: every place that was asked, with its answer.

use std::fmt::{self, Write as _};

use plan::digest::Digest;

use super::StoreError;

/// A file that is not in the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// File name.
    pub file: String,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: Digest,
    /// Where it is available.
    pub urls: Vec<String>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` ({} bytes, sha256 {})",
            self.file, self.size, self.sha256
        )?;
        self.urls
            .iter()
            .try_for_each(|url| write!(f, "\n    {url}"))
    }
}

/// One place and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The place.
    pub url: String,
    /// Its answer.
    pub why: String,
    /// What fixes it, where that is known.
    pub hint: Option<String>,
}

/// Why a file could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Files are not in the store and no server may be contacted.
    #[error("not in the store, and `--offline` is set:{}", lines(.0))]
    Offline(Vec<Missing>),
    /// No place had it.
    #[error("failed to download `{file}` (sha256 {sha256}){}", answers(.tries))]
    AllFailed {
        /// File name.
        file: String,
        /// SHA-256 that is wanted.
        sha256: Digest,
        /// All places, in the order in which they were asked.
        tries: Vec<Attempt>,
    },
    /// No location has a file of this name, or of a similar one.
    #[error("failed to find `{file}`{}", answers(.tries))]
    NotFound {
        /// File name.
        file: String,
        /// What each URL answered.
        tries: Vec<Attempt>,
    },
    /// Several files were wanted, and not all could be fetched.
    #[error("failed to download {} of {wanted} files:{}", failed.len(), indented(.failed))]
    Several {
        /// How many were wanted.
        wanted: usize,
        /// Why each of the others could not be fetched.
        failed: Vec<FetchError>,
    },
}

impl FetchError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Offline(_) => Some("with a network: cargo xtask fetch --sources".to_owned()),
            Self::AllFailed { tries, .. } if tries.is_empty() => Some(
                "set a Debian mirror with --debian-mirror URL or KILN_DEBIAN_MIRROR".to_owned(),
            ),
            Self::NotFound { .. } => Some(
                "correct `file` and `locations` in the recipe, then run the command again"
                    .to_owned(),
            ),
            Self::Several { failed, .. } => {
                let mut hints = failed.iter().filter_map(Self::hint);
                hints.next()
            }
            Self::AllFailed { tries, .. } => {
                let known = tries.iter().find_map(|one| one.hint.clone());
                Some(known.unwrap_or_else(|| {
                    "name a mirror with --mirror or KILN_MIRROR; an unfinished download is resumed"
                        .to_owned()
                }))
            }
        }
    }
}

fn lines(missing: &[Missing]) -> String {
    missing.iter().fold(String::new(), |mut text, file| {
        let _ = write!(text, "\n  {file}");
        text
    })
}

fn indented(failed: &[FetchError]) -> String {
    failed.iter().fold(String::new(), |mut text, error| {
        let _ = write!(text, "\n  {}", error.to_string().replace('\n', "\n  "));
        text
    })
}

fn answers(tries: &[Attempt]) -> String {
    if tries.is_empty() {
        return ": no location is configured".to_owned();
    }
    tries.iter().fold(":".to_owned(), |mut text, one| {
        let _ = write!(text, "\n  {}: {}", one.url, one.why);
        text
    })
}

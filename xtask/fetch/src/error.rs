//! Why a file could not be fetched: every URL with its answer.

use std::fmt::{self, Write as _};

use plan::digest::Digest;

use store::StoreError;

/// A file that is not in the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// File name.
    pub file: String,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: Digest,
    /// Its URLs.
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

/// One URL and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The URL.
    pub url: String,
    /// Its answer.
    pub why: String,
    /// The command that fixes the error, if known.
    pub hint: Option<String>,
}

/// Why a file could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Files are missing and the network is disabled.
    #[error("not in the store, and `--offline` is set:{}", lines(.0))]
    Offline(Vec<Missing>),
    /// No URL had the file.
    #[error("failed to download `{file}` (sha256 {sha256}){}", answers(.tries))]
    AllFailed {
        /// File name.
        file: String,
        /// The expected SHA-256.
        sha256: Digest,
        /// All URLs in the order of attempts.
        tries: Vec<Attempt>,
    },
    /// No location has a file of this or a similar name.
    #[error("failed to find `{file}`{}", answers(.tries))]
    NotFound {
        /// File name.
        file: String,
        /// The answer of each URL.
        tries: Vec<Attempt>,
    },
    /// Some of several files could not be fetched.
    #[error("failed to download {} of {wanted} files:{}", failed.len(), indented(.failed))]
    Several {
        /// Number of requested files.
        wanted: usize,
        /// The errors of the failed files.
        failed: Vec<FetchError>,
    },
}

impl FetchError {
    /// The command that fixes the error, if one exists.
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
                    "set a mirror with --mirror or KILN_MIRROR; an unfinished download is resumed"
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

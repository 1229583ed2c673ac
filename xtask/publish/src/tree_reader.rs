//! Reads a published tree from a directory or a web server.

use std::io::{self, Read};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use host::secret::SecretUrl;
use net::{Client, HttpError};
use plan::digest::Digest;
use sha2::{Digest as _, Sha256};

/// Size limit of files that are read into memory.
pub(crate) const TEXT: u64 = 16 << 20;

/// Why a tree could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system or a transfer failed.
    #[error("failed to read `{path}`")]
    Io {
        /// Path in the tree.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// A request failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A text file is too large.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

impl ReadError {
    /// The command that fixes the error, if one exists.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            // A private bucket answers like this without credentials.
            Self::Http(HttpError::Status { url, status, .. }) if url.starts_with("s3://") => {
                advice(*status).map(str::to_owned)
            }
            Self::Http(error) => error.hint(),
            Self::Io { .. } | Self::TooLarge(_) => None,
        }
    }
}

impl ReadError {
    /// Whether no other file of the tree can be fetched either: the server is unreachable, or the
    /// run is interrupted.
    pub(crate) fn is_of_the_place(&self) -> bool {
        let error = match self {
            Self::Http(error) => Some(error),
            Self::Io { source, .. } => HttpError::from_io(source),
            Self::TooLarge(_) => None,
        };
        matches!(
            error,
            Some(
                HttpError::Connect { .. }
                    | HttpError::Tls { .. }
                    | HttpError::Interrupted(_)
                    | HttpError::Setup { .. }
                    | HttpError::BadUrl { .. }
            )
        )
    }

    /// Why one file cannot be fetched.
    pub(crate) fn why(&self) -> String {
        match self {
            Self::Io { source, .. } => source.to_string(),
            Self::Http(_) | Self::TooLarge(_) => self.to_string(),
        }
    }
}

/// Advice for a server that refuses an upload with this status. Files that it already has are found
/// on the next attempt, and no reader finds them before the release is complete.
pub(crate) fn advice(status: u16) -> Option<&'static str> {
    Some(match status {
        401 | 403 => {
            "check the credentials in the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of a \
             bucket, KILN_REGISTRY_USER and KILN_REGISTRY_PASSWORD of a registry"
        }
        404 => "make the bucket or the repository first",
        405 => "the server takes nothing: its configuration says whether it is read-only",
        413 => "the server, or a proxy before it, limits the size of a request: raise the limit",
        500..=599 => {
            "check the server's log and free disk space, then run the same command again: it resumes"
        }
        _ => return None,
    })
}

/// A readable tree.
pub trait TreeReader {
    /// Opens a file, if it exists.
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read>>, ReadError>;

    /// The names in a folder of the tree, if they can be listed.
    fn folders(&self, folder: &str) -> Result<Option<Vec<String>>, ReadError>;

    /// Every file of the tree, if they can be listed.
    fn files(&self) -> Result<Option<Vec<String>>, ReadError> {
        Ok(None)
    }

    /// The names in the base of the tree, if they can be listed.
    fn names(&self) -> Result<Option<Vec<String>>, ReadError> {
        self.folders("")
    }

    /// Reads a small file.
    fn text(&self, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(file) = self.open(path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let io = |source| ReadError::Io {
            path: path.to_owned(),
            source,
        };
        let count = file.take(TEXT + 1).read_to_end(&mut bytes).map_err(io)?;
        if count as u64 > TEXT {
            return Err(ReadError::TooLarge(path.to_owned()));
        }
        Ok(Some(bytes))
    }

    /// Size and digest of a file, if it exists. Reads at most `most` + 1 bytes.
    fn digest(&self, path: &str, most: u64) -> Result<Option<(u64, Digest)>, ReadError> {
        let Some(file) = self.open(path)? else {
            return Ok(None);
        };
        let mut file = Hashing::new(file.take(most.saturating_add(1)));
        io::copy(&mut file, &mut io::sink()).map_err(|source| ReadError::Io {
            path: path.to_owned(),
            source,
        })?;
        Ok(Some(file.finish()))
    }
}

/// A tree in a directory.
#[derive(Debug, Clone)]
pub struct Directory(pub Utf8PathBuf);

impl TreeReader for Directory {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read>>, ReadError> {
        match fs::File::open(inside(&self.0, path)) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if is_absence(&error) => Ok(None),
            Err(source) => Err(ReadError::Io {
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn folders(&self, folder: &str) -> Result<Option<Vec<String>>, ReadError> {
        let io = |source| ReadError::Io {
            path: folder.to_owned(),
            source,
        };
        let mut names = Vec::new();
        match fs::read_dir(inside(&self.0, folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            entries => {
                for entry in entries.map_err(io)? {
                    names.push(
                        entry
                            .map_err(io)?
                            .file_name()
                            .to_string_lossy()
                            .into_owned(),
                    );
                }
            }
        }
        names.sort();
        Ok(Some(names))
    }

    fn files(&self) -> Result<Option<Vec<String>>, ReadError> {
        let (mut folders, mut files) = (vec![String::new()], Vec::new());
        while let Some(folder) = folders.pop() {
            let io = |source| ReadError::Io {
                path: folder.clone(),
                source,
            };
            for entry in fs::read_dir(inside(&self.0, &folder)).map_err(io)? {
                let entry = entry.map_err(io)?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = format!("{folder}{name}");
                // A link to a folder is not a folder: it may lead out of the tree.
                if entry.file_type().map_err(io)?.is_dir() {
                    folders.push(format!("{path}/"));
                } else {
                    files.push(path);
                }
            }
        }
        files.sort();
        Ok(Some(files))
    }
}

/// Whether the error means that the file does not exist.
fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// A tree on a web server.
#[derive(Debug, Clone)]
pub struct Web {
    /// The HTTP client.
    pub client: Client,
    /// The URL of the tree.
    pub base: SecretUrl,
}

impl TreeReader for Web {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read>>, ReadError> {
        let url = format!("{}/{path}", self.base.reveal().trim_end_matches('/'));
        match self.client.get(&url, None) {
            Ok(response) => Ok(Some(Box::new(response))),
            Err(HttpError::Status {
                status: 404 | 410, ..
            }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn folders(&self, _folder: &str) -> Result<Option<Vec<String>>, ReadError> {
        Ok(None)
    }
}

/// A path below a directory. Paths from untrusted lists never lead out of it.
pub(crate) fn inside(base: &Utf8Path, path: &str) -> Utf8PathBuf {
    let mut full = base.to_owned();
    full.extend(
        path.split('/')
            .filter(|part| !matches!(*part, "" | "." | "..")),
    );
    full
}

/// A reader that hashes what is read.
pub(crate) struct Hashing<R> {
    inner: R,
    hasher: Sha256,
    size: u64,
}

impl<R: Read> Hashing<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
            size: 0,
        }
    }

    /// Size and digest of the data.
    pub(crate) fn finish(self) -> (u64, Digest) {
        (self.size, Digest::from_bytes(self.hasher.finalize().into()))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}

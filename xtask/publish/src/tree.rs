//! Writes a published tree: files that never change, and a few that are replaced atomically.

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;
use fs_err as fs;
use net::HttpError;
use plan::digest::Digest;

use crate::release::{Content, PublishedFile, blob_path};
use crate::tree_reader::{Directory, Hashing, ReadError, TreeReader, advice, inside};

/// Why a tree could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// It cannot be read.
    #[error(transparent)]
    Reader(#[from] ReadError),
    /// The file system failed.
    #[error("failed to write `{path}`")]
    Io {
        /// Path in the tree.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// A published file would change.
    #[error("`{path}` is already published with different content: {is}, expected {wanted}")]
    Differs {
        /// Path in the tree.
        path: String,
        /// The existing digest.
        is: Digest,
        /// The new digest.
        wanted: Digest,
    },
    /// A source file changed during the publication.
    #[error("`{path}` changed after the release was planned")]
    Changed {
        /// Path in the tree.
        path: String,
    },
    /// A request failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The server refused a request.
    #[error("the server refused `{path}` with status {status}: {why}")]
    Refused {
        /// Path in the tree.
        path: String,
        /// HTTP status.
        status: u16,
        /// The server's message.
        why: String,
    },
    /// The server stored other bytes than were sent.
    #[error("the server stored different bytes of `{0}` than were sent")]
    Lost(String),
    /// The configuration is unusable.
    #[error("{0}")]
    Setup(String),
}

impl TreeError {
    /// The command that fixes the error, if one exists.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Reader(error) => error.hint(),
            Self::Http(error) => error.hint(),
            Self::Differs { path, .. } if path.starts_with("manifests/") => Some(
                "push under another tag, or delete the existing tag in the registry".to_owned(),
            ),
            Self::Differs { .. } => Some("publish it under another --version".to_owned()),
            Self::Refused { status, .. } => advice(*status).map(str::to_owned),
            Self::Lost(_) => Some("run the same command again: it resumes".to_owned()),
            Self::Io { .. } | Self::Changed { .. } | Self::Setup(_) => None,
        }
    }
}

/// A writable tree. Each call is atomic, even if the program dies in it.
pub trait Tree: TreeReader {
    /// Whether a file exists with the right bytes. Fails if it has others.
    fn has(&self, file: &PublishedFile) -> Result<bool, TreeError> {
        has_content(self, file)
    }

    /// Publishes a file that never changes. An existing file must have the same bytes.
    fn put(&mut self, file: &PublishedFile) -> Result<(), TreeError>;

    /// Replaces a file atomically.
    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), TreeError>;

    /// Removes a file, and the folders that are empty afterwards.
    fn remove(&mut self, path: &str) -> Result<(), TreeError>;
}

/// Whether the file exists with the right bytes. Fails if it has others.
pub(crate) fn has_content<P: TreeReader + ?Sized>(
    place: &P,
    file: &PublishedFile,
) -> Result<bool, TreeError> {
    let wanted = file.content.digest();
    match place.digest(&file.path, file.content.size())? {
        None => Ok(false),
        Some((_, is)) if is == wanted => Ok(true),
        Some((_, is)) => Err(TreeError::Differs {
            path: file.path.clone(),
            is,
            wanted,
        }),
    }
}

impl Tree for Directory {
    fn put(&mut self, file: &PublishedFile) -> Result<(), TreeError> {
        if self.has(file)? {
            return Ok(());
        }
        let io = |source| TreeError::Io {
            path: file.path.clone(),
            source,
        };
        let path = inside(&self.0, &file.path);
        let blob = inside(&self.0, &blob_path(&file.content.digest()));
        let folder = path.parent().unwrap_or(&self.0);
        fs::create_dir_all(folder).map_err(io)?;
        // One copy serves the blob and its names. Without hard links there are several.
        if blob != path && fs::hard_link(&blob, &path).is_ok() {
            return sync(folder).map_err(io);
        }
        let mut bytes: Box<dyn Read> = match &file.content {
            Content::Bytes(bytes) => Box::new(bytes.as_slice()),
            Content::Blob(blob) => Box::new(fs::File::open(&blob.path).map_err(io)?),
        };
        let mut staged = staged(folder).map_err(io)?;
        let mut hashing = Hashing::new(&mut bytes);
        io::copy(&mut hashing, &mut staged).map_err(io)?;
        if hashing.finish() != (file.content.size(), file.content.digest()) {
            let path = file.path.clone();
            return Err(TreeError::Changed { path });
        }
        staged.as_file().sync_all().map_err(io)?;
        if let Err(error) = staged.persist_noclobber(&path) {
            // Another publisher was faster: its bytes are compared as for any existing file.
            if error.error.kind() != io::ErrorKind::AlreadyExists || !self.has(file)? {
                return Err(io(error.error));
            }
        }
        sync(folder).map_err(io)
    }

    fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), TreeError> {
        let io = |source| TreeError::Io {
            path: path.to_owned(),
            source,
        };
        let full = inside(&self.0, path);
        let folder = full.parent().unwrap_or(&self.0);
        fs::create_dir_all(folder).map_err(io)?;
        let mut staged = staged(folder).map_err(io)?;
        staged.write_all(bytes).map_err(io)?;
        staged.as_file().sync_all().map_err(io)?;
        staged.persist(&full).map_err(|error| io(error.error))?;
        sync(folder).map_err(io)
    }

    fn remove(&mut self, path: &str) -> Result<(), TreeError> {
        let full = inside(&self.0, path);
        match fs::remove_file(&full) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(TreeError::Io {
                    path: path.to_owned(),
                    source: error,
                });
            }
            _ => {}
        }
        let folders = full
            .ancestors()
            .skip(1)
            .take_while(|folder| *folder != self.0);
        for folder in folders {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// A temporary file with the permissions that a web server needs.
fn staged(folder: &Utf8Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".kiln-")
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(folder)
}

fn sync(folder: &Utf8Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

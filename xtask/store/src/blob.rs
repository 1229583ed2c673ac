//! Blobs: files named by their SHA-256. Only this module accepts bytes from outside.

use std::io;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use plan::digest::Digest;

use crate::durable::sync_directory;
use crate::hash::digest_file;
use crate::{Store, StoreError};

/// A file whose bytes were hashed and are correct. Only the store creates one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    path: Utf8PathBuf,
    digest: Digest,
    size: u64,
}

impl Verified {
    /// Creates another name for the blob in the store, without a second copy if the file system
    /// allows. A file outside the store must not share the blob: see [`Self::copy_to`].
    pub fn lay_out(&self, path: &Utf8Path) -> io::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        match fs::hard_link(&self.path, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(_) => fs::copy(&self.path, path).map(drop),
            Ok(()) => Ok(()),
        }
    }

    /// Copies the blob to a file outside the store and replaces an existing file. The copy may be
    /// changed or removed. File systems with reflinks share the blocks.
    pub fn copy_to(&self, path: &Utf8Path, mode: u32) -> io::Result<()> {
        let folder = path.parent().unwrap_or_else(|| Utf8Path::new("."));
        fs::create_dir_all(folder)?;
        let staged = tempfile::NamedTempFile::new_in(folder)?;
        fs::copy(&self.path, staged.path())?;
        fs::set_permissions(staged.path(), std::fs::Permissions::from_mode(mode))?;
        staged.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Its SHA-256.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// The files of an unfinished download.
#[derive(Debug)]
pub struct PartPaths {
    /// The bytes so far.
    pub bytes: Utf8PathBuf,
    /// The URL that they came from.
    pub origin: Utf8PathBuf,
}

impl Store {
    /// The path of a blob, whether or not it exists.
    #[must_use]
    pub fn blob_path(&self, digest: &Digest) -> Utf8PathBuf {
        self.layout().join("blobs/sha256").join(digest.to_string())
    }

    /// Returns the blob with this SHA-256 after hashing it again. A corrupt one goes to quarantine
    /// and counts as absent.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Verified>, StoreError> {
        let path = self.blob_path(digest);
        match digest_file(&path) {
            Ok((size, got)) if got == *digest => {
                self.touch(&path);
                Ok(Some(Verified {
                    path,
                    digest: got,
                    size,
                }))
            }
            Ok((size, got)) => {
                let why = format!(
                    "blob `{digest}` is corrupt: expected sha256 {digest}, found {got} ({size} bytes)"
                );
                self.quarantine(&path, &why)
                    .map_err(|error| self.io(error))?;
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.io(error)),
        }
    }

    /// Whether a blob exists, without a check of its bytes.
    #[must_use]
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_path(digest).is_file()
    }

    /// The files of the unfinished download of a blob.
    pub fn part(&self, digest: &Digest) -> Result<PartPaths, StoreError> {
        self.writable()?;
        let home = self.layout().join("part");
        Ok(PartPaths {
            bytes: home.join(format!("{digest}.part")),
            origin: home.join(format!("{digest}.json")),
        })
    }

    /// Stores a copy of a file as a blob unless the store has it. Refuses a file that is not
    /// `digest`.
    pub fn keep(&self, file: &Utf8Path, digest: &Digest) -> Result<Verified, StoreError> {
        if let Some(blob) = self.blob(digest)? {
            return Ok(blob);
        }
        let area = self.workspace()?;
        let copy = area.path().join("blob");
        let bytes = fs::metadata(file).map_err(|error| self.io(error))?.len();
        fs::copy(file, &copy).map_err(|error| self.io(error).needing(bytes))?;
        self.adopt(&copy, digest)
    }

    /// Moves a complete file into the store. Hashes its bytes. A file that is not `digest` is
    /// refused and stays in place.
    pub fn adopt(&self, file: &Utf8Path, digest: &Digest) -> Result<Verified, StoreError> {
        self.writable()?;
        let (size, got) = digest_file(file).map_err(|error| self.io(error))?;
        let wrap = |error| self.io(error).needing(size);
        if got != *digest {
            return Err(StoreError::Corrupt {
                path: file.to_owned(),
                expected: *digest,
                got,
            });
        }
        fs::set_permissions(file, std::fs::Permissions::from_mode(0o444)).map_err(wrap)?;
        fs::File::open(file)
            .and_then(|open| open.sync_all())
            .map_err(wrap)?;
        let path = self.blob_path(digest);
        fs::rename(file, &path).map_err(wrap)?;
        sync_directory(&self.layout().join("blobs/sha256")).map_err(wrap)?;
        Ok(Verified {
            path,
            digest: got,
            size,
        })
    }
}

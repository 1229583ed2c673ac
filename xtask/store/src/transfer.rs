//! Copies blobs between stores in a tar file, without a network. The archive need not be trusted: a
//! blob's name is its SHA-256 and its bytes are hashed on import.

use std::io::{self, Read, Write};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use host::files::Output;
use plan::digest::Digest;

use crate::{Store, StoreError, Verified};

/// The folder of blobs in the archive, as in an OCI layout.
const FOLDER: &str = "blobs/sha256/";

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive cannot be read or written.
    #[error("failed to use archive `{path}`")]
    Archive {
        /// The archive.
        path: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is not a tar archive, or is truncated.
    #[error("`{path}` is not a tar archive, or is truncated")]
    Unreadable {
        /// The archive.
        path: Utf8PathBuf,
    },
    /// The archive contains a file that no export writes.
    #[error("`{path}` is not an exported store: it contains `{name}`")]
    Foreign {
        /// The archive.
        path: Utf8PathBuf,
        /// The unexpected file.
        name: String,
    },
}

impl TransferError {
    /// The command that fixes the error, if one exists.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Archive { .. } => None,
            Self::Unreadable { .. } | Self::Foreign { .. } => {
                Some("export a store first: cargo xtask store export FILE.tar".to_owned())
            }
        }
    }
}

/// Writes blobs to an archive, which appears once it is complete. The same blobs give the same
/// bytes.
pub fn export(blobs: &[Verified], path: &Utf8Path) -> Result<u64, TransferError> {
    let broken = |source| TransferError::Archive {
        path: path.to_owned(),
        source,
    };
    let file = Output::create(path, 0o666).map_err(broken)?;
    let mut archive = tar::Builder::new(io::BufWriter::new(file));
    let written = || -> io::Result<()> {
        for blob in blobs {
            let mut header = tar::Header::new_ustar();
            header.set_size(blob.size());
            header.set_mode(0o444);
            header.set_mtime(0);
            let name = format!("{FOLDER}{}", blob.digest());
            let source = fs::File::open(blob.path())?;
            archive.append_data(&mut header, name, source)?;
        }
        archive.into_inner()?.into_inner()?.finish()
    };
    written().map_err(broken)?;
    Ok(fs::metadata(path).map_err(broken)?.len())
}

/// Imports the blobs of an archive and skips existing ones. Returns the number of imported blobs.
pub fn import(store: &Store, path: &Utf8Path) -> Result<usize, TransferError> {
    let refused = |source| TransferError::Archive {
        path: path.to_owned(),
        source,
    };
    // Passes errors of the system on. Errors of the archive reader quote what it has read.
    let broken = |source: io::Error| match source.raw_os_error() {
        Some(_) => refused(source),
        None => TransferError::Unreadable {
            path: path.to_owned(),
        },
    };
    let foreign = |name: String| TransferError::Foreign {
        path: path.to_owned(),
        name,
    };
    let file = fs::File::open(path).map_err(refused)?;
    let mut archive = tar::Archive::new(io::BufReader::new(file));
    let area = store.workspace()?;
    let mut taken = 0;
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let digest = name.strip_prefix(FOLDER).map(str::parse::<Digest>);
        let (Some(Ok(digest)), true) = (digest, entry.header().entry_type().is_file()) else {
            return Err(foreign(name));
        };
        // Hashed again: a corrupt blob is quarantined now and imported again.
        if store.blob(&digest)?.is_some() {
            continue;
        }
        let file = area.path().join("blob");
        copy(store, &mut entry, &file).map_err(|failure| match failure {
            Side::Archive(error) => broken(error),
            Side::Store(error) => error.needing(entry.size()).into(),
        })?;
        store.adopt(&file, &digest)?;
        taken += 1;
    }
    Ok(taken)
}

/// The side of a copy that failed.
enum Side {
    Archive(io::Error),
    Store(StoreError),
}

fn copy(store: &Store, from: &mut impl Read, to: &Utf8Path) -> Result<(), Side> {
    let refused = |error| Side::Store(StoreError::io(store.root(), error));
    let mut file = fs::File::create(to).map_err(refused)?;
    let mut piece = vec![0; 1 << 16];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => file.write_all(&piece[..length]).map_err(refused)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Side::Archive(error)),
        }
    }
}

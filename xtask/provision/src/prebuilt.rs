//! The archives of ready images in the repository: `images/prebuilt/<arch>.tar.xz`.
//!
//! `forge::prebuilt` writes them. The lock must contain the size and digest of each file in an
//! archive. If an image has both a kernel and the compressed kernel that other tools boot, the
//! archive contains only the latter, because it contains the former byte for byte. A compressor of
//! the host makes the compressed kernel, so the lock may lack it. The kernel inside then proves it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use lzma_rust2::XzReader;
use plan::digest::{BuildKey, Digest};
use plan::lock::{LockedFile, LockedImage};
use plan::step::Step;
use sha2::{Digest as _, Sha256};
use store::{About, EntryName, EntryState, Ready, Staging, Store, StoreError};

use crate::payload;

/// The kernel that Kiln boots.
pub const KERNEL: &str = "kernel";
/// The compressed kernel for other tools, whose payload is [`KERNEL`].
pub const COMPRESSED: &str = "compressed";
/// Allowance in bytes for headers and padding of the tar format.
const SLACK: u64 = 1 << 20;
/// The hint for an unusable archive.
const BUILD: &str = "cargo xtask images --from-source";
/// Memory limit of the decoder in KiB.
const MEMORY: u32 = 256 << 10;

/// Why an image archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PrebuiltError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive could not be read.
    #[error("`{path}`: {source}")]
    Archive {
        /// The archive.
        path: Utf8PathBuf,
        /// The error of the system or the decoder.
        source: io::Error,
    },
    /// The recipes have changed since the lock was written.
    #[error("`images.lock` is out of date: it locks build {locked}, the recipes give {planned}")]
    OtherBuild {
        /// The key in the lock.
        locked: BuildKey,
        /// The key in the plan.
        planned: BuildKey,
    },
    /// A file in the archive that is not in the lock, or occurs twice.
    #[error("`{path}`: `{name}` {why}")]
    Entry {
        /// The archive.
        path: Utf8PathBuf,
        /// The file's name.
        name: String,
        /// The problem.
        why: String,
    },
    /// A file does not match the lock.
    #[error("`{path}`: `{name}` does not match `images.lock`: expected {expected}, found {got}")]
    WrongBytes {
        /// The archive.
        path: Utf8PathBuf,
        /// The file.
        name: String,
        /// The digest in the lock.
        expected: Digest,
        /// The digest of the file.
        got: Digest,
    },
    /// The archive lacks a locked file.
    #[error("`{path}`: locked file `{name}` is missing")]
    Missing {
        /// The archive.
        path: Utf8PathBuf,
        /// The file.
        name: String,
    },
    /// The archive unpacks to more bytes than its image has.
    #[error("`{path}`: unpacks to more than {bytes} bytes")]
    TooLarge {
        /// The archive.
        path: Utf8PathBuf,
        /// The limit in bytes.
        bytes: u64,
    },
}

impl PrebuiltError {
    /// The command that fixes the error, if one exists.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Archive { .. }
            | Self::Entry { .. }
            | Self::WrongBytes { .. }
            | Self::Missing { .. }
            | Self::TooLarge { .. } => Some(format!("restore the archive with git, or {BUILD}")),
            Self::OtherBuild { .. } => Some(BUILD.to_owned()),
        }
    }
}

/// Installs the image in `archive` in the store, unless it exists.
pub fn install(
    store: &Store,
    image: &Step,
    locked: &LockedImage,
    archive: &Utf8Path,
) -> Result<Ready, PrebuiltError> {
    if image.key != locked.key {
        return Err(PrebuiltError::OtherBuild {
            locked: locked.key,
            planned: image.key,
        });
    }
    let vacant = match store.entry(&EntryName::image(image.key))? {
        EntryState::Ready(ready) => return Ok(ready),
        EntryState::Vacant(vacant) => vacant,
    };
    let staging = vacant.stage()?;
    unpack(&staging, locked, archive)?;
    Ok(staging.commit(About::step(image, 0.0))?)
}

fn unpack(
    staging: &Staging,
    locked: &LockedImage,
    archive: &Utf8Path,
) -> Result<(), PrebuiltError> {
    let broken = |source| PrebuiltError::Archive {
        path: archive.to_owned(),
        source,
    };
    let refused = |name: &str, why: &str| PrebuiltError::Entry {
        path: archive.to_owned(),
        name: name.escape_debug().to_string(),
        why: why.to_owned(),
    };
    let mut missing: BTreeMap<&str, &LockedFile> = locked
        .files
        .iter()
        .map(|(name, file)| (name.as_str(), file))
        .collect();
    let kernel = locked
        .files
        .get(KERNEL)
        .filter(|_| !locked.files.contains_key(COMPRESSED));
    // Compression does not make the kernel larger.
    let unlocked = kernel.map_or(0, |kernel| kernel.size + SLACK);
    let bytes = SLACK + unlocked + locked.files.values().map(|file| file.size).sum::<u64>();
    let packed = fs::File::open(archive).map_err(broken)?;
    let decoder = XzReader::new_mem_limit(io::BufReader::new(packed), true, MEMORY);
    let mut tar = tar::Archive::new(decoder.take(bytes));
    for entry in tar.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file() {
            return Err(refused(&name, "is not a regular file"));
        }
        // Only names from the lock become paths.
        let Some((locked_name, file)) = missing.remove_entry(name.as_str()) else {
            if name == COMPRESSED && kernel.is_some() && !staging.path().join(&name).exists() {
                put(staging, archive, COMPRESSED, None, &mut entry)?;
                continue;
            }
            return Err(refused(&name, "is not in the lock, or occurs twice"));
        };
        if entry.size() != file.size {
            let why = format!("has {} bytes, expected {}", entry.size(), file.size);
            return Err(refused(&name, &why));
        }
        put(staging, archive, locked_name, Some(file), &mut entry)?;
    }
    let mut rest = tar.into_inner();
    if !only_zeros(&mut rest).map_err(broken)? {
        return Err(broken(io::Error::other("data after the end")));
    }
    if rest.limit() == 0 {
        return Err(PrebuiltError::TooLarge {
            path: archive.to_owned(),
            bytes,
        });
    }
    let compressed = staging.path().join(COMPRESSED);
    if let Some(file) = locked.files.get(KERNEL)
        && (kernel.is_some() || missing.contains_key(KERNEL))
        && compressed.exists()
    {
        let payload = payload::find(&fs::read(&compressed).map_err(StoreError::from)?, file);
        match payload {
            Some(bytes) if missing.remove(KERNEL).is_some() => {
                put(staging, archive, KERNEL, Some(file), &mut bytes.as_slice())?;
            }
            None if kernel.is_some() => {
                return Err(refused(COMPRESSED, "does not contain the locked `kernel`"));
            }
            Some(_) | None => {}
        }
    }
    match missing.into_keys().next() {
        None => Ok(()),
        Some(name) => Err(PrebuiltError::Missing {
            path: archive.to_owned(),
            name: name.to_owned(),
        }),
    }
}

/// Writes and hashes one file. Compares it with the lock if the lock has it.
fn put(
    staging: &Staging,
    archive: &Utf8Path,
    name: &str,
    locked: Option<&LockedFile>,
    content: &mut dyn Read,
) -> Result<(), PrebuiltError> {
    let broken = |source| PrebuiltError::Archive {
        path: archive.to_owned(),
        source,
    };
    let path = staging.path().join(name);
    let write = |error| {
        let error = StoreError::io(staging.store().root(), error);
        PrebuiltError::Store(match locked {
            Some(locked) => error.needing(locked.size),
            None => error,
        })
    };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(write)?;
    }
    let mut file = fs::File::create_new(&path).map_err(write)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = content.read(&mut buffer).map_err(broken)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        file.write_all(&buffer[..count]).map_err(write)?;
    }
    let got = Digest::from_bytes(hasher.finalize().into());
    match locked.map(|locked| locked.sha256) {
        Some(expected) if expected != got => {
            let (path, name) = (archive.to_owned(), name.to_owned());
            Err(PrebuiltError::WrongBytes {
                path,
                name,
                expected,
                got,
            })
        }
        _ => Ok(()),
    }
}

fn only_zeros(rest: &mut dyn Read) -> io::Result<bool> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match rest.read(&mut buffer)? {
            0 => return Ok(true),
            count if buffer[..count].iter().any(|byte| *byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

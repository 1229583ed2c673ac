//! The images that are ready to boot, packed for the repository: `images/prebuilt/<arch>.tar.xz`.
//!
//! `xtask` calls [`install`] before anything is fetched or built, and [`write`] to renew an archive.
//! An archive is trusted no further than the lock: each file's size and digest must be there. Where an
//! image has a kernel and the compressed kernel that others boot, only the latter is packed, for the
//! former is inside it, byte for byte. The compressed one may be missing in the lock, for a compressor
//! of the host made it; then the kernel inside it is what proves it.

mod payload;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use plan::arch::Archive;
use plan::digest::{BuildKey, Digest};
use plan::lock::{LockedFile, LockedImage};
use plan::step::Step;
use sha2::{Digest as _, Sha256};
use xz2::stream::{Check, Filters, LzmaOptions, Stream};
use xz2::write::XzEncoder;

use crate::unpack::{Limits, decode};
use store::{About, EntryName, EntryState, Ready, Staging, Store, StoreError};

/// The kernel that Kiln boots.
const KERNEL: &str = "kernel";
/// The kernel that others boot; the other one is its payload.
const COMPRESSED: &str = "compressed";
/// Best compression of xz: level 9 with `LZMA_PRESET_EXTREME` (lzma/container.h).
const PRESET: u32 = 9 | 1 << 31;
/// Bytes beyond the files: headers and padding of the tar format.
const SLACK: u64 = 1 << 20;
/// What helps where an archive does not.
const BUILD: &str = "cargo xtask images --from-source";
/// Smallest dictionary, in bytes.
const DICTIONARY: usize = 1 << 20;

/// Why an image archive could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PrebuiltError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive could not be read or written.
    #[error("`{path}`: {source}")]
    Archive {
        /// The archive.
        path: Utf8PathBuf,
        /// What the system or the decoder said.
        source: io::Error,
    },
    /// The recipes have changed since the lock was written.
    #[error("`images.lock` is out of date: it locks build {locked}, the recipes give {planned}")]
    OtherBuild {
        /// In the lock.
        locked: BuildKey,
        /// In the plan.
        planned: BuildKey,
    },
    /// Something in the archive that the lock does not name, or names once.
    #[error("`{path}`: `{name}` {why}")]
    Entry {
        /// The archive.
        path: Utf8PathBuf,
        /// The entry.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file with other bytes than the lock says.
    #[error("`{path}`: `{name}` does not match `images.lock`: expected {expected}, found {got}")]
    WrongBytes {
        /// The archive.
        path: Utf8PathBuf,
        /// The file.
        name: String,
        /// The lock.
        expected: Digest,
        /// The archive.
        got: Digest,
    },
    /// A locked file that is not in the archive.
    #[error("`{path}`: locked file `{name}` is missing")]
    Missing {
        /// The archive.
        path: Utf8PathBuf,
        /// The file.
        name: String,
    },
    /// A branch filter that the xz in this program does not have (`config.h` of `lzma-sys`).
    #[error("unknown branch filter `{0}`: expected `sparc` or `x86`")]
    Filter(String),
}

impl PrebuiltError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Archive { .. }
            | Self::Entry { .. }
            | Self::WrongBytes { .. }
            | Self::Missing { .. } => Some(format!("restore the archive with git, or {BUILD}")),
            Self::OtherBuild { .. } => Some(BUILD.to_owned()),
            Self::Filter(_) => None,
        }
    }
}

/// How an archive is packed. Any choice unpacks to the same files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packing {
    /// Branch filter of xz.
    pub filter: Option<String>,
    /// Bits of the byte before that predict a literal; xz's default is 3.
    pub lc: Option<u32>,
    /// Bits of the position that predict a literal; xz's default is 0.
    pub lp: Option<u32>,
    /// Bits of the position that predict all else; xz's default is 2.
    pub pb: Option<u32>,
}

impl From<&Archive> for Packing {
    fn from(archive: &Archive) -> Self {
        let Archive { filter, lc, lp, pb } = archive.clone();
        Self { filter, lc, lp, pb }
    }
}

/// Puts the image in `archive` into the store, unless it is there.
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
    // What is compressed is no longer than what it holds.
    let unlocked = kernel.map_or(0, |kernel| kernel.size + SLACK);
    let bytes = SLACK + unlocked + locked.files.values().map(|file| file.size).sum::<u64>();
    let limits = Limits {
        bytes,
        ratio: u64::MAX,
        ..Limits::default()
    };
    let packed = fs::File::open(archive).map_err(broken)?;
    let size = packed.metadata().map_err(broken)?.len();
    let mut tar = tar::Archive::new(decode(packed, size, &limits).map_err(broken)?);
    for entry in tar.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file() {
            return Err(refused(&name, "is not a regular file"));
        }
        // Only names of the lock become paths.
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

/// Writes one file, hashing it on its way; with the lock's word for it, it must be that.
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

/// Packs an image into `archive` and returns its size. The bytes depend on the files and `packing`
/// only: names are sorted, modes, owners and times are fixed.
pub fn write(ready: &Ready, packing: &Packing, archive: &Utf8Path) -> Result<u64, PrebuiltError> {
    let broken = |source| PrebuiltError::Archive {
        path: archive.to_owned(),
        source,
    };
    let tar = tar_of(ready).map_err(broken)?;
    let parent = archive
        .parent()
        .filter(|parent| !parent.as_str().is_empty());
    let parent = parent.unwrap_or(Utf8Path::new("."));
    fs::create_dir_all(parent).map_err(broken)?;
    let file = tempfile::Builder::new()
        .suffix(".tmp")
        .tempfile_in(parent)
        .map_err(broken)?;
    let filters = filters(packing, tar.len())?;
    let stream = Stream::new_stream_encoder(&filters, Check::Crc32)
        .map_err(|error| broken(io::Error::from(error)))?;
    let mut encoder = XzEncoder::new_stream(file, stream);
    let file = encoder
        .write_all(&tar)
        .and_then(|()| encoder.finish())
        .map_err(broken)?;
    let size = file.as_file().metadata().map_err(broken)?.len();
    set_mode(file.as_file())
        .and_then(|()| file.as_file().sync_all())
        .map_err(broken)?;
    file.persist(archive).map_err(|error| broken(error.error))?;
    Ok(size)
}

fn set_mode(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

/// The tar stream of an image's files.
fn tar_of(ready: &Ready) -> io::Result<Vec<u8>> {
    let meta = ready.meta();
    let mut builder = tar::Builder::new(Vec::new());
    for (name, file) in &meta.files {
        if name == KERNEL && meta.files.contains_key(COMPRESSED) {
            let compressed = fs::read(ready.path().join(COMPRESSED))?;
            let locked = LockedFile {
                size: file.size,
                sha256: file.sha256,
            };
            if payload::find(&compressed, &locked).is_some() {
                continue;
            }
        }
        let mut header = tar::Header::new_ustar();
        header.set_size(file.size);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        builder.append_data(&mut header, name, fs::File::open(ready.path().join(name))?)?;
    }
    builder.into_inner()
}

fn filters(packing: &Packing, size: usize) -> Result<Filters, PrebuiltError> {
    let mut filters = Filters::new();
    match packing.filter.as_deref() {
        None => {}
        Some("sparc") => drop(filters.sparc()),
        Some("x86") => drop(filters.x86()),
        Some(other) => return Err(PrebuiltError::Filter(other.to_owned())),
    }
    let mut options = LzmaOptions::new_preset(PRESET)
        .map_err(|error| PrebuiltError::Store(StoreError::from(io::Error::from(error))))?;
    // A dictionary beyond the data would only cost memory.
    let dictionary = size.next_power_of_two().clamp(DICTIONARY, 64 << 20);
    options.dict_size(u32::try_from(dictionary).unwrap_or(u32::MAX));
    if let Some(bits) = packing.lc {
        options.literal_context_bits(bits);
    }
    if let Some(bits) = packing.lp {
        options.literal_position_bits(bits);
    }
    if let Some(bits) = packing.pb {
        options.position_bits(bits);
    }
    filters.lzma2(&options);
    Ok(filters)
}

#[cfg(test)]
mod tests;

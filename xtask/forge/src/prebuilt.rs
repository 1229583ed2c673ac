//! Packs images for the repository: `images/prebuilt/<arch>.tar.xz`. `provision::prebuilt` reads
//! the archives.
//!
//! If an image has both a kernel and the compressed kernel that other tools boot, only the latter
//! is packed, because it contains the former byte for byte.

use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
use liblzma::write::XzEncoder;
use plan::arch::Archive;
use plan::lock::LockedFile;
use provision::payload;
use provision::prebuilt::{COMPRESSED, KERNEL};
use store::{Ready, StoreError};

/// Best compression of xz: level 9 with `LZMA_PRESET_EXTREME` (lzma/container.h).
const PRESET: u32 = 9 | 1 << 31;
/// Minimum dictionary size in bytes.
const DICTIONARY: usize = 1 << 20;

/// Why an image archive could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive could not be written.
    #[error("`{path}`: {source}")]
    Archive {
        /// The archive.
        path: Utf8PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A branch filter that this program's xz does not support (`config.h` of `lzma-sys`).
    #[error("unknown branch filter `{0}`: expected `arm`, `riscv`, `sparc` or `x86`")]
    Filter(String),
}

impl PackError {
    /// The command that fixes the error, if one exists.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Archive { .. } | Self::Filter(_) => None,
        }
    }
}

/// Compression parameters. Every choice unpacks to the same files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packing {
    /// The branch filter of xz.
    pub filter: Option<String>,
    /// Bits of the previous byte that predict a literal. xz's default is 3.
    pub lc: Option<u32>,
    /// Bits of the position that predict a literal. xz's default is 0.
    pub lp: Option<u32>,
    /// Bits of the position that predict everything else. xz's default is 2.
    pub pb: Option<u32>,
}

impl From<&Archive> for Packing {
    fn from(archive: &Archive) -> Self {
        let Archive { filter, lc, lp, pb } = archive.clone();
        Self { filter, lc, lp, pb }
    }
}

/// Packs an image into `archive` and returns its size. The bytes depend only on the files and
/// `packing`: names are sorted, and modes, owners and times are fixed.
pub fn write(ready: &Ready, packing: &Packing, archive: &Utf8Path) -> Result<u64, PackError> {
    let broken = |source| PackError::Archive {
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

fn filters(packing: &Packing, size: usize) -> Result<Filters, PackError> {
    let mut filters = Filters::new();
    match packing.filter.as_deref() {
        None => {}
        Some("arm") => drop(filters.arm()),
        Some("riscv") => drop(filters.riscv()),
        Some("sparc") => drop(filters.sparc()),
        Some("x86") => drop(filters.x86()),
        Some(other) => return Err(PackError::Filter(other.to_owned())),
    }
    let mut options = LzmaOptions::new_preset(PRESET)
        .map_err(|error| PackError::Store(StoreError::from(io::Error::from(error))))?;
    // A dictionary larger than the data would only waste memory.
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

//! The source bundle: one tar file that suffices to rebuild the images.
//!
//! The same repository, sources and crates give the same bytes: names are sorted, and times and
//! owners are fixed.

mod vendor;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use plan::digest::Digest;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use crate::document;
use crate::release::Blob;
use crate::repository::{Kind, Repository};

/// Cargo's configuration in the bundle: crates come from `vendor/`.
const CARGO: &str = "\
[source.crates-io]
replace-with = \"vendored-sources\"

[source.vendored-sources]
directory = \"vendor\"
";

/// The parts of a bundle.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// Version of the release.
    pub version: &'a str,
    /// The repository.
    pub repository: &'a Repository,
    /// Source archives, by file name.
    pub sources: &'a BTreeMap<String, Blob>,
    /// The directory that `cargo vendor` wrote.
    pub vendor: &'a Utf8Path,
}

/// One entry of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Bytes(Vec<u8>),
    File { path: Utf8PathBuf, executable: bool },
    Link(String),
}

/// Writes a bundle. Returns its size and digest.
pub fn write(parts: &Parts<'_>, out: impl Write) -> io::Result<(u64, Digest)> {
    let root = format!("{}-source", crate::release::name(parts.version));
    let mut archive = Builder::new(Counting::new(out));
    for (path, entry) in entries(parts)? {
        let path = format!("{root}/{path}");
        match entry {
            Entry::Bytes(bytes) => {
                append(&mut archive, &path, 0o644, &bytes[..], bytes.len() as u64)?;
            }
            Entry::File {
                path: from,
                executable,
            } => {
                let file = fs::File::open(&from)?;
                let size = file.metadata()?.len();
                let mode = if executable { 0o755 } else { 0o644 };
                append(&mut archive, &path, mode, file, size)?;
            }
            Entry::Link(target) => {
                let mut header = header(0o777, 0);
                header.set_entry_type(EntryType::Symlink);
                archive.append_link(&mut header, &path, target)?;
            }
        }
    }
    let mut out = archive.into_inner()?;
    out.flush()?;
    Ok((out.size, Digest::from_bytes(out.hasher.finalize().into())))
}

fn append<W: Write>(
    archive: &mut Builder<W>,
    path: &str,
    mode: u32,
    bytes: impl Read,
    size: u64,
) -> io::Result<()> {
    archive.append_data(&mut header(mode, size), path, bytes)
}

fn header(mode: u32, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Everything in the bundle by path, sorted.
fn entries(parts: &Parts<'_>) -> io::Result<BTreeMap<String, Entry>> {
    let mut entries = BTreeMap::from([
        (
            ".cargo/config.toml".to_owned(),
            Entry::Bytes(CARGO.as_bytes().to_vec()),
        ),
        (
            "BUILD.md".to_owned(),
            Entry::Bytes(document::build(parts.version).into_bytes()),
        ),
    ]);
    for (file, blob) in parts.sources {
        let path = blob.path.clone();
        let executable = false;
        entries.insert(format!("sources/{file}"), Entry::File { path, executable });
        let link = Entry::Link(format!("../../sources/{file}"));
        entries.insert(format!("blobs/sha256/{}", blob.digest), link);
    }
    for file in &parts.repository.files {
        let path = parts.repository.root.join(&file.path);
        let entry = match file.kind {
            Kind::Link => Entry::Link(fs::read_link(&path)?.to_string_lossy().into_owned()),
            Kind::Executable => Entry::File {
                path,
                executable: true,
            },
            Kind::Plain => Entry::File {
                path,
                executable: false,
            },
        };
        entries.insert(format!("repository/{}", file.path), entry);
    }
    let vendored = vendor::entries(parts.vendor)?.into_iter();
    entries.extend(vendored.map(|(path, entry)| (format!("vendor/{path}"), entry)));
    Ok(entries)
}

/// A writer that counts and hashes.
struct Counting<W> {
    inner: W,
    hasher: Sha256,
    size: u64,
}

impl<W> Counting<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
            size: 0,
        }
    }
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

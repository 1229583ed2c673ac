//! A source archive as a recipe pins it: name, size, SHA-256, where it may be had, its patches.

use camino::Utf8PathBuf;
use serde::Serialize;

use crate::digest::Digest;

/// One archive, exactly these bytes, and how it becomes a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Name of the tree in the sandbox: `/src/<name>`.
    pub name: String,
    /// The bytes to fetch.
    pub pin: SourcePin,
    /// An archive inside the archive that is the real source, if there is one.
    pub inner: Option<String>,
    /// How many leading path components are dropped when unpacking.
    pub strip: usize,
    /// Unified diffs, applied in order with `-p1`.
    pub patches: Vec<Patch>,
}

/// Bytes from outside: they are used only when size and SHA-256 are these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourcePin {
    /// File name, as published under `sources/`.
    pub file: String,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// Where it may be had, tried in order.
    pub locations: Vec<Location>,
}

impl SourcePin {
    /// Where it may be had without knowing a mirror of anybody's.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.locations.iter().filter_map(|location| match location {
            Location::Url(url) => Some(url.as_str()),
            Location::Debian(_) => None,
        })
    }
}

/// One place where a source may be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Location {
    /// An `https:`, `http:` or `file:` URL.
    Url(String),
    /// A path below the base of any Debian mirror, such as `pool/main/…`.
    Debian(String),
}

/// A patch, by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Patch {
    /// Path in the repository.
    pub path: Utf8PathBuf,
    /// The unified diff with its header.
    pub text: String,
}

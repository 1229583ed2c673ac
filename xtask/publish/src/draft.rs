//! The files of a release, and a release while it is put together.

use std::collections::BTreeSet;
use std::fmt;

use plan::digest::Digest;

use crate::inputs::Blob;

/// Bytes of a published file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Those of a blob of the release.
    Blob(Blob),
    /// These.
    Bytes(Vec<u8>),
}

impl Content {
    /// SHA-256 of the bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match self {
            Self::Blob(blob) => blob.digest,
            Self::Bytes(bytes) => Digest::of(bytes),
        }
    }

    /// Length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Blob(blob) => blob.size,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

/// When a file appears: in the order of these, and within one in the order of the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// By content.
    Blobs,
    /// Pristine archives.
    Sources,
    /// What people look at, source before binaries.
    Directory,
    /// The digests of the directory.
    Sums,
    /// What signs the digests.
    Signatures,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Blobs => "blobs",
            Self::Sources => "sources",
            Self::Directory => "directory",
            Self::Sums => "sums",
            Self::Signatures => "signatures",
        })
    }
}

/// One file of a release, which never changes once it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedFile {
    /// Path in the tree.
    pub path: String,
    /// Its bytes.
    pub content: Content,
    /// When it appears.
    pub phase: Phase,
}

/// The files of a release as they come together.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) files: Vec<PublishedFile>,
    blobs: BTreeSet<Digest>,
}

impl Draft {
    /// A file under its name, and as a blob.
    pub(crate) fn shared(&mut self, path: String, blob: &Blob, phase: Phase) {
        let content = Content::Blob(blob.clone());
        self.add_blob(content.clone());
        self.files.push(PublishedFile {
            path,
            content,
            phase,
        });
    }

    /// Text as a blob.
    pub(crate) fn blob(&mut self, bytes: &[u8]) {
        self.add_blob(Content::Bytes(bytes.to_vec()));
    }

    fn add_blob(&mut self, content: Content) {
        let digest = content.digest();
        if self.blobs.insert(digest) {
            self.files.push(PublishedFile {
                path: blob_path(&digest),
                content,
                phase: Phase::Blobs,
            });
        }
    }

    pub(crate) fn text(&mut self, path: String, bytes: Vec<u8>, phase: Phase) {
        self.files.push(PublishedFile {
            path,
            content: Content::Bytes(bytes),
            phase,
        });
    }
}

/// Where a blob is in a tree.
#[must_use]
pub fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{digest}")
}

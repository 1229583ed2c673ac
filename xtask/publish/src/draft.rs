//! The files of a release, and a release under construction.

use std::collections::BTreeSet;
use std::fmt;

use plan::digest::Digest;

use crate::inputs::Blob;

/// The content of a published file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A blob of the release.
    Blob(Blob),
    /// Bytes in memory.
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

/// The order of publication: by phase, and within a phase in the order of the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Files by content.
    Blobs,
    /// Upstream source archives.
    Sources,
    /// The folder for people, sources before binaries.
    Directory,
    /// The checksums of the folder.
    Sums,
    /// The signatures of the checksums.
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

/// A file of a release, which never changes once it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedFile {
    /// Path in the tree.
    pub path: String,
    /// The content.
    pub content: Content,
    /// The phase of publication.
    pub phase: Phase,
}

/// The collected files of a release.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) files: Vec<PublishedFile>,
    blobs: BTreeSet<Digest>,
}

impl Draft {
    /// Adds a file under its name and as a blob.
    pub(crate) fn shared(&mut self, path: String, blob: &Blob, phase: Phase) {
        let content = Content::Blob(blob.clone());
        self.add_blob(content.clone());
        self.files.push(PublishedFile {
            path,
            content,
            phase,
        });
    }

    /// Adds text as a blob.
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

/// The path of a blob in a tree.
#[must_use]
pub fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{digest}")
}

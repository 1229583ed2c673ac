//! The possible problems of a published tree, with hints.

use plan::digest::Digest;

use crate::schema::SchemaError;

/// A problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The path in the tree.
    pub path: String,
    /// The problem.
    pub defect: Defect,
}

/// The kind of a problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// The file does not exist.
    #[error("is missing")]
    Missing,
    /// The digest differs.
    #[error("has digest {is}, expected {wanted}")]
    Differs {
        /// The actual digest.
        is: Digest,
        /// The expected digest.
        wanted: Digest,
    },
    /// The size differs.
    #[error("has {is} bytes, expected {wanted}")]
    Length {
        /// The actual size.
        is: u64,
        /// The expected size.
        wanted: u64,
    },
    /// The file is longer than expected, by an unknown amount.
    #[error("is longer than {0} bytes")]
    Longer(u64),
    /// The server does not send the file.
    #[error("failed to download: {0}")]
    Unavailable(String),
    /// A newer version of a document.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The content does not match the file's name.
    #[error("is malformed")]
    Unreadable,
    /// `oci-layout` is missing.
    #[error("is not an OCI image layout")]
    NoLayout,
    /// Too few trusted signatures.
    #[error("is signed by {count} trusted keys, expected {wanted}")]
    Signatures {
        /// Number of valid signatures.
        count: usize,
        /// Required number.
        wanted: usize,
    },
    /// The index has expired.
    #[error("expired at {0}")]
    Expired(String),
    /// The server sends an old index.
    #[error("is index {is}, older than index {seen}, which was seen here before")]
    Older {
        /// Serial of the index.
        is: u64,
        /// Highest serial seen so far.
        seen: u64,
    },
    /// The source of a binary is missing.
    #[error("is a binary without its source")]
    NoSource,
    /// The source bundle lacks a file.
    #[error("does not contain `{0}`")]
    Lacks(String),
    /// The provenance does not cover an image file.
    #[error("does not name the source of `{0}`")]
    NoProvenance(String),
    /// The file is not in `SHA256SUMS`.
    #[error("is not in SHA256SUMS")]
    Unlisted,
}

impl Defect {
    /// The command that fixes it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Expired(_) | Self::Signatures { .. } => {
                "publish again with the trusted keys: cargo xtask publish --sign"
            }
            Self::Older { .. } => {
                "the server shows an old copy: purge its caches, or sync it again"
            }
            Self::NoSource => "withdraw the release: cargo xtask unpublish",
            Self::Missing | Self::NoLayout => "publish again, or sync the mirror again",
            Self::Unavailable(_) => "check the server's log: the file itself may be intact",
            Self::Schema(SchemaError::Future { .. }) => {
                "git pull: a newer version of Kiln reads it"
            }
            Self::Differs { .. }
            | Self::Length { .. }
            | Self::Longer(_)
            | Self::Schema(SchemaError::Unreadable)
            | Self::Unreadable
            | Self::Lacks(_)
            | Self::NoProvenance(_)
            | Self::Unlisted => "remove the file, then publish again",
        }
    }
}

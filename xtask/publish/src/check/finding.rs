//! What can be wrong with a published tree, and what fixes it.

use plan::digest::Digest;

use crate::schema::SchemaError;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where, in the tree.
    pub path: String,
    /// What.
    pub defect: Defect,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// It is not there.
    #[error("is missing")]
    Missing,
    /// Other bytes than were promised.
    #[error("has digest {is}, expected {wanted}")]
    Differs {
        /// What is there.
        is: Digest,
        /// What was promised.
        wanted: Digest,
    },
    /// Fewer or more bytes than were promised.
    #[error("has {is} bytes, expected {wanted}")]
    Length {
        /// How many there are.
        is: u64,
        /// How many were promised.
        wanted: u64,
    },
    /// More bytes than were promised, who knows how many.
    #[error("is longer than {0} bytes")]
    Longer(u64),
    /// The server does not give it.
    #[error("failed to download: {0}")]
    Unavailable(String),
    /// A later form of a document.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// It is not what its name says.
    #[error("is malformed")]
    Unreadable,
    /// No `oci-layout`.
    #[error("is not an OCI image layout")]
    NoLayout,
    /// Too few trusted signatures.
    #[error("is signed by {count} trusted keys, expected {wanted}")]
    Signatures {
        /// How many.
        count: usize,
        /// How many are wanted.
        wanted: usize,
    },
    /// The index is too old.
    #[error("expired at {0}")]
    Expired(String),
    /// The server presents an old index.
    #[error("is index {is}, older than index {seen}, which was seen here before")]
    Older {
        /// The serial.
        is: u64,
        /// The highest that was seen.
        seen: u64,
    },
    /// A binary without its source.
    #[error("is a binary without its source")]
    NoSource,
    /// The source bundle lacks something.
    #[error("does not contain `{0}`")]
    Lacks(String),
    /// Provenance does not name an image file.
    #[error("does not name the source of `{0}`")]
    NoProvenance(String),
    /// Not in the list of sums.
    #[error("is not in SHA256SUMS")]
    Unlisted,
}

impl Defect {
    /// What fixes it.
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

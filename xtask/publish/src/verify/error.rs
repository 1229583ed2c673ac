//! Why a release cannot be verified.

use std::io;

use plan::digest::Digest;

use crate::tree_reader::ReadError;

/// Why a release cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The tree cannot be read.
    #[error(transparent)]
    Reader(#[from] ReadError),
    /// Something of the release is not as it should be.
    #[error("`{0}` is missing or malformed")]
    Broken(String),
    /// The index names no release.
    #[error("the tree contains no release")]
    Empty,
    /// There is no such release.
    #[error("unknown release `{release}`")]
    Unknown {
        /// What was asked for.
        release: String,
        /// What there is.
        known: String,
    },
    /// Too few trusted signatures.
    #[error("`{path}` is signed by {count} trusted keys, expected {wanted}")]
    Signatures {
        /// What should be signed.
        path: String,
        /// How many.
        count: usize,
        /// How many are wanted.
        wanted: usize,
    },
    /// Other bytes than were promised.
    #[error("`{path}` has digest {is}, expected {wanted} as in `SHA256SUMS`")]
    Differs {
        /// Path in the tree.
        path: String,
        /// What is there.
        is: Digest,
        /// What was promised.
        wanted: Digest,
    },
    /// The release contradicts itself.
    #[error("`{path}` has digest {listed} in `SHA256SUMS` and {manifest} in its `manifest.json`")]
    Disagree {
        /// Path in the tree.
        path: String,
        /// What the list says.
        listed: Digest,
        /// What the manifest says.
        manifest: Digest,
    },
    /// A file that nothing vouches for.
    #[error("`{0}` is not in `SHA256SUMS`")]
    Unlisted(String),
    /// An index or a manifest of a time to come.
    #[error("unsupported schema {is} of `{path}`: expected {known}")]
    Schema {
        /// Path in the tree.
        path: String,
        /// Its schema.
        is: u64,
        /// The one that is read.
        known: u64,
    },
    /// The bundle would build something else than was published.
    #[error("the source bundle builds a different `{name}` of {arch} than the release contains")]
    OtherImage {
        /// Architecture.
        arch: String,
        /// File, or `key`.
        name: String,
    },
    /// The bundle is not a complete source.
    #[error("the source bundle does not contain {}", .0.join(", "))]
    Lacks(Vec<String>),
    /// The bundle cannot be read.
    #[error("failed to read the source bundle")]
    Io(#[from] io::Error),
}

impl VerifyError {
    /// What fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let walk = "list every problem of the tree: cargo xtask mirror-check";
        let wrong = "report it to the publisher: this source does not produce these binaries";
        Some(match self {
            Self::Reader(error) => return error.hint(),
            Self::Unknown { known, .. } => format!("published releases: {known}"),
            Self::Signatures { .. } => {
                "compare its keys with the trusted ones in images/keys.toml".to_owned()
            }
            Self::Schema { .. } => "git pull: a newer version of Kiln made the release".to_owned(),
            Self::Broken(_) | Self::Differs { .. } | Self::Disagree { .. } | Self::Unlisted(_) => {
                walk.to_owned()
            }
            Self::OtherImage { .. } | Self::Lacks(_) => wrong.to_owned(),
            Self::Empty | Self::Io(_) => return None,
        })
    }
}

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
    /// A file of the release is missing or malformed.
    #[error("`{0}` is missing or malformed")]
    Broken(String),
    /// The index contains no release.
    #[error("the tree contains no release")]
    Empty,
    /// No such release exists.
    #[error("unknown release `{release}`")]
    Unknown {
        /// The requested release.
        release: String,
        /// The existing releases.
        known: String,
    },
    /// Too few trusted signatures.
    #[error("`{path}` is signed by {count} trusted keys, expected {wanted}")]
    Signatures {
        /// The signed file.
        path: String,
        /// Number of valid signatures.
        count: usize,
        /// Required number.
        wanted: usize,
    },
    /// The digest differs.
    #[error("`{path}` has digest {is}, expected {wanted} as in `SHA256SUMS`")]
    Differs {
        /// Path in the tree.
        path: String,
        /// The actual digest.
        is: Digest,
        /// The expected digest.
        wanted: Digest,
    },
    /// The release contradicts itself.
    #[error("`{path}` has digest {listed} in `SHA256SUMS` and {manifest} in its `manifest.json`")]
    Disagree {
        /// Path in the tree.
        path: String,
        /// The digest in `SHA256SUMS`.
        listed: Digest,
        /// The digest in the manifest.
        manifest: Digest,
    },
    /// A file without a checksum.
    #[error("`{0}` is not in `SHA256SUMS`")]
    Unlisted(String),
    /// A newer index or manifest.
    #[error("unsupported schema {is} of `{path}`: expected {known}")]
    Schema {
        /// Path in the tree.
        path: String,
        /// Its schema.
        is: u64,
        /// The supported version.
        known: u64,
    },
    /// The bundle builds something else than was published.
    #[error("the source bundle builds a different `{name}` of {arch} than the release contains")]
    OtherImage {
        /// Architecture.
        arch: String,
        /// File, or `key`.
        name: String,
    },
    /// The bundle is incomplete.
    #[error("the source bundle does not contain {}", .0.join(", "))]
    Lacks(Vec<String>),
    /// The bundle cannot be read.
    #[error("failed to read the source bundle")]
    Io(#[from] io::Error),
}

impl VerifyError {
    /// The command that fixes the error, if one exists.
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

//! Why a release cannot be verified.

use std::io;

use plan::digest::Digest;

use crate::place::PlaceError;

/// Why a release cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The tree cannot be read.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Something of the release is not as it should be.
    #[error("`{0}` is missing, or cannot be read as what it is")]
    Broken(String),
    /// The index names no release.
    #[error("nothing is published there")]
    Empty,
    /// There is no such release.
    #[error("there is no release `{release}`")]
    Unknown {
        /// What was asked for.
        release: String,
        /// What there is.
        known: String,
    },
    /// Too few trusted signatures.
    #[error("`{path}` is signed by {count} trusted keys, {wanted} are wanted")]
    Signatures {
        /// What should be signed.
        path: String,
        /// How many.
        count: usize,
        /// How many are wanted.
        wanted: usize,
    },
    /// Other bytes than were promised.
    #[error("`{path}` has the digest {is}, `SHA256SUMS` promises {wanted}")]
    Differs {
        /// Path in the tree.
        path: String,
        /// What is there.
        is: Digest,
        /// What was promised.
        wanted: Digest,
    },
    /// The release contradicts itself.
    #[error("`SHA256SUMS` promises {listed} for `{path}`, its `manifest.json` {told}")]
    Disagree {
        /// Path in the tree.
        path: String,
        /// What the list says.
        listed: Digest,
        /// What the manifest says.
        told: Digest,
    },
    /// A file that nothing vouches for.
    #[error("`{0}` is not in `SHA256SUMS`")]
    Unlisted(String),
    /// An index or a manifest of a time to come.
    #[error("`{path}` has schema {is}, this program reads schema {known}")]
    Schema {
        /// Path in the tree.
        path: String,
        /// Its schema.
        is: u64,
        /// The one that is read.
        known: u64,
    },
    /// The bundle would build something else than was published.
    #[error("the source bundle makes another `{name}` of {arch} than was published")]
    OtherImage {
        /// Architecture.
        arch: String,
        /// File, or `key`.
        name: String,
    },
    /// The bundle is no complete source.
    #[error("the source bundle lacks {}", .0.join(", "))]
    Lacks(Vec<String>),
    /// The bundle cannot be read.
    #[error("cannot read the source bundle")]
    Io(#[from] io::Error),
}

impl VerifyError {
    /// What mends it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let walk = "what else is wrong with the tree: cargo xtask mirror-check";
        let wrong = "it is not the source of these binaries: tell the publisher";
        Some(match self {
            Self::Place(error) => return error.hint(),
            Self::Unknown { known, .. } => format!("there is {known}"),
            Self::Signatures { .. } => {
                "the keys that are trusted are in `images/keys.toml`".to_owned()
            }
            Self::Schema { .. } => {
                "the release was made by a later Kiln: verify it with that one".to_owned()
            }
            Self::Broken(_) | Self::Differs { .. } | Self::Disagree { .. } | Self::Unlisted(_) => {
                walk.to_owned()
            }
            Self::OtherImage { .. } | Self::Lacks(_) => wrong.to_owned(),
            Self::Empty | Self::Io(_) => return None,
        })
    }
}

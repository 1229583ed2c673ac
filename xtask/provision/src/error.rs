//! Why an image cannot be used or does not match the lock.

use plan::PlanError;
use store::StoreError;

use crate::prebuilt::PrebuiltError;

/// Why an image is not available.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The recipes have no valid plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An archive in the repository cannot be used.
    #[error(transparent)]
    Prebuilt(PrebuiltError),
    /// A file of the repository cannot be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A file of the repository cannot be read.
    #[error(transparent)]
    Files(#[from] host::files::FilesError),
    /// The recipes define no step for an architecture.
    #[error("recipe `{recipe}` has no step for `{arch}`")]
    NoRecipe {
        /// The recipe.
        recipe: String,
        /// The architecture.
        arch: String,
    },
    /// The lock would change.
    #[error("`--locked` is set and `images/images.lock` would change for {0}")]
    WouldChangeLock(String),
    /// A file does not match the lock.
    #[error(
        "`{name}` of {arch} does not match `images/images.lock`: expected {expected}, found {found}"
    )]
    Differs {
        /// The architecture.
        arch: String,
        /// The file.
        name: String,
        /// Digest and size in the lock, or `absent`.
        expected: String,
        /// Digest and size of the file, or `absent`.
        found: String,
    },
    /// The lock, or what belongs to it, is out of date.
    #[error(transparent)]
    Outdated(#[from] Outdated),
}

/// An outdated file in `images/`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Outdated {
    /// The lock has an unknown architecture.
    #[error("unknown architecture `{0}` in `images/images.lock`")]
    UnknownArch(String),
    /// The lock lacks an image that the repository should have.
    #[error("missing image of {0} in `images/images.lock`")]
    NoImage(String),
    /// The recipes have changed since the lock was written.
    #[error(
        "`images/images.lock` is out of date for {arch}: it has key {locked}, the recipes give {planned}"
    )]
    OtherKey {
        /// The architecture.
        arch: String,
        /// Short key that the recipes give.
        planned: String,
        /// Short key that the lock contains.
        locked: String,
        /// Whether the repository contains the image.
        prebuilt: bool,
    },
    /// The list of sources does not match the recipes.
    #[error(
        "`{}` is out of date: it does not list the sources of these recipes",
        crate::sources::PATH
    )]
    Sources,
}

impl Outdated {
    /// The command that updates it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let named = match self {
            Self::UnknownArch(_) => return None,
            Self::OtherKey {
                arch,
                prebuilt: false,
                ..
            } => format!(" --arch {arch}"),
            _ => " --arch all".to_owned(),
        };
        Some(format!(
            "cargo xtask images --from-source --update-prebuilt{named}, and commit images/"
        ))
    }
}

impl ProvisionError {
    /// The command that fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Plan(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Prebuilt(error) => {
                let own = error.hint();
                own.or_else(|| Some("git checkout images/prebuilt".to_owned()))
            }
            Self::Io(_) | Self::Files(_) | Self::NoRecipe { .. } => None,
            Self::WouldChangeLock(_) => {
                Some("run the command without `--locked`, then commit images/images.lock".to_owned())
            }
            Self::Differs { .. } => Some(
                "the build is not reproducible; find the difference: cargo xtask images --from-source --verify"
                    .to_owned(),
            ),
            Self::Outdated(outdated) => outdated.hint(),
        }
    }
}

impl From<PrebuiltError> for ProvisionError {
    fn from(error: PrebuiltError) -> Self {
        match error {
            PrebuiltError::Store(error) => Self::Store(error),
            error => Self::Prebuilt(error),
        }
    }
}

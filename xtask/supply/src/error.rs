//! Why there is no image, or why it could not be fetched, built or written.

use forge::build::BuildError;
use forge::compare::CompareError;
use forge::fetch::FetchError;
use forge::prebuilt::PackError;
use net::HttpError;
use provision::ProvisionError;
use store::StoreError;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum SupplyError {
    /// It is here, or in the repository, and cannot be used.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// Files could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The HTTP client cannot be set up.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A build failed.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// An archive in the repository cannot be written.
    #[error(transparent)]
    Pack(PackError),
    /// Two images cannot be compared.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// A mirror was named, and does not have the images of a command that starts guests.
    #[error("failed to fetch {files} of the images' files from the mirrors")]
    MirrorsFailed {
        /// How many files were not fetched.
        files: usize,
        /// What fixes it, where a mirror's answer says it.
        hint: Option<String>,
    },
    /// Images that a command boots are not here, and nothing may be fetched.
    #[error("{missing}")]
    ImagesOffline {
        /// The images' files.
        missing: FetchError,
        /// The architectures.
        arches: Vec<String>,
    },
}

impl SupplyError {
    /// The end of a command that starts guests, and whose mirrors do not have its images.
    pub(crate) fn mirrors_failed(failed: &[FetchError]) -> Self {
        let hint = failed.iter().find_map(|error| match error {
            FetchError::AllFailed { tries, .. } => tries.iter().find_map(|one| one.hint.clone()),
            _ => None,
        });
        let files = failed.len();
        Self::MirrorsFailed { files, hint }
    }

    /// The command that fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Provision(error) => error.hint(),
            Self::Fetch(error) => error.hint(),
            Self::Http(error) => error.hint(),
            Self::Build(error) => error.hint(),
            Self::Pack(error) => error.hint(),
            Self::Compare(_) => None,
            Self::MirrorsFailed { hint, .. } => Some(hint.clone().unwrap_or_else(|| {
                "name another mirror with --mirror, or build the images with --from-source"
                    .to_owned()
            })),
            Self::ImagesOffline { arches, .. } => {
                let arches = arches.iter().map(|arch| format!(" --arch {arch}"));
                Some(format!("cargo xtask fetch{}", arches.collect::<String>()))
            }
        }
    }
}

impl From<StoreError> for SupplyError {
    fn from(error: StoreError) -> Self {
        Self::Provision(error.into())
    }
}

impl From<host::files::FilesError> for SupplyError {
    fn from(error: host::files::FilesError) -> Self {
        Self::Provision(error.into())
    }
}

impl From<std::io::Error> for SupplyError {
    fn from(error: std::io::Error) -> Self {
        Self::Provision(error.into())
    }
}

//! Why an image could not be fetched, built or written.

use fetch::FetchError;
use forge::build::BuildError;
use forge::prebuilt::PackError;
use inspect::compare::CompareError;
use net::HttpError;
use provision::ProvisionError;
use store::StoreError;

/// Why an image is not available.
#[derive(Debug, thiserror::Error)]
pub enum SupplyError {
    /// A local image cannot be used.
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
    /// An archive in the repository could not be written.
    #[error(transparent)]
    Pack(PackError),
    /// Two images could not be compared.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// The user named a mirror, but it lacks the images of a command that starts guests.
    #[error("failed to fetch {files} of the images' files from the mirrors")]
    MirrorsFailed {
        /// The number of missing files.
        files: usize,
        /// The command that fixes the error, if a mirror's answer suggests one.
        hint: Option<String>,
    },
    /// A command needs images that are not local, but the network is disabled.
    #[error("{missing}")]
    ImagesOffline {
        /// The images' files.
        missing: FetchError,
        /// The architectures.
        arches: Vec<String>,
    },
}

impl SupplyError {
    /// The error of a command that starts guests if its mirrors lack the images.
    pub(crate) fn mirrors_failed(failed: &[FetchError]) -> Self {
        let hint = failed.iter().find_map(|error| match error {
            FetchError::AllFailed { tries, .. } => tries.iter().find_map(|one| one.hint.clone()),
            _ => None,
        });
        let files = failed.len();
        Self::MirrorsFailed { files, hint }
    }

    /// The command that fixes the error.
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
                "use another mirror with --mirror, or build the images with --from-source"
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

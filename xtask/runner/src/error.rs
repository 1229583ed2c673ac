//! Why a run does not begin, or cannot be kept.

use crate::exhaustive::ExhaustiveError;

/// Why there is no run at all.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The place for logs or scratch files refuses.
    #[error("failed to keep the files of the run")]
    Prepare(#[from] std::io::Error),
    /// Not every combination can be run.
    #[error(transparent)]
    Exhaustive(#[from] ExhaustiveError),
}

impl RunError {
    /// The command that fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Prepare(error) => {
                let full = error.kind() == std::io::ErrorKind::StorageFull;
                full.then(|| "free some space: old runs are below `target/kiln/runs`".to_owned())
            }
            Self::Exhaustive(error) => error.hint(),
        }
    }
}

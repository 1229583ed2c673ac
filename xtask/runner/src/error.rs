//! Why a run did not start, or could not be stored.

use verdict::runs::run_dir::RunDirError;

use crate::exhaustive::ExhaustiveError;

/// Why a run did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The directory of runs or the temporary directory cannot be used.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The directory of tests cannot be read or written.
    #[error("failed to read or write the files of the tests")]
    Tests(#[from] std::io::Error),
    /// Not every combination can be run.
    #[error(transparent)]
    Exhaustive(#[from] ExhaustiveError),
}

//! Maps the errors of libraries to exit codes.

use fetch::FetchError;
use forge::build::{BuildError, StepError};
use supply::SupplyError;

use xtask::exit::{Exit, Failure};
use xtask::output;
use xtask::supply::store_exit;

/// A failure to fetch or store a file.
pub(crate) fn fetch_failure(error: FetchError) -> Failure {
    let hint = error.hint();
    Failure::new(fetch_exit(&error), error).hint(hint)
}

fn fetch_exit(error: &FetchError) -> Exit {
    match error {
        FetchError::Store(error) => store_exit(error),
        FetchError::Offline(_)
        | FetchError::AllFailed { .. }
        | FetchError::NotFound { .. }
        | FetchError::Several { .. } => Exit::FetchFailed,
    }
}

fn step_exit(error: &StepError) -> Exit {
    match error {
        StepError::Fetch(error) => fetch_exit(error),
        StepError::Store(error) => store_exit(error),
        _ => Exit::Failed,
    }
}

/// A failure of a build, with the exit code of its kind.
pub(crate) fn build_failure(error: BuildError) -> Failure {
    let hint = error.hint();
    let exit = match &error {
        BuildError::Offline(error) => fetch_exit(error),
        BuildError::Store(error) => store_exit(error),
        BuildError::Tools { .. } | BuildError::Root(_) | BuildError::Host(_) => Exit::SetupMissing,
        BuildError::Interrupted(_) => Exit::Interrupted,
        BuildError::Jobs(_) => Exit::Failed,
        // Steps that failed for different reasons count as a failed build.
        BuildError::Steps(failures) => {
            let mut exits = failures.iter().map(|failure| step_exit(&failure.error));
            let first = exits.next().unwrap_or(Exit::Failed);
            if exits.all(|exit| exit == first) {
                first
            } else {
                Exit::Failed
            }
        }
    };
    // The first one is in the error itself.
    for failure in error.failures().iter().skip(1) {
        output::note(format!("also failed: {failure}"));
    }
    Failure::new(exit, error).hint(hint)
}

/// A failure to find, fetch or build an image.
pub(crate) fn supply_failure(error: SupplyError) -> Failure {
    let exit = match error {
        SupplyError::Provision(error) => return error.into(),
        SupplyError::Build(error) => return build_failure(error),
        SupplyError::Fetch(error) => return fetch_failure(error),
        SupplyError::Http(_)
        | SupplyError::MirrorsFailed { .. }
        | SupplyError::ImagesOffline { .. } => Exit::FetchFailed,
        SupplyError::Pack(_) | SupplyError::Compare(_) => Exit::Failed,
    };
    let hint = error.hint();
    Failure::new(exit, error).hint(hint)
}

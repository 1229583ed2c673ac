//! The exit code for an error of a library.

use forge::build::{BuildError, StepError};
use forge::fetch::FetchError;
use provision::ProvisionError;
use store::StoreError;

use crate::exit::{Exit, Failure};
use crate::output;

/// A failure of the store.
pub(crate) fn store_failure(error: StoreError) -> Failure {
    let hint = error.hint();
    Failure::new(store_exit(&error), error).hint(hint)
}

/// A failure to get a file, or to keep it.
pub(crate) fn fetch_failure(error: FetchError) -> Failure {
    let hint = error.hint();
    Failure::new(fetch_exit(&error), error).hint(hint)
}

/// A store that cannot be used is a matter of set-up; what is wrong in it is not.
fn store_exit(error: &StoreError) -> Exit {
    match error {
        StoreError::Full { .. }
        | StoreError::ReadOnly(_)
        | StoreError::Absent(_)
        | StoreError::FoldsCase(_)
        | StoreError::FutureEntry { .. } => Exit::SetupMissing,
        _ => Exit::Failed,
    }
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

/// A failure of a build, with the exit code that tells what kind of failure it is.
pub(crate) fn build_failure(error: BuildError) -> Failure {
    let hint = error.hint();
    let exit = match &error {
        BuildError::Offline(error) => fetch_exit(error),
        BuildError::Store(error) => store_exit(error),
        BuildError::Tools { .. } | BuildError::Root(_) | BuildError::Host(_) => Exit::SetupMissing,
        BuildError::Interrupted(_) => Exit::Interrupted,
        BuildError::Jobs(_) => Exit::Failed,
        // Steps that failed in several ways are a failed build.
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
    // The first is in the error itself.
    for failure in error.failures().iter().skip(1) {
        output::note(format!("also failed: {failure}"));
    }
    Failure::new(exit, error).hint(hint)
}

impl From<ProvisionError> for Failure {
    fn from(error: ProvisionError) -> Self {
        let exit = match error {
            ProvisionError::Build(error) => return build_failure(error),
            ProvisionError::Store(error) => return store_failure(error),
            ProvisionError::Fetch(error) => return fetch_failure(error),
            ProvisionError::Plan(_) | ProvisionError::NoRecipe { .. } => Exit::Usage,
            ProvisionError::Http(_)
            | ProvisionError::Prebuilt(_)
            | ProvisionError::MirrorsFailed { .. }
            | ProvisionError::ImagesOffline { .. }
            | ProvisionError::Differs { .. } => Exit::FetchFailed,
            ProvisionError::Pack(_)
            | ProvisionError::Mirror(_)
            | ProvisionError::Compare(_)
            | ProvisionError::Io(_)
            | ProvisionError::Files(_)
            | ProvisionError::WouldChangeLock(_)
            | ProvisionError::Outdated(_) => Exit::Failed,
        };
        let hint = error.hint();
        Self::new(exit, error).hint(hint)
    }
}

//! Why a plan or a step failed.

use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::interrupt::Interrupted;
use host::jobs::JobError;
use host::process::{ExitStatus, ProcessError};
use plan::step::Step;

use super::canary_error::CanaryError;
use crate::gather::GatherError;
use crate::initramfs::InitramfsError;
use fetch::FetchError;
use inspect::scan::Finding;
use sandbox::foreign_root::RootError;
use store::StoreError;
use unpack::UnpackError;

/// Why a plan failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The run was interrupted. Finished steps are in the store.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// The host lacks programs that steps call.
    #[error("{} lacks tools that the build needs: {}", whose(root.as_deref()), list(missing))]
    Tools {
        /// The programs' names.
        missing: Vec<String>,
        /// The root that should have them, if it is not the host's own.
        root: Option<Utf8PathBuf>,
    },
    /// The tools of another root cannot be used.
    #[error(transparent)]
    Root(RootError),
    /// Sources are missing and the network is disabled.
    #[error(transparent)]
    Offline(FetchError),
    /// Steps failed. Steps that do not depend on them were finished.
    #[error("{}", first_of(.0))]
    Steps(Vec<StepFailure>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The job server failed.
    #[error(transparent)]
    Jobs(JobError),
    /// The host's compiler did not report its version.
    #[error("failed to identify the host's compiler")]
    Host(#[source] ProcessError),
}

impl BuildError {
    /// The command that fixes the error, if one exists.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Tools {
                missing,
                root: Some(root),
            } => host::packages::commands_below(root, missing),
            Self::Root(error) => error.hint(),
            Self::Tools { root: None, .. } | Self::Host(_) => {
                Some("cargo xtask setup --for build".to_owned())
            }
            Self::Offline(error) => error.hint(),
            Self::Steps(failures) => failures.first().and_then(|failure| failure.error.hint()),
            Self::Store(error) => error.hint(),
            Self::Interrupted(_) | Self::Jobs(_) => None,
        }
    }

    /// The failed steps with their errors.
    #[must_use]
    pub fn failures(&self) -> &[StepFailure] {
        match self {
            Self::Steps(failures) => failures,
            _ => &[],
        }
    }
}

impl From<JobError> for BuildError {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Interrupted(interrupted) => Self::Interrupted(interrupted),
            error @ JobError::Pipe(_) => Self::Jobs(error),
        }
    }
}

/// A failed step.
#[derive(Debug, thiserror::Error)]
#[error("`{step}`: {error}")]
pub struct StepFailure {
    /// The step's display name, such as `linux (ppc64)`.
    pub step: String,
    /// The error. It is part of the message instead of the source, so that it is not printed twice.
    pub error: StepError,
}

impl StepFailure {
    pub(super) fn of(step: &Step, error: StepError) -> Self {
        Self {
            step: step.to_string(),
            error,
        }
    }
}

impl From<UnpackError> for StepError {
    fn from(error: UnpackError) -> Self {
        Self::Unpack(Box::new(error))
    }
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A source could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A source could not be unpacked or patched.
    #[error(transparent)]
    Unpack(Box<UnpackError>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its script failed.
    #[error("the script exited with {status}; last lines of `{log}`:\n{}", tail.join("\n"))]
    Script {
        /// The exit status.
        status: ExitStatus,
        /// The complete log.
        log: Utf8PathBuf,
        /// The last lines of the log.
        tail: Vec<String>,
        /// The kept work area, if requested.
        kept: Option<Utf8PathBuf>,
    },
    /// The script exceeded its time limit.
    #[error("the script did not finish within {limit:?}; last lines of `{log}`:\n{}", tail.join("\n"))]
    TimedOut {
        /// The time limit.
        limit: Duration,
        /// The complete log.
        log: Utf8PathBuf,
        /// The last lines of the log.
        tail: Vec<String>,
        /// The kept work area, if requested.
        kept: Option<Utf8PathBuf>,
    },
    /// An output differs from the committed file.
    #[error("output `{output}` differs from `{path}`:\n{diff}")]
    Frozen {
        /// Path in the output tree.
        output: String,
        /// Path in the repository.
        path: Utf8PathBuf,
        /// The step's architecture.
        arch: Option<String>,
        /// A unified diff, shortened.
        diff: String,
    },
    /// A frozen output was not created.
    #[error("missing output `{output}`: nothing to compare")]
    NoFrozenOutput {
        /// Path in the output tree.
        output: String,
        /// The error of the system.
        source: io::Error,
    },
    /// An output contains a string that identifies the build machine.
    #[error("{}", leaks(.found))]
    Leak {
        /// The step's recipe.
        recipe: String,
        /// The strings with their locations, at least one.
        found: Vec<Finding>,
    },
    /// The toolchain was refused.
    #[error(transparent)]
    Canary(#[from] CanaryError),
    /// The initramfs could not be assembled.
    #[error(transparent)]
    Initramfs(#[from] InitramfsError),
    /// The image could not be assembled.
    #[error(transparent)]
    Gather(#[from] GatherError),
    /// The script could not be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The job server failed, or the run was interrupted.
    #[error(transparent)]
    Jobs(#[from] JobError),
    /// The run was interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// The work area failed. The message names the file.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StepError {
    /// The command that fixes the error, if one exists.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fetch(error) => error.hint(),
            Self::Unpack(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Script { log, kept, .. } | Self::TimedOut { log, kept, .. } => Some(
                kept.as_ref()
                    .map_or_else(|| format!("less {log}"), |kept| format!("cd {kept}")),
            ),
            Self::Frozen { arch, .. } => {
                let arch = arch
                    .as_ref()
                    .map(|arch| format!(" --arch {arch}"))
                    .unwrap_or_default();
                Some(format!("cargo xtask images --refreeze{arch}"))
            }
            Self::Leak { recipe, .. } => Some(format!(
                "set the recorded value in `recipes/{recipe}/build.sh.hbs`, or map the path"
            )),
            Self::Canary(error) => error.hint(),
            Self::Initramfs(error) => error.hint(),
            Self::Gather(error) => error.hint(),
            Self::Process(error) => error.hint(),
            Self::NoFrozenOutput { .. } | Self::Jobs(_) | Self::Interrupted(_) | Self::Io(_) => {
                None
            }
        }
    }
}

fn first_of(failures: &[StepFailure]) -> String {
    let first = failures
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    match failures.len() {
        0 | 1 => first,
        count => format!("{count} steps failed, first {first}"),
    }
}

fn whose(root: Option<&Utf8Path>) -> String {
    root.map_or_else(|| "this host".to_owned(), |root| format!("`{root}`"))
}

/// Formats at most ten of them, because a path in one object file is usually in many.
fn leaks(found: &[Finding]) -> String {
    const SHOWN: usize = 10;
    let mut lines: Vec<String> = found.iter().take(SHOWN).map(ToString::to_string).collect();
    if found.len() > SHOWN {
        lines.push(format!("and {} more", found.len() - SHOWN));
    }
    lines.join("\n")
}

fn list(items: &[String]) -> String {
    items
        .iter()
        .map(|item| format!("`{item}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

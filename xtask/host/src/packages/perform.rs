//! Runs a set-up: refreshes the package lists, then installs.

use std::time::Duration;

use super::{Setup, SetupCommand, gather, missing, plan_setup};
use crate::env::Env;
use crate::process::{Command, ExitStatus, ProcessError, Stdio};

/// How long one command of the package manager may take: downloads on a slow line.
const LIMIT: Duration = Duration::from_secs(3600);

/// Why tools are still missing.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A command could not be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A command failed.
    #[error("`{command}` exited with {status}")]
    Failed {
        /// The command; its output is on the terminal.
        command: SetupCommand,
        /// How it ended.
        status: ExitStatus,
    },
    /// The commands succeeded, or there are none.
    #[error("still missing: {}", [tools.join(", ")].iter().chain(notes).cloned().collect::<Vec<_>>().join("\n"))]
    StillMissing {
        /// Their names.
        tools: Vec<String>,
        /// Why no package contains them.
        notes: Vec<String>,
    },
}

impl SetupError {
    /// The command that fixes it, when there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { command, .. } => Some(command.to_string()),
            Self::Process(error) => error.hint(),
            Self::StillMissing { .. } => None,
        }
    }
}

/// Installs what is missing of `tools`. `announce` sees each command before it runs.
pub fn perform(
    tools: &[String],
    env: &Env,
    announce: &mut dyn FnMut(&SetupCommand),
) -> Result<(), SetupError> {
    let wanted = missing(tools, env);
    let mut setup = plan_setup(&wanted, &gather(&wanted, env)?);
    if let Some(refresh) = &setup.refresh {
        announce(refresh);
        // One unreachable source of several is not a reason to stop: the installation shows it.
        run(refresh)?;
        setup = plan_setup(&wanted, &gather(&wanted, env)?);
    }
    if let (Some(source), Some(refresh)) = (&setup.source, &setup.refresh) {
        for command in [source, refresh] {
            announce(command);
            run(command)?;
        }
    }
    let Setup { install, notes, .. } = setup;
    if let Some(install) = install {
        announce(&install);
        let status = run(&install)?;
        if !status.success() {
            let command = install;
            return Err(SetupError::Failed { command, status });
        }
    }
    match missing(tools, env) {
        tools if tools.is_empty() => Ok(()),
        tools => Err(SetupError::StillMissing { tools, notes }),
    }
}

/// The command shares our terminal, for it shows progress, and `sudo` asks for a password. Its stdout
/// goes to our stderr, because our stdout is for results.
fn run(command: &SetupCommand) -> Result<ExitStatus, ProcessError> {
    let stderr = std::io::stderr();
    let stderr = std::os::fd::AsFd::as_fd(&stderr).try_clone_to_owned();
    Command::from_argv(&command.0)
        // A package manager that is killed leaves half-installed packages.
        .outlive_parent()
        .stdin(Stdio::Inherit)
        .stdout(stderr.map_or(Stdio::Null, Stdio::Fd))
        .same_group()
        .run(LIMIT)
}

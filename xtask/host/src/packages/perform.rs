//! Runs a setup: refreshes the package lists, then installs.

use std::time::Duration;

use super::{Setup, SetupCommand, gather, missing, plan_setup};
use crate::env::Env;
use crate::process::{Command, ExitStatus, ProcessError, Stdio};

/// Time limit for one command of the package manager, which may download on a slow line.
const LIMIT: Duration = Duration::from_secs(3600);

/// Why tools are still missing.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A command could not be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A command failed.
    #[error("`{command}` exited with {status}")]
    Failed {
        /// The command, whose output is on the terminal.
        command: SetupCommand,
        /// The exit status of the command.
        status: ExitStatus,
    },
    /// Tools are missing although the commands succeeded, or no command exists.
    #[error("still missing: {}", [tools.join(", ")].iter().chain(notes).cloned().collect::<Vec<_>>().join("\n"))]
    StillMissing {
        /// Their names.
        tools: Vec<String>,
        /// Why no package contains them.
        notes: Vec<String>,
    },
}

impl SetupError {
    /// The command that fixes the error, if one exists.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { command, .. } => Some(command.to_string()),
            Self::Process(error) => error.hint(),
            Self::StillMissing { .. } => None,
        }
    }
}

/// Installs the missing ones of `tools`. Calls `announce` with each command before it runs.
pub fn perform(
    tools: &[String],
    env: &Env,
    announce: &mut dyn FnMut(&SetupCommand),
) -> Result<(), SetupError> {
    let wanted = missing(tools, env);
    let mut setup = plan_setup(&wanted, &gather(&wanted, env)?);
    if let Some(refresh) = &setup.refresh {
        announce(refresh);
        // One unreachable source of several is not an error yet. The installation fails if it
        // matters.
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
    for command in install {
        announce(&command);
        let status = run(&command)?;
        if !status.success() {
            return Err(SetupError::Failed { command, status });
        }
    }
    match missing(tools, env) {
        tools if tools.is_empty() => Ok(()),
        tools => Err(SetupError::StillMissing { tools, notes }),
    }
}

/// Runs a command on the terminal, because it shows progress and `sudo` asks for a password. Its
/// stdout is redirected to stderr, because stdout is for results.
fn run(command: &SetupCommand) -> Result<ExitStatus, ProcessError> {
    let stderr = std::io::stderr();
    let stderr = std::os::fd::AsFd::as_fd(&stderr).try_clone_to_owned();
    Command::from_argv(&command.0)
        // Killing a package manager would leave half-installed packages.
        .outlive_parent()
        .stdin(Stdio::Inherit)
        .stdout(stderr.map_or(Stdio::Null, Stdio::Fd))
        .same_group()
        .run(LIMIT)
}

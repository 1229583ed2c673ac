//! Runs a set-up: the commands before the forecast, then facts anew, until nothing is missing.

use std::time::Duration;

use super::{Setup, SetupCommand, gather, missing, plan_setup};
use crate::env::Env;
use crate::process::command::quote_line;
use crate::process::{Command, ExitStatus, ProcessError, Stdio};

/// How long one command of the package manager may take: downloads on a slow line.
const LIMIT: Duration = Duration::from_secs(3600);

/// Refreshing the lists, adding a suite, installing: each may tell something new.
const ROUNDS: usize = 4;

/// Why a set-up did not end with everything there.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A command could not be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A command failed.
    #[error("`{line}` exited with {status}")]
    Failed {
        /// As a shell line.
        line: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// All that could be done was done, and it was not enough.
    #[error("still missing: {}", reasons(tools, notes))]
    StillMissing {
        /// Their names.
        tools: Vec<String>,
        /// What is known about why.
        notes: Vec<String>,
    },
}

impl SetupError {
    /// The command that fixes it, when there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            // It is printed, and its own words above it say what is wrong.
            Self::Failed { line, .. } => Some(line.clone()),
            Self::Process(error) => error.hint(),
            Self::StillMissing { .. } => None,
        }
    }
}

fn reasons(tools: &[String], notes: &[String]) -> String {
    let lines = [tools.join(", ")].into_iter().chain(notes.iter().cloned());
    lines.collect::<Vec<_>>().join("\n  ")
}

/// Installs what is missing of `tools`. `announce` sees each command before it runs.
///
/// The commands share our terminal: a package manager shows its progress, `sudo` asks its question.
/// Their stdout goes where our stderr goes, for results are ours alone.
pub fn perform(
    tools: &[String],
    env: &Env,
    announce: &mut dyn FnMut(&SetupCommand),
) -> Result<(), SetupError> {
    let mut notes = Vec::new();
    for _ in 0..ROUNDS {
        let lacking = missing(tools, env);
        if lacking.is_empty() {
            return Ok(());
        }
        let setup: Setup = plan_setup(&lacking, &gather(&lacking, env)?);
        notes = setup.notes;
        let certain = setup.forecast_from.unwrap_or(setup.commands.len());
        if certain == 0 {
            break;
        }
        for command in &setup.commands[..certain] {
            announce(command);
            run(command)?;
        }
        if setup.forecast_from.is_none() {
            break;
        }
    }
    match missing(tools, env) {
        tools if tools.is_empty() => Ok(()),
        tools => Err(SetupError::StillMissing { tools, notes }),
    }
}

fn run(command: &SetupCommand) -> Result<(), SetupError> {
    // A package manager that is killed half-way leaves half-installed packages: it may outlive us.
    let child = Command::from_argv(&command.argv).outlive_parent();
    let status = if let Some(text) = &command.stdin {
        child
            .output_with_input(text.clone().into_bytes(), LIMIT)?
            .status
    } else {
        let stderr = std::io::stderr();
        let stderr = std::os::fd::AsFd::as_fd(&stderr).try_clone_to_owned();
        let stdout = stderr.map_or(Stdio::Null, Stdio::Fd);
        child
            .stdin(Stdio::Inherit)
            .stdout(stdout)
            .same_group()
            .run(LIMIT)?
    };
    if status.success() || command.may_fail {
        return Ok(());
    }
    Err(SetupError::Failed {
        line: quote_line(&command.argv),
        status,
    })
}

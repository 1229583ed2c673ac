//! Starts, watches and ends child processes. No other module starts one.
//!
//! A child leads its own process group and dies with this process (see [`crate::guard`]). When the
//! leader ends, the rest of the group is killed, so nothing outlives a [`Running`]. [`command`]
//! describes what to run, [`running`] watches it, and [`capture`] runs it to its end.
//! [`crate::family`] is for a child whose children may leave the group.

pub mod capture;
pub mod command;
pub mod running;
pub mod status;

use std::io;
use std::time::Duration;

pub use capture::Output;
pub use command::{Command, Stdio};
pub use running::{Running, Waiter};
pub use status::ExitStatus;

use crate::interrupt::Interrupted;

/// Why a child failed.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The child's PATH does not contain the program.
    #[error("`{program}` not found")]
    NotFound {
        /// The program as given to [`Command::new`].
        program: String,
    },
    /// The system refused the program, its directory or its descriptors.
    #[error("failed to start `{program}`")]
    Spawn {
        /// The program as given to [`Command::new`].
        program: String,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
    /// Two inherited descriptors were given the same number.
    #[error("descriptor {number} of `{program}` is given twice")]
    DescriptorTwice {
        /// The program as given to [`Command::new`].
        program: String,
        /// The number in the child.
        number: i32,
    },
    /// The child exceeded its time limit and was killed.
    #[error("`{program}` did not finish within {} s", limit.as_secs_f32())]
    TimedOut {
        /// The program as given to [`Command::new`].
        program: String,
        /// The time limit.
        limit: Duration,
    },
    /// The child failed where success was required.
    #[error("`{line}` exited with {status}{}", last_words(stderr))]
    Failed {
        /// The command as a shell line.
        line: String,
        /// The exit status.
        status: ExitStatus,
        /// The child's stderr.
        stderr: String,
    },
    /// The run was interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl ProcessError {
    /// The command that fixes the error, if one exists.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { .. } => Some("cargo xtask setup".to_owned()),
            _ => None,
        }
    }
}

/// The last line of a child's stderr, for the end of an error message.
fn last_words(stderr: &str) -> String {
    let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
    last.map_or_else(String::new, |line| format!(": {}", line.trim()))
}

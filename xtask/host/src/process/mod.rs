//! Starting, watching and ending child processes: the only place where one is started.
//!
//! A child leads a process group of its own and dies with this process (see [`crate::guard`]). When
//! its leader ends, what is left of the group is killed, so nothing outlives a [`Running`].
//! [`command`] says what to run, [`running`] watches it, [`capture`] runs it to its end; [`crate::family`]
//! is for a child whose children may leave the group.

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

/// Why a child could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// No such program on the child's PATH.
    #[error("`{program}` not found")]
    NotFound {
        /// As given to [`Command::new`].
        program: String,
    },
    /// The program, its directory or its descriptors were refused by the system.
    #[error("failed to start `{program}`")]
    Spawn {
        /// As given to [`Command::new`].
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Two inherited descriptors were given the same number.
    #[error("descriptor {number} of `{program}` is given twice")]
    DescriptorTwice {
        /// As given to [`Command::new`].
        program: String,
        /// The number in the child.
        number: i32,
    },
    /// It ran longer than it may; it has been killed.
    #[error("`{program}` did not finish within {} s", limit.as_secs_f32())]
    TimedOut {
        /// As given to [`Command::new`].
        program: String,
        /// The time it had.
        limit: Duration,
    },
    /// It ended in failure, where success was asked for.
    #[error("`{line}` exited with {status}{}", last_words(stderr))]
    Failed {
        /// The command as a shell line.
        line: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to stderr.
        stderr: String,
    },
    /// The run was interrupted.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl ProcessError {
    /// The command that fixes it, when there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { .. } => Some("cargo xtask setup".to_owned()),
            _ => None,
        }
    }
}

/// The last line of a child's stderr, as the tail of an error message.
fn last_words(stderr: &str) -> String {
    let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
    last.map_or_else(String::new, |line| format!(": {}", line.trim()))
}

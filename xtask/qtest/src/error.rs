//! Errors of a qtest session.

use host::test_time::Activity;
use qemu::{Exit, QemuError};

/// An error of a session.
#[derive(Debug, thiserror::Error)]
pub enum QtestError {
    /// QEMU could not be started, or does not read its commands.
    #[error(transparent)]
    Qemu(#[from] QemuError),
    /// The file with the machine's RAM cannot be created or accessed.
    #[error("failed to access the memory of the machine")]
    Memory(#[source] std::io::Error),
    /// QEMU refused the command.
    #[error("QEMU refused `{command}`: {reply}")]
    Refused {
        /// The command.
        command: String,
        /// QEMU's reply.
        reply: String,
    },
    /// QEMU exited instead of replying.
    #[error("QEMU ended with {exit} at `{command}`{}", indented(.log))]
    Ended {
        /// The command.
        command: String,
        /// How it ended.
        exit: Exit,
        /// The last of QEMU's own messages, one per line.
        log: String,
    },
    /// QEMU did not reply in time.
    #[error("QEMU did not reply to `{command}` within {millis} ms: {activity}{}", indented(.log))]
    Deadline {
        /// The command.
        command: String,
        /// The time limit of the reply.
        millis: u128,
        /// What QEMU did instead.
        activity: Activity,
        /// The last of QEMU's own messages, one per line.
        log: String,
    },
    /// A reply that the protocol does not define for this command.
    #[error("unexpected reply to `{command}`: `{reply}`")]
    Reply {
        /// The command.
        command: String,
        /// The reply.
        reply: String,
    },
    /// The binary has no settable clock.
    #[error("`{command}` needs the `qtest` accelerator, which this QEMU lacks")]
    NoClock {
        /// The command.
        command: String,
    },
}

impl QtestError {
    /// The advice that fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoClock { .. } => Some(
                "use a QEMU of your own build (--qemu DIR); distributions leave the accelerator out"
                    .into(),
            ),
            Self::Qemu(error) => error.hint(),
            _ => None,
        }
    }
}

fn indented(log: &str) -> String {
    let lines: Vec<String> = log.lines().map(|line| format!("\n    {line}")).collect();
    lines.concat()
}

//! Errors of the crate, each with the command or the change that fixes it.

use std::time::Duration;

use camino::Utf8PathBuf;

use crate::qmp::QmpError;

/// What can go wrong before, while and after QEMU runs.
#[derive(Debug, thiserror::Error)]
pub enum QemuError {
    /// No binary of that name anywhere.
    #[error("`{binary}` not found{place}")]
    NotFound {
        /// Name of the binary.
        binary: String,
        /// Where it was looked for: empty for the search path, else ` in ...`.
        place: String,
    },
    /// The binary cannot be started.
    #[error("failed to start `{binary}`: {why}")]
    Spawn {
        /// The binary.
        binary: Utf8PathBuf,
        /// What the system said.
        why: String,
    },
    /// QEMU ended, or never answered, before it said what it can do.
    #[error("failed to query the capabilities of `{binary}`: {why}{}", tail(.stderr))]
    Probe {
        /// The binary.
        binary: Utf8PathBuf,
        /// What happened instead.
        why: String,
        /// The end of its error output.
        stderr: String,
    },
    /// Some other program.
    #[error("`{binary}` is not a QEMU system emulator: `--version` {found}")]
    NotQemu {
        /// The program.
        binary: Utf8PathBuf,
        /// What came of the question.
        found: String,
    },
    /// A QEMU for another target than the one that is needed.
    #[error("expected a QEMU for `{expected}`, found one for `{found}`: `{binary}`")]
    Target {
        /// The binary.
        binary: Utf8PathBuf,
        /// What is needed.
        expected: String,
        /// What it emulates.
        found: String,
    },
    /// An option that cannot work in a run.
    #[error("invalid QEMU option `{option}`: {why}")]
    Option {
        /// The option as it was given.
        option: String,
        /// Why not.
        why: String,
    },
    /// An option or a machine of older QEMUs.
    #[error("the {what} was removed from QEMU{rest}")]
    Removed {
        /// Such as ``option `-runas` ``.
        what: String,
        /// Since when, or what there is instead.
        rest: String,
    },
    /// QMP refused or failed.
    #[error("QMP `{command}`")]
    Qmp {
        /// The command.
        command: String,
        /// What QEMU said.
        #[source]
        source: QmpError,
    },
    /// The guest took no bytes for too long, or its channel is closed.
    #[error("the guest read nothing from its {channel} within {} ms", .waited.as_millis())]
    Stuck {
        /// `console` or `control channel`.
        channel: &'static str,
        /// How long was tried.
        waited: Duration,
    },
    /// A channel or file failed.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl QemuError {
    /// The command or change that fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { place, .. } if place.is_empty() => {
                Some("cargo xtask setup --yes; or --qemu DIR with a QEMU build directory".into())
            }
            Self::NotFound { binary, .. } => {
                Some(format!("ninja {binary}; or --qemu with another directory"))
            }
            Self::Probe { binary, .. } => Some(format!(
                "`{binary} -machine none -display none` shows what is wrong with it"
            )),
            Self::NotQemu { .. } => {
                Some("--qemu DIR, a QEMU build directory, or --qemu FILE, a binary".into())
            }
            Self::Target { expected, .. } => Some(format!(
                "use --qemu with the directory of both, or with a `qemu-system-{expected}`"
            )),
            Self::Option { .. } => Some("remove it from the `qemu` line of the test".into()),
            Self::Removed { .. }
            | Self::Spawn { .. }
            | Self::Qmp { .. }
            | Self::Stuck { .. }
            | Self::Io { .. } => None,
        }
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

fn tail(stderr: &str) -> String {
    match stderr.trim_end() {
        "" => String::new(),
        text => format!("\n{text}"),
    }
}

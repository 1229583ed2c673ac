//! Errors of the crate with hints.

use std::time::Duration;

use camino::Utf8PathBuf;

use crate::qmp::QmpError;

/// Errors before, during and after a run of QEMU.
#[derive(Debug, thiserror::Error)]
pub enum QemuError {
    /// The binary was not found.
    #[error("`{binary}` not found{place}")]
    NotFound {
        /// Name of the binary.
        binary: String,
        /// The searched place: empty for PATH, else ` in ...`.
        place: String,
    },
    /// The binary cannot be started.
    #[error("failed to start `{binary}`: {why}")]
    Spawn {
        /// The binary.
        binary: Utf8PathBuf,
        /// The error of the system.
        why: String,
    },
    /// QEMU exited or did not answer while it was probed.
    #[error("failed to query the capabilities of `{binary}`: {why}{}", tail(.stderr))]
    Probe {
        /// The binary.
        binary: Utf8PathBuf,
        /// What happened instead.
        why: String,
        /// The end of its error output.
        stderr: String,
    },
    /// The program is not QEMU.
    #[error("`{binary}` is not a QEMU system emulator: `--version` {found}")]
    NotQemu {
        /// The program.
        binary: Utf8PathBuf,
        /// Its `--version` output.
        found: String,
    },
    /// The QEMU is for another target.
    #[error("expected a QEMU for `{expected}`, found one for `{found}`: `{binary}`")]
    Target {
        /// The binary.
        binary: Utf8PathBuf,
        /// The required target.
        expected: String,
        /// The target of the binary.
        found: String,
    },
    /// The machine has no disk for the root file system of a distribution.
    #[error("no guest of the machine `{machine}` boots a distribution")]
    NoRootDisk {
        /// The machine.
        machine: String,
    },
    /// An option that cannot be used in a run.
    #[error("invalid QEMU option `{option}`: {why}")]
    Option {
        /// The option as it was given.
        option: String,
        /// The reason.
        why: String,
    },
    /// The option or machine was removed from QEMU.
    #[error("the {what} was removed from QEMU{rest}")]
    Removed {
        /// Such as ``option `-runas` ``.
        what: String,
        /// The version that removed it, or a replacement.
        rest: String,
    },
    /// QMP failed.
    #[error("QMP `{command}`")]
    Qmp {
        /// The command.
        command: String,
        /// QEMU's error.
        #[source]
        source: QmpError,
    },
    /// The guest did not read for too long, or its channel is closed.
    #[error("the guest read nothing from its {channel} within {} ms", .waited.as_millis())]
    Stuck {
        /// `console` or `control channel`.
        channel: &'static str,
        /// The time limit.
        waited: Duration,
    },
    /// A channel or file failed.
    #[error("{what}")]
    Io {
        /// The failed action.
        what: String,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
}

impl QemuError {
    /// The command or advice that fixes the error.
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
            Self::NoRootDisk { .. } => Some("key `root-disk` of the machine in `images/`".into()),
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

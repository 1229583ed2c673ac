//! Why a kernel could not be built.

use std::io;

use camino::Utf8PathBuf;
use host::process::command::quote;
use host::process::{ExitStatus, ProcessError};

use crate::fragment::FragmentError;

/// Why a kernel could not be built.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The source tree does not exist.
    #[error("no source tree at `{0}`: not a directory")]
    NoSource(Utf8PathBuf),
    /// A directory that is not a source tree.
    #[error("`{directory}` is not a kernel source tree: `{missing}` is missing")]
    NotSource {
        /// The directory.
        directory: Utf8PathBuf,
        /// What every source tree has.
        missing: &'static str,
    },
    /// The source tree has the files of a build inside it, which the kernel's Makefile refuses.
    #[error(
        "`{source_tree}` contains a build (`{found}`), so it cannot be built in another directory"
    )]
    Unclean {
        /// The source tree.
        source_tree: Utf8PathBuf,
        /// What shows the build.
        found: &'static str,
    },
    /// The build directory is the source tree.
    #[error("`{0}` is the source tree: expected another directory for the build")]
    InSource(Utf8PathBuf),
    /// The kernel does not support the architecture.
    #[error(
        "the kernel in `{source_tree}` does not support the architecture: `arch/{name}` is missing"
    )]
    Arch {
        /// The source tree.
        source_tree: Utf8PathBuf,
        /// The kernel's name of the architecture.
        name: String,
    },
    /// The build directory has a config of another origin.
    #[error("`{0}/.config` was not made by this command and would be replaced")]
    Foreign(Utf8PathBuf),
    /// The build directory belongs to another source tree.
    #[error("`{output}` is the build directory of `{other}`")]
    OtherSource {
        /// The build directory.
        output: Utf8PathBuf,
        /// Its source tree.
        other: Utf8PathBuf,
    },
    /// A fragment is invalid.
    #[error(transparent)]
    Fragment(#[from] FragmentError),
    /// The kernel's build did not make a config.
    #[error("failed to make the kernel's config:\n{}", last_lines(.output))]
    Config {
        /// The output of `make`.
        output: String,
    },
    /// The file system has no space left, so that the config may be incomplete.
    #[error("failed to make the kernel's config in `{0}`: the disk is full")]
    Full(Utf8PathBuf),
    /// `make` failed. Its output was printed.
    #[error("`make {target}` failed: {status}{}", if *.is_full { ", because the disk is full" } else { "" })]
    Make {
        /// What was made.
        target: String,
        /// How `make` ended.
        status: ExitStatus,
        /// Whether the file system has no space left.
        is_full: bool,
        /// The build directory.
        output: Utf8PathBuf,
    },
    /// `make` could not be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl MakeError {
    /// The command that fixes the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unclean { source_tree, .. } => {
                Some(format!("make -C {} mrproper", quote(source_tree)))
            }
            Self::Foreign(output) => Some(format!(
                "--out with another directory; --config {} uses its options",
                quote(output.join(".config"))
            )),
            Self::OtherSource { .. } | Self::InSource(_) => {
                Some("--out with another directory".to_owned())
            }
            Self::NoSource(_) | Self::NotSource { .. } => {
                Some("--src with the root of a kernel source tree".to_owned())
            }
            Self::Process(ProcessError::NotFound { .. }) => {
                Some("cargo xtask setup --for build".to_owned())
            }
            Self::Full(output)
            | Self::Make {
                is_full: true,
                output,
                ..
            } => Some(format!("df {}", quote(output))),
            _ => None,
        }
    }

    /// Whether the command line or a file of the user is wrong.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        !matches!(
            self,
            Self::Config { .. }
                | Self::Full(_)
                | Self::Make { .. }
                | Self::Process(_)
                | Self::Io(_)
        )
    }
}

/// The number of lines of output in an error.
const LINES: usize = 20;

fn last_lines(output: &str) -> String {
    let lines: Vec<&str> = output.trim_end().lines().collect();
    let from = lines.len().saturating_sub(LINES);
    lines[from..].join("\n")
}

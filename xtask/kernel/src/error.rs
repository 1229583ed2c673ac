//! Errors of finding the kernel to boot.

use camino::Utf8PathBuf;
use host::process::command::quote_line;

use crate::file::Target;

/// Why a file or a build tree cannot be booted.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Neither a file nor a directory.
    #[error("no kernel at `{0}`: no such file or directory")]
    Absent(Utf8PathBuf),
    /// The file system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A directory in which nothing was built.
    #[error("no kernel in the build tree `{tree}`: expected `{}`", .expected.join("` or `"))]
    NotBuilt {
        /// The directory.
        tree: Utf8PathBuf,
        /// The files that were looked for.
        expected: Vec<String>,
        /// The command that builds one.
        make: Vec<String>,
    },
    /// `vmlinux` was linked again and the file that boots was not made from it.
    #[error("`{file}` is older than the `vmlinux` of its build tree")]
    Stale {
        /// The file that boots.
        file: Utf8PathBuf,
        /// The command that brings it up to date.
        make: Vec<String>,
    },
    /// Not a format in which kernels are booted.
    #[error(
        "`{0}` is not a kernel: expected an ELF file, a bzImage, or an Image, plain or gzip-compressed"
    )]
    Format(Utf8PathBuf),
    /// A kernel of another architecture.
    #[error("`{path}` is not a kernel of {arch}: expected {expected}, found {found}")]
    Target {
        /// The kernel.
        path: Utf8PathBuf,
        /// The architecture that it was to be booted on.
        arch: String,
        /// What that architecture's own kernel is for.
        expected: Target,
        /// What it is for.
        found: Target,
    },
    /// A config without the drivers that a guest needs.
    #[error("the kernel in `{tree}` lacks what a guest needs: {}", .missing.join(", "))]
    Config {
        /// Where the config is.
        tree: Utf8PathBuf,
        /// `CONFIG_NAME=value`.
        missing: Vec<String>,
        /// The command that builds it again.
        make: Vec<String>,
    },
}

/// Why a kernel is one of none of several architectures: in one error.
#[must_use]
pub fn summary(errors: Vec<KernelError>) -> Option<KernelError> {
    let mut errors = errors.into_iter();
    let mut first = errors.next()?;
    for error in errors {
        match (&mut first, error) {
            (
                KernelError::NotBuilt { expected, make, .. },
                KernelError::NotBuilt { expected: more, .. },
            ) => {
                expected.extend(more);
                // Without the architecture: it is what the tree is configured for.
                make.truncate(3);
            }
            // What is wrong with a kernel that is there says more.
            (KernelError::NotBuilt { .. }, error) => first = error,
            _ => {}
        }
    }
    Some(first)
}

impl KernelError {
    /// What fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotBuilt { make, .. } | Self::Stale { make, .. } => Some(quote_line(make)),
            Self::Target { .. } => {
                Some("without --arch, the architecture of the kernel is selected".to_owned())
            }
            Self::Config {
                missing,
                make,
                tree,
            } => {
                let name = |option: &String| {
                    let name = option.trim_start_matches("CONFIG_");
                    name.split('=').next().unwrap_or(name).to_owned()
                };
                let options = missing.iter().map(name);
                let options = options.map(|name| format!("--enable {name}"));
                let options = options.collect::<Vec<_>>().join(" ");
                let file = quote_line(&[tree.join(".config").into_string()]);
                let make = quote_line(make);
                Some(format!("scripts/config --file {file} {options} && {make}"))
            }
            Self::Absent(_) | Self::Io(_) | Self::Format(_) => None,
        }
    }
}

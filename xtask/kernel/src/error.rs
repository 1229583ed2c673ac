//! Why no kernel to boot was found.

use camino::Utf8PathBuf;
use host::process::command::quote_line;

use crate::file::Target;

/// Why a file or a build tree cannot be booted.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Neither a file nor a directory.
    #[error("no kernel at `{0}`: no such file or directory")]
    Absent(Utf8PathBuf),
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A directory without a built kernel.
    #[error("no kernel in the build tree `{tree}`: expected `{}`", .expected.join("` or `"))]
    NotBuilt {
        /// The directory.
        tree: Utf8PathBuf,
        /// The expected files.
        expected: Vec<String>,
        /// The command that builds the kernel.
        make: Vec<String>,
    },
    /// `vmlinux` was linked again, but the bootable file was not made from it.
    #[error("`{file}` is older than the `vmlinux` of its build tree")]
    Stale {
        /// The bootable file.
        file: Utf8PathBuf,
        /// The command that updates it.
        make: Vec<String>,
    },
    /// Not a supported kernel format.
    #[error(
        "`{0}` is not a kernel: expected an ELF file, a bzImage, or an Image, plain or gzip-compressed"
    )]
    Format(Utf8PathBuf),
    /// A kernel of another architecture.
    #[error("`{path}` is not a kernel of {arch}: expected {expected}, found {found}")]
    Target {
        /// The kernel.
        path: Utf8PathBuf,
        /// The requested architecture.
        arch: String,
        /// The target of that architecture's own kernel.
        expected: Target,
        /// The target of this kernel.
        found: Target,
    },
    /// The config lacks drivers that a guest needs.
    #[error("the kernel in `{tree}` lacks what a guest needs: {}", .missing.join(", "))]
    Config {
        /// The build tree.
        tree: Utf8PathBuf,
        /// `CONFIG_NAME=value`.
        missing: Vec<String>,
        /// The command that rebuilds the kernel.
        make: Vec<String>,
    },
}

/// Combines the errors for several architectures into one.
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
                // Without the architecture, because the tree is already configured for one.
                make.truncate(3);
            }
            // An error about an existing kernel is more specific.
            (KernelError::NotBuilt { .. }, error) => first = error,
            _ => {}
        }
    }
    Some(first)
}

impl KernelError {
    /// The command that fixes the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotBuilt { make, .. } | Self::Stale { make, .. } => Some(quote_line(make)),
            Self::Target { .. } => {
                Some("`--arch` selects the target of the kernel; without it, only the main targets are tried".to_owned())
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

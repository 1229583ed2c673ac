//! Errors of gathering the host's files.

use camino::Utf8PathBuf;
use kernel::Target;
use plan::cpio::CpioError;

/// Why a file of the host cannot be copied into a guest.
#[derive(Debug, thiserror::Error)]
pub enum HostFilesError {
    /// The program is neither on PATH nor at that path.
    #[error("no program `{0}` on this host")]
    NoProgram(String),
    /// A library is in none of the searched directories.
    #[error("no library `{library}` on this host, which `{needed_by}` needs; searched {}", list(.searched))]
    NoLibrary {
        /// The name in the file.
        library: String,
        /// The program or library that needs it.
        needed_by: Utf8PathBuf,
        /// The searched directories.
        searched: Vec<Utf8PathBuf>,
    },
    /// A dynamic loader or an interpreter of a script is missing.
    #[error("no `{interpreter}` on this host, the interpreter of `{of}`")]
    NoInterpreter {
        /// Its path.
        interpreter: String,
        /// The program.
        of: Utf8PathBuf,
    },
    /// A program or library is for another architecture.
    #[error("`{path}` is for another architecture: expected {expected}, found {found}")]
    Target {
        /// The file.
        path: Utf8PathBuf,
        /// The target of this host's programs.
        expected: Target,
        /// The target of the file.
        found: Target,
    },
    /// An ELF file whose tables are outside the file.
    #[error("`{0}` is a damaged ELF file")]
    Damaged(Utf8PathBuf),
    /// No kernel with modules is installed.
    #[error(
        "no kernel with modules is installed on this host: expected `/boot/vmlinuz-RELEASE` and `/lib/modules/RELEASE`"
    )]
    NoKernel,
    /// The kernel does not have the module.
    #[error("the kernel {release} has no module `{module}`")]
    NoModule {
        /// Its name.
        module: String,
        /// The release of the kernel.
        release: String,
    },
    /// A module has an unsupported compression.
    #[error("failed to read the dependencies of `{0}`: expected an uncompressed, gzip or xz file")]
    Compressed(Utf8PathBuf),
    /// A file is not a module.
    #[error("`{0}` is not a kernel module")]
    NotAModule(Utf8PathBuf),
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The archive cannot contain an entry.
    #[error(transparent)]
    Archive(#[from] CpioError),
}

impl HostFilesError {
    /// The command or advice that fixes the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoKernel => {
                Some("install a kernel package, or select a kernel: --kernel FILE".to_owned())
            }
            Self::NoModule { release, .. } => {
                Some(format!("ls -R /lib/modules/{release} | grep '\\.ko'"))
            }
            Self::NoProgram(name)
            | Self::NoInterpreter {
                interpreter: name, ..
            } => Some(format!("install the package that has `{name}`")),
            Self::NoLibrary { library, .. } => Some(format!(
                "install the package that has `{library}`, or add its directory to /etc/ld.so.conf"
            )),
            Self::Target { .. } => {
                Some("select a file for the architecture of this host".to_owned())
            }
            Self::Compressed(_) => Some("depmod -a".to_owned()),
            Self::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Some("sudo chmod a+r FILE, for the file that the error names".to_owned())
            }
            _ => None,
        }
    }

    /// Whether the host lacks something that a package provides.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(
            self,
            Self::NoProgram(_) | Self::NoKernel | Self::NoModule { .. }
        )
    }
}

fn list(directories: &[Utf8PathBuf]) -> String {
    let quoted = directories.iter().map(|path| format!("`{path}`"));
    quoted.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_library_has_a_hint() {
        let error = HostFilesError::NoLibrary {
            library: "libone.so".to_owned(),
            needed_by: "/bin/tool".into(),
            searched: vec!["/lib".into()],
        };
        let hint = error.hint().unwrap();
        assert!(
            hint.starts_with("install the package that has `libone.so`"),
            "{hint}"
        );
    }
}

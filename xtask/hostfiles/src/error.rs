//! Errors of gathering the host's files.

use camino::Utf8PathBuf;
use kernel::Target;
use plan::cpio::CpioError;

/// Why a file of the host cannot go into a guest.
#[derive(Debug, thiserror::Error)]
pub enum HostFilesError {
    /// Neither on PATH nor at that path.
    #[error("no program `{0}` on this host")]
    NoProgram(String),
    /// A library in none of the directories that are searched.
    #[error("no library `{library}` on this host, which `{needed_by}` needs; searched {}", list(.searched))]
    NoLibrary {
        /// As the file names it.
        library: String,
        /// The program or the library.
        needed_by: Utf8PathBuf,
        /// Where it was looked for.
        searched: Vec<Utf8PathBuf>,
    },
    /// A dynamic loader or an interpreter of a script.
    #[error("no `{interpreter}` on this host, the interpreter of `{of}`")]
    NoInterpreter {
        /// Its path.
        interpreter: String,
        /// The program.
        of: Utf8PathBuf,
    },
    /// A program or a library of another architecture.
    #[error("`{path}` is for another architecture: expected {expected}, found {found}")]
    Target {
        /// The file.
        path: Utf8PathBuf,
        /// What this host's programs are for.
        expected: Target,
        /// What it is for.
        found: Target,
    },
    /// An ELF file whose tables are outside of the file.
    #[error("`{0}` is a damaged ELF file")]
    Damaged(Utf8PathBuf),
    /// No kernel is installed, or none with modules.
    #[error(
        "no kernel with modules is installed on this host: expected `/boot/vmlinuz-RELEASE` and `/lib/modules/RELEASE`"
    )]
    NoKernel,
    /// A module that the kernel neither has nor contains.
    #[error("the kernel {release} has no module `{module}`")]
    NoModule {
        /// Its name.
        module: String,
        /// The release of the kernel.
        release: String,
    },
    /// A module of a format that cannot be read here.
    #[error("failed to read the dependencies of `{0}`: expected an uncompressed, gzip or xz file")]
    Compressed(Utf8PathBuf),
    /// A module that is not what its name says.
    #[error("`{0}` is not a kernel module")]
    NotAModule(Utf8PathBuf),
    /// The file system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The archive cannot hold it.
    #[error(transparent)]
    Archive(#[from] CpioError),
}

impl HostFilesError {
    /// What fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoKernel => {
                Some("install a kernel package, or name a kernel: --kernel FILE".to_owned())
            }
            Self::NoModule { release, .. } => {
                Some(format!("ls -R /lib/modules/{release} | grep '\\.ko'"))
            }
            Self::Compressed(_) => Some("depmod -a".to_owned()),
            Self::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Some("sudo chmod a+r FILE, for the file that the error names".to_owned())
            }
            _ => None,
        }
    }

    /// Whether the host lacks something that a package would bring.
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

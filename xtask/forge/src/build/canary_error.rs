//! Why a toolchain is not used.

use camino::Utf8PathBuf;
use plan::canary::Canaries;

/// Why a toolchain is not used.
#[derive(Debug, thiserror::Error)]
pub enum CanaryError {
    /// This architecture has no recorded canary objects yet.
    #[error("missing `{}`: the compiler cannot be checked", Canaries::lock_path(.0))]
    NoLock(String),
    /// The lock belongs to other canaries or to another compiler.
    #[error("`{}` is out of date: it does not match {what}", Canaries::lock_path(.arch))]
    Stale {
        /// The architecture.
        arch: String,
        /// The file or compiler that does not match.
        what: String,
    },
    /// The intact compiler does not work, possibly because of this host.
    #[error("the compiler for `{arch}` failed to compile the canaries: {message}")]
    Fails {
        /// The architecture.
        arch: String,
        /// The compiler's message.
        message: String,
        /// The toolchain's directory.
        entry: Utf8PathBuf,
    },
    /// The compiler emits other code, or is damaged.
    #[error("the compiler for `{arch}` emits unexpected code: {what}{}", kept_directory(.kept.as_deref()))]
    Wrong {
        /// The architecture.
        arch: String,
        /// File and function, or the compiler's message.
        what: String,
        /// The toolchain's path in the quarantine.
        kept: Option<String>,
    },
}

impl CanaryError {
    /// The command that fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoLock(arch) | Self::Stale { arch, .. } => {
                format!("cargo xtask images --refreeze --arch {arch}")
            }
            Self::Fails { arch, entry, .. } => format!(
                "check for free disk space and memory; to rebuild the compiler: \
                 rm -r {entry} && cargo xtask toolchain --arch {arch}"
            ),
            Self::Wrong { arch, .. } => format!(
                "rebuild the compiler: cargo xtask toolchain --arch {arch}; if the recipe changed its \
                 code on purpose: cargo xtask images --refreeze --arch {arch}"
            ),
        })
    }
}

fn kept_directory(kept: Option<&str>) -> String {
    kept.map(|kept| format!("; it was moved to `{kept}`"))
        .unwrap_or_default()
}

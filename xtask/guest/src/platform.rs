//! An architecture of a run: its QEMU, and what it boots if anything.

use camino::{Utf8Path, Utf8PathBuf};
use plan::arch::Arch;
use plan::digest::Digest;
use qemu::tools::ToolDirs;
use qemu::{Accel, BootFiles, Emulator, Facts};
use verdict::origin::Platform;

/// An architecture of a run with its QEMU and its image.
#[derive(Debug, Clone)]
pub struct ArchRun {
    /// The architecture's file.
    pub arch: Arch,
    /// The QEMU binary.
    pub binary: Utf8PathBuf,
    /// What it can do.
    pub facts: Facts,
    /// The accelerator.
    pub accel: Accel,
    /// What guests boot; absent where no test of the run boots one.
    pub image: Option<Image>,
    /// The tools that were built with this QEMU.
    pub tools: ToolDirs,
}

/// An image that is ready to be booted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its name, which is a hash of all that it is made from.
    pub name: String,
    /// The directory with its files, among them those that a test boots itself.
    pub directory: Utf8PathBuf,
    /// Kernel and initramfs.
    pub boot: BootFiles,
    /// The SHA-256 over the digests of its files.
    pub content: Digest,
    /// What takes the place of the image's own kernel.
    pub kernel: Option<OwnKernel>,
}

/// A kernel that a person brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnKernel {
    /// As reports name it: its version and its file.
    pub name: String,
    /// The kernel with symbols, where there is one.
    pub symbols: Option<Utf8PathBuf>,
}

impl Image {
    /// The kernel, if it is the image's own: only for that one is there a table of functions.
    #[must_use]
    pub fn own_kernel(&self) -> Option<&Utf8Path> {
        self.kernel.is_none().then_some(&*self.boot.kernel)
    }
}

/// A run without guests was asked for its image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no image of `{0}` was provided for this run")]
pub struct NoImage(String);

impl ArchRun {
    /// Kernel and initramfs.
    pub fn boot(&self) -> Result<&BootFiles, NoImage> {
        let image = self.image.as_ref();
        image.map_or_else(
            || Err(NoImage(self.arch.name.clone())),
            |image| Ok(&image.boot),
        )
    }

    /// The QEMU that guests are started with.
    #[must_use]
    pub fn emulator(&self) -> Emulator<'_> {
        Emulator {
            binary: &self.binary,
            profile: &self.arch.qemu,
            facts: &self.facts,
            accel: self.accel,
        }
    }

    /// The accelerator as reports name it; empty where no guest is started.
    #[must_use]
    pub fn accel(&self) -> &'static str {
        self.image.as_ref().map_or("", |_| self.accel.as_str())
    }

    /// The kernel that takes the place of the image's own.
    #[must_use]
    pub fn kernel(&self) -> Option<&OwnKernel> {
        self.image.as_ref()?.kernel.as_ref()
    }

    /// As reports name it.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform {
            arch: self.arch.name.clone(),
            image: (self.image.as_ref()).map_or_else(String::new, |image| image.name.clone()),
            binary: self.binary.clone(),
            qemu: self.facts.version.to_string(),
            accel: self.accel().to_owned(),
            kernel: self.kernel().map(|kernel| kernel.name.clone()),
        }
    }
}

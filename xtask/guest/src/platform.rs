//! An architecture of a run with what it boots and on which QEMU.

use camino::Utf8PathBuf;
use plan::arch::Arch;
use qemu::{Accel, BootFiles, Facts};
use verdict::origin::Platform;

/// An architecture of a run with what it boots.
#[derive(Debug, Clone)]
pub struct ArchRun {
    /// The architecture's file.
    pub arch: Arch,
    /// Kernel and initramfs.
    pub boot: BootFiles,
    /// The QEMU binary.
    pub binary: Utf8PathBuf,
    /// What it can do.
    pub facts: Facts,
    /// The accelerator.
    pub accel: Accel,
    /// The image's name, which is a hash of all that it is made from.
    pub image: String,
}

impl ArchRun {
    /// As reports name it.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform {
            arch: self.arch.name.clone(),
            image: self.image.clone(),
            binary: self.binary.clone(),
            qemu: self.facts.version.to_string(),
            accel: self.accel.as_str().to_owned(),
        }
    }
}

//! An architecture of a run with what it boots and on which QEMU.

use camino::Utf8PathBuf;
use plan::arch::Arch;
use qemu::{Accel, BootFiles, Emulator, Facts};
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

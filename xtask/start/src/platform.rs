//! An architecture of a run: its QEMU, and its image if needed.

use std::collections::BTreeSet;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use hostfiles::{Modules, Request};
use plan::arch::{Arch, Machine};
use plan::digest::Digest;
use qemu::tools::ToolDirs;
use qemu::{Accel, BootFiles, Emulator, Facts, LaunchRequest, RootDisk};
use verdict::origin::Platform;

/// An architecture of a run with its QEMU and its image.
#[derive(Debug, Clone)]
pub struct ArchRun {
    /// The architecture's file.
    pub arch: Arch,
    /// The QEMU binary.
    pub binary: Utf8PathBuf,
    /// The capabilities of the binary.
    pub facts: Facts,
    /// The accelerator.
    pub accel: Accel,
    /// The image of guests, or `None` if no test of the run boots one.
    pub image: Option<Image>,
    /// The directory of the bare-metal guests; absent where no test of the run is one.
    pub bare: Option<Utf8PathBuf>,
    /// The tools that were built with this QEMU.
    pub tools: ToolDirs,
}

/// An image that is ready to be booted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its name, which is a hash of all its inputs.
    pub name: String,
    /// The directory of its files, including those that a test boots itself.
    pub directory: Utf8PathBuf,
    /// Kernel and initramfs.
    pub boot: BootFiles,
    /// The SHA-256 over the digests of its files.
    pub content: Digest,
    /// The kernel that replaces the image's own.
    pub kernel: Option<OwnKernel>,
    /// What every guest gets of the host.
    pub host: HostPart,
    /// The distribution that guests boot.
    pub system: Option<System>,
}

/// A distribution: a system with an init of its own, on a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// Its root file system.
    pub root: RootDisk,
    /// Default memory, in the syntax of `-m`.
    pub memory: String,
    /// How many times longer its boot may take than that of the image's own system.
    pub boot_timeout_factor: u32,
}

/// What every guest of a run gets of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostPart {
    /// Programs, by name or path.
    pub programs: Vec<String>,
    /// Modules, each as `NAME [PARAMETER=VALUE]...`.
    pub modules: Vec<String>,
    /// Whether the drivers of the control channel and of scratch disks are loaded too.
    pub loads_drivers: bool,
}

/// A kernel of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnKernel {
    /// Its name in reports: version and file.
    pub name: String,
    /// The kernel with symbols, if available.
    pub symbols: Option<Utf8PathBuf>,
    /// Its modules, where there are any.
    pub modules: Option<Arc<Modules>>,
    /// Its config, where there may be one.
    pub config: Utf8PathBuf,
}

impl Image {
    /// What every guest of the run gets of the host on a machine, with or without virtio disks.
    #[must_use]
    pub fn host_request(&self, machine: &Machine, has_disks: bool) -> Request<'_> {
        let bus = match machine.virtio.as_deref() {
            Some("pci") => Some("virtio_pci"),
            Some("device") => Some("virtio_mmio"),
            // The driver of virtio-ccw is never a module.
            _ => None,
        };
        let disk = has_disks.then_some("virtio_blk");
        let control = machine.control.as_ref().map(|_| "virtio_console");
        let drivers = bus.into_iter().chain(control).chain(disk);
        let drivers = drivers
            .filter(|_| self.host.loads_drivers)
            .map(str::to_owned);
        Request {
            programs: self.host.programs.clone(),
            placed: Vec::new(),
            shell: None,
            modules: drivers.chain(self.host.modules.iter().cloned()).collect(),
            of_kernel: self.modules(),
        }
    }

    /// The modules of the kernel, if it is not the image's own, which has none.
    #[must_use]
    pub fn modules(&self) -> Option<&Modules> {
        self.kernel.as_ref()?.modules.as_deref()
    }

    /// The config of the kernel, where there may be one.
    #[must_use]
    pub fn config(&self) -> Utf8PathBuf {
        let own = self.kernel.as_ref().map(|kernel| kernel.config.clone());
        own.unwrap_or_else(|| self.directory.join("config"))
    }

    /// The kernel, if it is the image's own. Only this one has a table of functions.
    #[must_use]
    pub fn own_kernel(&self) -> Option<&Utf8Path> {
        self.kernel.is_none().then_some(&*self.boot.kernel)
    }
}

/// The image was requested in a run without guests.
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

    /// The QEMU for guests.
    #[must_use]
    pub fn emulator(&self) -> Emulator<'_> {
        Emulator {
            binary: &self.binary,
            profile: &self.arch.qemu,
            facts: &self.facts,
            accel: self.accel,
        }
    }

    /// A request for a guest of the image's own system, or of the distribution that guests boot.
    #[must_use]
    pub fn request<'a>(&'a self, machine: &'a Machine, boot: BootFiles) -> LaunchRequest<'a> {
        let system = self.image.as_ref().and_then(|image| image.system.as_ref());
        LaunchRequest {
            root: system.map(|system| system.root.clone()),
            memory: system.map(|system| system.memory.clone()),
            ..LaunchRequest::new(self.emulator(), machine, boot)
        }
    }

    /// The accelerator in reports. Empty if no guest is started.
    #[must_use]
    pub fn accel(&self) -> &'static str {
        self.image.as_ref().map_or("", |_| self.accel.as_str())
    }

    /// The kernel that replaces the image's own.
    #[must_use]
    pub fn kernel(&self) -> Option<&OwnKernel> {
        self.image.as_ref()?.kernel.as_ref()
    }

    /// Devices of QEMU for which the kernel has no driver. Those of the user's own kernel are unknown.
    #[must_use]
    pub fn without_driver(&self) -> &BTreeSet<String> {
        static UNKNOWN: BTreeSet<String> = BTreeSet::new();
        match self.kernel() {
            Some(_) => &UNKNOWN,
            None => &self.arch.qemu.without_driver,
        }
    }

    /// The platform in reports.
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

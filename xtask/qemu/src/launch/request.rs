//! The request of a test before any decision.

use camino::{Utf8Path, Utf8PathBuf};
use plan::arch::{Machine, QemuProfile};

use crate::accel::Accel;
use crate::facts::Facts;

/// The files a guest boots from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFiles {
    /// The value of `-kernel`.
    pub kernel: Utf8PathBuf,
    /// The value of `-initrd`.
    pub initrd: Option<Utf8PathBuf>,
    /// The value of `-dtb`, for a machine whose device tree QEMU lacks.
    pub device_tree: Option<Utf8PathBuf>,
}

/// The root file system of a distribution, which the guest's initramfs mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootDisk {
    /// The image, which no guest changes.
    pub image: Utf8PathBuf,
    /// Kernel parameters that start the system on it.
    pub append: String,
}

/// How the runner and the guest communicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Over a virtio-serial port named `org.kiln.control`.
    VirtioSerial,
    /// Over the console, without any virtio device.
    Console,
}

/// The QEMU of a run.
#[derive(Debug, Clone, Copy)]
pub struct Emulator<'a> {
    /// The binary.
    pub binary: &'a Utf8Path,
    /// The profile of the architecture.
    pub profile: &'a QemuProfile,
    /// Its capabilities.
    pub facts: &'a Facts,
    /// The accelerator of the run. A test may request TCG instead of KVM.
    pub accel: Accel,
}

/// A request for one guest.
#[derive(Debug, Clone)]
pub struct LaunchRequest<'a> {
    /// The QEMU.
    pub emulator: Emulator<'a>,
    /// The machine. `-machine` in `options` may choose another one of the profile's.
    pub machine: &'a Machine,
    /// Kernel and initramfs.
    pub boot: BootFiles,
    /// The root file system, if it is not that of the initramfs.
    pub root: Option<RootDisk>,
    /// Memory in the syntax of `-m`. Defaults to the profile's.
    pub memory: Option<String>,
    /// Number of processors.
    pub smp: u32,
    /// Kernel parameters after the profile's and the machine's.
    pub append: String,
    /// Number of hotplug slots, ignored if the machine has none.
    pub slots: u32,
    /// How the runner and the guest communicate.
    pub control: Control,
    /// Whether a guest continues after a reboot, instead of ending QEMU.
    pub reboot_allowed: bool,
    /// Whether the user starts the processors with a debugger or a monitor.
    pub paused: bool,
    /// Adds the network card that QEMU adds by default, unless `options` configure networks.
    pub default_network: bool,
    /// Arguments for devices of the runner, before those of the test.
    pub devices: Vec<String>,
    /// The options of the test's own `qemu` line.
    pub options: Vec<String>,
}

impl<'a> LaunchRequest<'a> {
    /// A request for a guest with one processor and without devices of a test.
    #[must_use]
    pub fn new(emulator: Emulator<'a>, machine: &'a Machine, boot: BootFiles) -> Self {
        Self {
            emulator,
            machine,
            boot,
            root: None,
            memory: None,
            smp: 1,
            append: String::new(),
            slots: 0,
            control: Control::VirtioSerial,
            reboot_allowed: false,
            paused: false,
            default_network: false,
            devices: Vec::new(),
            options: Vec::new(),
        }
    }
}

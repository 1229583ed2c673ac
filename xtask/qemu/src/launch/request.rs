//! What a test asks for, before anything is decided.

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
}

/// How runner and guest talk.
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
    /// How it runs this architecture.
    pub profile: &'a QemuProfile,
    /// What it can do.
    pub facts: &'a Facts,
    /// The accelerator of the run; a test may ask for TCG where this is KVM.
    pub accel: Accel,
}

/// One guest as it was asked for.
#[derive(Debug, Clone)]
pub struct LaunchRequest<'a> {
    /// What runs it.
    pub emulator: Emulator<'a>,
    /// The machine; a `-machine` among `options` may choose another one of the profile's.
    pub machine: &'a Machine,
    /// Kernel and initramfs.
    pub boot: BootFiles,
    /// Memory as `-m` takes it; the profile's where absent.
    pub memory: Option<String>,
    /// Processors.
    pub smp: u32,
    /// Kernel command line, after the profile's and the machine's.
    pub append: String,
    /// Hotplug slots; none where the machine has no such thing.
    pub slots: u32,
    /// How runner and guest talk.
    pub control: Control,
    /// Whether a guest that reboots continues, instead of ending QEMU.
    pub reboot_allowed: bool,
    /// Whether a person releases the processors, with a debugger or in a monitor.
    pub paused: bool,
    /// Adds the network card that QEMU adds by default, unless `options` decide about networks.
    pub default_network: bool,
    /// Arguments of our own for devices, before those of the test.
    pub devices: Vec<String>,
    /// The options of the test's own `qemu` line.
    pub options: Vec<String>,
}

impl<'a> LaunchRequest<'a> {
    /// A guest with one processor and no devices of a test.
    #[must_use]
    pub fn new(emulator: Emulator<'a>, machine: &'a Machine, boot: BootFiles) -> Self {
        Self {
            emulator,
            machine,
            boot,
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

//! An architecture, as `images/<arch>.toml` describes it: all that is particular to it is data.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) mod raw;

/// One architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arch {
    /// Name on the command line, such as `ppc64`.
    pub name: String,
    /// GNU target triple of its toolchain.
    pub triple: String,
    /// `big` or `little`.
    pub endian: Endian,
    /// Word size in bits.
    pub bits: u32,
    /// Whether its image is in the repository.
    pub prebuilt: bool,
    /// Whether commands that name no architecture include it.
    pub default: bool,
    /// What gdb calls it (`set architecture`), where gdb cannot tell by itself.
    pub gdb: Option<String>,
    /// Compiler settings.
    pub gcc: Gcc,
    /// Kernel settings.
    pub linux: Linux,
    /// How its images are packed for transport.
    pub archive: Archive,
    /// How QEMU runs it.
    pub qemu: QemuProfile,
}

/// Byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Endian {
    /// Most significant byte first.
    Big,
    /// Least significant byte first.
    Little,
}

/// Compiler settings of an architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gcc {
    /// Further options for gcc's configure.
    #[serde(default)]
    pub configure: Vec<String>,
}

/// Kernel settings of an architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linux {
    /// The kernel's own name of the architecture, `ARCH=`.
    pub arch: String,
    /// The make target.
    pub target: String,
    /// The file that boots, relative to the build directory.
    pub image: String,
    /// The compressed image that others boot, relative to the build directory, where the kernel
    /// build makes one whose payload is `image`.
    pub compressed: Option<String>,
    /// Further variables for every make, `NAME=value`.
    #[serde(default)]
    pub make: Vec<String>,
}

/// How an image is packed for transport.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Branch filter of xz, `x86` or `sparc`; none where absent.
    pub filter: Option<String>,
    /// As `xz --lzma2=lc=`: bits of the byte before that predict a literal; 3 where absent.
    pub lc: Option<u32>,
    /// As `xz --lzma2=lp=`: bits of the position that predict a literal; 0 where absent.
    pub lp: Option<u32>,
    /// As `xz --lzma2=pb=`: bits of the position that predict all else; 2 where absent.
    pub pb: Option<u32>,
}

/// How QEMU runs an architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QemuProfile {
    /// Name of the QEMU binary.
    pub binary: String,
    /// Host machines (`uname -m`) whose KVM can run it.
    pub native: Vec<String>,
    /// The machine used where a test names none.
    pub machine: String,
    /// The machine of a script that was written for qemu-test and names none; `machine` where absent.
    pub qemu_test_machine: Option<String>,
    /// Default memory, as `-m` takes it.
    pub memory: String,
    /// Time from start to *ready* under TCG at factor 1.
    pub boot_timeout: Duration,
    /// The part of each limit that a guest has under KVM, in thousandths: limits are meant for TCG.
    pub kvm_timeout_permille: u32,
    /// Kernel command line, before what the run adds.
    pub append: String,
    /// The machines.
    pub machines: BTreeMap<String, Machine>,
    /// How others boot the same kernel: the other side of `bench boot`.
    pub ordinary: Ordinary,
}

impl QemuProfile {
    /// The kernel command line of a machine.
    #[must_use]
    pub fn append_for(&self, machine: &Machine) -> String {
        format!("{} {}", self.append, machine.append)
            .trim()
            .to_owned()
    }
}

/// A QEMU machine type and the options that make it lean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// QEMU's name for it; ours where the file gives none.
    pub name: String,
    /// `property=value`, each left out where the binary's machine lacks the property.
    pub options: Vec<String>,
    /// As `options`, only under TCG.
    pub tcg_options: Vec<String>,
    /// CPU model under TCG; QEMU's default where absent.
    pub cpu: Option<String>,
    /// CPU model under KVM.
    pub kvm_cpu: Option<String>,
    /// Kernel command line in addition to the profile's.
    pub append: String,
    /// Further QEMU arguments.
    pub args: Vec<String>,
    /// The device that carries the control channel, with its properties.
    pub control: String,
    /// Suffix of virtio devices on this machine: `pci`, `device` (virtio-mmio) or `ccw`.
    pub virtio: String,
    /// Time from start to *ready*, where it differs from the profile's.
    pub boot_timeout: Option<Duration>,
    /// Where PCI devices can be plugged into a running guest; nowhere where absent.
    pub hotplug: Option<Hotplug>,
    /// The index of the connector of device 0 on the first PCI bus, on a machine whose firmware must be
    /// asked for a device (PAPR): that of another function is higher by 8 * device + function.
    pub connectors: Option<u64>,
    /// By device type of QEMU, what a report notes when a test fails that uses one on this machine.
    pub advice: BTreeMap<String, String>,
}

/// How many hotplug slots a test may ask for: `{n}` is one digit.
pub const SLOTS_MAX: u32 = 8;

/// The hotplug slots of a machine; in each text `{n}` is the slot's number, from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hotplug {
    /// The QEMU device that makes a slot, where the machine's own bus has none.
    pub device: Option<String>,
    /// The bus a plugged device is given.
    pub bus: String,
    /// Its address there, as QEMU reads it (hexadecimal), where the bus has more than one.
    pub addr: Option<String>,
    /// Where the guest's sysfs has the device; a shell pattern.
    pub entry: String,
    /// The firmware's index of the slot's connector, for a shell to compute, where the guest has to
    /// configure it.
    pub connector: Option<String>,
}

impl Hotplug {
    /// One of its texts for a slot.
    #[must_use]
    pub fn at(text: &str, slot: u32) -> String {
        text.replace("{n}", &slot.to_string())
    }
}

/// The ordinary way to boot: default firmware, compressed kernel, QEMU's own defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ordinary {
    /// What is given to `-kernel`.
    pub kernel: OrdinaryKernel,
    /// QEMU arguments in addition to kernel, initrd and command line.
    pub args: Vec<String>,
    /// Kernel command line.
    pub append: String,
}

/// The kernel file of an ordinary boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrdinaryKernel {
    /// The same file.
    Plain,
    /// The same file, compressed with gzip.
    Gzip,
    /// The compressed image of the kernel build.
    Compressed,
}

//! An architecture as described by `images/<arch>.toml`. All properties of an architecture are
//! data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) mod raw;
mod values;

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
    /// Size of a page of its kernel, in bytes.
    pub page_size: u32,
    /// Whether the repository contains its image.
    pub prebuilt: bool,
    /// Whether commands that name no architecture include it.
    pub default: bool,
    /// What `uname -m` prints in its guests.
    pub uname: String,
    /// Whether its kernel has the system call of this name.
    pub settimeofday: bool,
    /// What gdb calls it (`set architecture`), where gdb cannot tell by itself.
    pub gdb: Option<String>,
    /// Host tools of its build steps in addition to those of the recipe, by recipe.
    pub tools: BTreeMap<String, Vec<String>>,
    /// Compiler settings.
    pub gcc: Gcc,
    /// Kernel settings.
    pub linux: Linux,
    /// How its images are packed for transport.
    pub archive: Archive,
    /// How guests without an operating system are built and run; it has none where absent.
    pub bare: Option<Bare>,
    /// How QEMU runs it.
    pub qemu: QemuProfile,
    /// How QEMU runs it in the machine profile `stock`.
    pub stock: Box<QemuProfile>,
}

impl Arch {
    /// The same architecture with the machines of a profile.
    #[must_use]
    pub fn with_machines(&self, profile: MachineProfile) -> Self {
        let mut arch = self.clone();
        if profile == MachineProfile::Stock {
            arch.qemu = (*self.stock).clone();
        }
        arch
    }
}

/// Which variant of the machines of an architecture guests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MachineProfile {
    /// With the `fast` entries of the architecture's file, which only shorten the boot.
    #[default]
    Fast,
    /// Without them.
    Stock,
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
    /// The architecture whose compiler also generates code of this one. Only libgcc is built then.
    pub base: Option<String>,
    /// What the compiler's driver adds to its options, in the language of gcc's spec files. Only with `base`.
    #[serde(default)]
    pub specs: String,
    /// The linker's emulation for objects of this compiler, where it is not the linker's default.
    #[serde(default)]
    pub emulation: String,
    /// The directory below `usr` in which the compiler looks for libraries, where that is not `lib`.
    #[serde(default)]
    pub libraries: String,
}

/// The file with what all architectures with a small kernel have in common.
pub(crate) const SMALL: &str = "images/common/small.toml";

/// What all architectures with a small kernel have in common.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Small {
    /// Devices of QEMU for which such a kernel has no driver.
    pub(crate) without_driver: BTreeSet<String>,
}

/// Kernel settings of an architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linux {
    /// The kernel's own name of the architecture, `ARCH=`.
    pub arch: String,
    /// The make target.
    pub target: String,
    /// Whether the kernel lacks the options of `images/common/linux-small.fragment`.
    #[serde(default)]
    pub small: bool,
    /// The file that boots, relative to the build directory.
    pub image: String,
    /// The compressed image for other tools, relative to the build directory, if the kernel build
    /// makes one whose payload is `image`.
    pub compressed: Option<String>,
    /// The file below `images/common/` whose device tree QEMU gives to the kernel (`-dtb`), where QEMU has none of its
    /// own for the machine.
    #[serde(rename = "device-tree")]
    pub device_tree: Option<String>,
    /// How `image` is wrapped for U-Boot, where QEMU needs that to load it at its address.
    #[serde(rename = "u-boot")]
    pub u_boot: Option<UBoot>,
    /// Further variables for every make, `NAME=value`.
    #[serde(default)]
    pub make: Vec<String>,
}

/// The header of a kernel file for U-Boot (its legacy format, include/image.h of U-Boot).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UBoot {
    /// U-Boot's number of the architecture, for example 2 for Arm.
    pub architecture: u8,
    /// The physical address at which the kernel is loaded and entered.
    pub address: u32,
}

impl fmt::Display for UBoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.architecture, self.address)
    }
}

/// How an image is packed for transport.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// xz's branch filter, `arm`, `riscv`, `sparc` or `x86`. None by default.
    pub filter: Option<String>,
    /// As in `xz --lzma2=lc=`: bits of the previous byte that predict a literal. The default is 3.
    pub lc: Option<u32>,
    /// As in `xz --lzma2=lp=`: bits of the position that predict a literal. The default is 0.
    pub lp: Option<u32>,
    /// As in `xz --lzma2=pb=`: bits of the position that predict everything else. The default is 2.
    pub pb: Option<u32>,
}

/// Guests without an operating system, from `guest-tests/bare/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bare {
    /// Options of the compiler, also when it links.
    pub flags: Vec<String>,
    /// Where the status of such a guest is.
    pub status: BareStatus,
    /// QEMU arguments of every such guest.
    #[serde(default)]
    pub args: Vec<String>,
}

/// How a guest without an operating system ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BareStatus {
    /// It writes its status `n` to a device, and QEMU exits with `2n + 1`.
    Exit,
    /// It powers the machine off. Its status is in its last line only.
    Printed,
}

/// How QEMU runs an architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QemuProfile {
    /// Name of the QEMU binary.
    pub binary: String,
    /// Host machines (`uname -m`) whose KVM can run it.
    pub native: Vec<String>,
    /// The default machine.
    pub machine: String,
    /// The default machine of scripts that were written for qemu-test, if it differs from
    /// `machine`.
    pub qemu_test_machine: Option<String>,
    /// Default memory, in the syntax of `-m`.
    pub memory: String,
    /// Time from start to *ready* under TCG at factor 1.
    pub boot_timeout: Duration,
    /// The factor for limits of a guest under KVM, in thousandths. Limits are meant for TCG.
    pub kvm_timeout_permille: u32,
    /// Kernel command line, before the parameters of a run.
    pub append: String,
    /// Devices of QEMU for which the target's kernel has no driver.
    pub without_driver: BTreeSet<String>,
    /// The machines.
    pub machines: BTreeMap<String, Machine>,
    /// How other tools boot the same kernel, for comparison in `bench boot`.
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

/// A QEMU machine type and the options that reduce it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// QEMU's name. Defaults to the name in the file.
    pub name: String,
    /// `property=value`. A property is omitted if the binary's machine lacks it.
    pub options: Vec<String>,
    /// Like `options`, for TCG only.
    pub tcg_options: Vec<String>,
    /// CPU model under TCG. Defaults to QEMU's own.
    pub cpu: Option<String>,
    /// CPU model under KVM.
    pub kvm_cpu: Option<String>,
    /// Kernel command line in addition to the profile's.
    pub append: String,
    /// Further QEMU arguments.
    pub args: Vec<String>,
    /// The device that carries the control channel, with its properties. Absent where this is the console.
    pub control: Option<String>,
    /// The virtio device, with its properties, that carries the root file system of a distribution. Absent
    /// where no guest boots one.
    pub root_disk: Option<String>,
    /// Suffix of virtio devices on this machine: `pci`, `device` (virtio-mmio) or `ccw`. Absent where it has none.
    pub virtio: Option<String>,
    /// The size of its RAM in the syntax of `-m`, if it has no more than that.
    pub memory_max: Option<String>,
    /// Whether its guests continue after a migration, which a restored guest needs too.
    pub migration: bool,
    /// Devices that QEMU offers and that do not work on this machine.
    pub unusable: Vec<Unusable>,
    /// Whether its guests can turn it off.
    pub power_off: bool,
    /// Whether its guests can reset it.
    pub reset: bool,
    /// Time from start to *ready*, if it differs from the profile's.
    pub boot_timeout: Option<Duration>,
    /// Slots for PCI devices of a running guest, if any.
    pub hotplug: Option<Hotplug>,
    /// The connector index of device 0 on the first PCI bus, for a machine whose firmware must be
    /// asked for a device (PAPR). The index of another function is higher by 8 * device + function.
    pub connectors: Option<u64>,
    /// Advice by QEMU device type, which a report prints when a test fails that uses such a device
    /// on this machine.
    pub advice: BTreeMap<String, String>,
}

/// Devices that do not work on a machine, whatever the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Unusable {
    /// QEMU's names.
    pub devices: BTreeSet<String>,
    /// The cause, as the reason of a skipped test continues with it.
    pub reason: String,
    /// The oldest QEMU version in which they work, if any.
    pub fixed_in: Option<String>,
}

/// Maximum number of hotplug slots of a test, because `{n}` is one digit.
pub const SLOTS_MAX: u32 = 8;

/// The hotplug slots of a machine. In each text `{n}` is the slot's number, from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hotplug {
    /// The QEMU device that provides a slot, unless the machine's own bus does.
    pub device: Option<String>,
    /// The bus of a plugged device.
    pub bus: String,
    /// The device's address on the bus in QEMU's syntax (hexadecimal), if the bus has more than
    /// one.
    pub addr: Option<String>,
    /// The device's path in the guest's sysfs, as a shell pattern.
    pub entry: String,
    /// The firmware's index of the slot's connector as a shell expression, if the guest must
    /// configure it.
    pub connector: Option<String>,
}

impl Hotplug {
    /// Fills in the number of a slot.
    #[must_use]
    pub fn at(text: &str, slot: u32) -> String {
        text.replace("{n}", &slot.to_string())
    }
}

/// The ordinary way to boot: default firmware, compressed kernel, QEMU's own defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ordinary {
    /// The argument of `-kernel`.
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

//! A launch with all decisions made: a pure function of the request.
//!
//! The bare machine is separate from the devices of the test, and the kind of start is typed, so
//! that no later step has to interpret arguments.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use plan::arch::{Hotplug, Machine};

use super::options::{MachineOptions, TestOptions, WantedAccel};
use super::ram_file::RamFile;
use super::request::{BootFiles, Control, LaunchRequest, RootDisk};
use super::{removed, scope};
use crate::accel::Accel;
use crate::devices;
use crate::error::QemuError;

/// How the guest of a launch starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// It boots. The processors wait for [`crate::Vm::release`], so that no event is lost even if
    /// the guest ends quickly.
    Boot,
    /// It boots when the test or the user starts the processors.
    Paused,
    /// It migrates in.
    Incoming {
        /// The values of `-incoming`.
        from: Vec<String>,
        /// Whether it stays stopped after the migration.
        paused: bool,
    },
}

/// A machine without the devices of a test, and its kernel parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BareMachine {
    /// The value of `-machine`: name and properties.
    pub machine: String,
    /// The value of `-accel`.
    pub accel: String,
    /// The CPU model. Defaults to QEMU's.
    pub cpu: Option<String>,
    /// The value of `-m`.
    pub memory: String,
    /// The value of `-smp`.
    pub smp: String,
    /// The kernel parameters before and after the parameter of the control channel.
    pub append: [String; 2],
    /// Further arguments of the machine's profile.
    pub arguments: Vec<String>,
    /// The device of the control channel, or `None` if the console is used.
    pub control: Option<String>,
    /// The devices that are hotplug slots.
    pub slots: Vec<String>,
    /// Options of the test that not only add devices.
    pub options: Vec<String>,
}

/// A guest that is ready to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The QEMU binary.
    pub binary: Utf8PathBuf,
    /// The machine without the test's devices.
    pub machine: BareMachine,
    /// Kernel and initramfs.
    pub boot: BootFiles,
    /// Whether the test sets the kernel or initramfs itself.
    pub boots_own_files: bool,
    /// How it starts.
    pub start: Start,
    /// Arguments that only add devices and their backends.
    pub devices: Vec<String>,
    /// Whether QEMU's seccomp sandbox is on.
    pub sandbox: bool,
    /// Whether a guest continues after a reboot, instead of ending QEMU.
    pub reboot_allowed: bool,
    /// The guest's name from the test.
    pub name: Option<String>,
    /// The file with the machine's memory, if any.
    pub ram: Option<RamFile>,
}

impl LaunchRequest<'_> {
    /// Makes all decisions that the command line depends on.
    pub fn resolve(&self) -> Result<Launch, QemuError> {
        let facts = self.emulator.facts;
        let options = TestOptions::read(&self.options, facts.version)?;
        if let Some(name) = &options.machine.name {
            removed::machine(name, facts)?;
        }
        let machine = self.chosen_machine(&options);
        let (accel, accel_value) = self.chosen_accel(&options);
        let model = match accel {
            Accel::Tcg => &machine.profile.cpu,
            Accel::Kvm => &machine.profile.kvm_cpu,
        };
        let rest = removed::drives(&options.rest, machine.profile.virtio.as_deref())?;
        let scoped = scope::sort(&rest);
        let root = self.root.as_ref();
        let start = root.map_or("", |root| root.append.as_str());
        let append = [
            joined([
                &self.emulator.profile.append,
                &machine.profile.append,
                start,
            ]),
            joined([&self.append, &options.append]),
        ];
        let root = root.map(|root| machine.root_disk(root)).transpose()?;
        let (control, slots) = (machine.control(self.control), machine.slots(self.slots));
        let bare = BareMachine {
            machine: self.machine_value(&machine, accel, &options),
            accel: accel_value,
            cpu: options.cpu.clone().or_else(|| model.clone()),
            memory: (options.memory.clone())
                .or_else(|| self.memory.clone())
                .unwrap_or_else(|| self.emulator.profile.memory.clone()),
            smp: options.smp.clone().unwrap_or_else(|| self.smp.to_string()),
            append,
            arguments: [machine.profile.args.clone(), root.unwrap_or_default()].concat(),
            control,
            slots,
            options: [scoped.machine, self.network(&options)].concat(),
        };
        let paused = self.paused || options.paused;
        let start = match (options.incoming.is_empty(), paused) {
            (true, false) => Start::Boot,
            (true, true) => Start::Paused,
            (false, paused) => Start::Incoming {
                from: options.incoming,
                paused,
            },
        };
        let (kernel, initrd) = (options.kernel, options.initrd);
        Ok(Launch {
            binary: self.emulator.binary.to_owned(),
            machine: bare,
            boots_own_files: kernel.is_some() || initrd.is_some(),
            boot: BootFiles {
                kernel: kernel.map_or_else(|| self.boot.kernel.clone(), Utf8PathBuf::from),
                initrd: (initrd.map(Utf8PathBuf::from)).or_else(|| self.boot.initrd.clone()),
                device_tree: self.boot.device_tree.clone(),
            },
            start,
            devices: [self.devices.clone(), scoped.devices].concat(),
            sandbox: facts.seccomp && !options.sandbox,
            reboot_allowed: self.reboot_allowed,
            name: options.name,
            ram: None,
        })
    }

    /// The network card that QEMU would add without our `-nodefaults`.
    fn network(&self, options: &TestOptions) -> Vec<String> {
        let facts = self.emulator.facts;
        if !self.default_network || options.network || !facts.has_netdev("user") {
            return Vec::new();
        }
        ["-nic", "user"].map(str::to_owned).to_vec()
    }

    /// The first accelerator of the test that works here, else the run's, with the value of
    /// `-accel`. Only the run knows whether KVM works.
    fn chosen_accel(&self, options: &TestOptions) -> (Accel, String) {
        let run = self.emulator.accel;
        let works = |accel: &&WantedAccel| match accel.name.as_str() {
            "tcg" => true,
            "kvm" => run == Accel::Kvm,
            other => self.emulator.facts.has_accel(other),
        };
        match options.accels.iter().find(works) {
            Some(wish) if wish.name == Accel::Kvm.as_str() => (Accel::Kvm, wish.value.clone()),
            Some(wish) => (Accel::Tcg, wish.value.clone()),
            None => (run, run.as_str().to_owned()),
        }
    }

    /// The machine for a test's `-machine`. If the test uses the profile's name for a machine, its
    /// options apply. An unknown machine gets no options, but our console and control device.
    /// Aliases are not resolved, because an alias such as `q35` refers to different versioned
    /// machines in different QEMUs.
    fn chosen_machine(&self, options: &TestOptions) -> ChosenMachine<'_> {
        fn ours(profile: &Machine) -> ChosenMachine<'_> {
            ChosenMachine {
                name: profile.name.clone(),
                profile: Cow::Borrowed(profile),
            }
        }
        let Some(name) = options.machine.name.clone() else {
            return ours(self.machine);
        };
        if name == self.machine.name {
            return ours(self.machine);
        }
        let machines = &self.emulator.profile.machines;
        let mut profiles = machines.values();
        let by_key = machines.get(&name);
        if let Some(profile) = by_key.or_else(|| profiles.find(|profile| profile.name == name)) {
            return ours(profile);
        }
        ChosenMachine {
            profile: Cow::Owned(Machine {
                name: name.clone(),
                options: Vec::new(),
                tcg_options: Vec::new(),
                cpu: None,
                kvm_cpu: None,
                args: Vec::new(),
                hotplug: None,
                connectors: None,
                advice: BTreeMap::new(),
                ..self.machine.clone()
            }),
            name,
        }
    }

    /// `NAME,property=value...`: the profile's options that this binary supports, then the test's.
    fn machine_value(
        &self,
        machine: &ChosenMachine<'_>,
        accel: Accel,
        wanted: &TestOptions,
    ) -> String {
        let facts = self.emulator.facts;
        let mut options = MachineOptions::default();
        let tcg = match accel {
            Accel::Tcg => machine.profile.tcg_options.as_slice(),
            Accel::Kvm => &[],
        };
        for option in machine.profile.options.iter().chain(tcg) {
            let (property, value) = option.split_once('=').unwrap_or((option, "on"));
            // This rule lets one file serve old and new binaries: `x-vof=on` is omitted if the
            // machine has no such property.
            if facts.machine_has(&machine.name, property) != Some(false) {
                options.set(property, value);
            }
        }
        for (property, value) in &wanted.machine.options {
            options.set(property, value);
        }
        for property in &wanted.machine.off {
            if facts.machine_has(&machine.name, property) == Some(true) {
                options.set(property, "off");
            }
        }
        options.render(&machine.name)
    }
}

impl Launch {
    /// The device types in its arguments.
    #[must_use]
    pub fn device_types(&self) -> BTreeSet<String> {
        let machine = &self.machine;
        let ours = machine.control.iter().chain(&machine.slots);
        let ours = ours.flat_map(|device| ["-device".to_owned(), device.clone()]);
        let all = (machine.arguments.iter().cloned())
            .chain(ours)
            .chain(machine.options.iter().cloned())
            .chain(self.devices.iter().cloned());
        devices::on_command_line(&all.collect::<Vec<_>>())
    }
}

impl BareMachine {
    /// The arguments for the machine itself, its processors and its memory.
    pub(super) fn hardware_arguments(&self) -> Vec<String> {
        let cpu = self.cpu.as_deref().map(|cpu| ("-cpu", cpu));
        [("-machine", self.machine.as_str()), ("-accel", &self.accel)]
            .into_iter()
            .chain(cpu)
            .chain([("-m", self.memory.as_str()), ("-smp", &self.smp)])
            .flat_map(|(option, value)| [option.to_owned(), value.to_owned()])
            .collect()
    }

    /// The kernel parameter that selects the control channel of a run.
    pub(super) fn channel_parameter(&self) -> &'static str {
        match self.control {
            Some(_) => "",
            None => "kiln.channel=console",
        }
    }

    /// The kernel command line with an additional parameter in the middle.
    pub(super) fn kernel_line(&self, parameter: &str) -> String {
        let [before, after] = &self.append;
        joined([before, parameter, after])
    }
}

/// The machine of a launch: its `-machine` name, and its profile.
struct ChosenMachine<'a> {
    name: String,
    profile: Cow<'a, Machine>,
}

impl ChosenMachine<'_> {
    /// `virtio-serial-pci,max_ports=2` -> `virtio-serial-pci,id=kiln,max_ports=2`.
    fn control(&self, control: Control) -> Option<String> {
        let device = self.profile.control.as_deref();
        let device = device.filter(|_| control == Control::VirtioSerial)?;
        Some(match device.split_once(',') {
            Some((device, properties)) => format!("{device},id=kiln,{properties}"),
            None => format!("{device},id=kiln"),
        })
    }

    /// The arguments for the disk of a root file system. The guest finds it by its serial number.
    fn root_disk(&self, root: &RootDisk) -> Result<Vec<String>, QemuError> {
        let device = self.profile.root_disk.as_deref();
        let device = device.ok_or_else(|| QemuError::NoRootDisk {
            machine: self.name.clone(),
        })?;
        let (device, properties) = device.split_once(',').unwrap_or((device, ""));
        let properties = if properties.is_empty() {
            String::new()
        } else {
            format!(",{properties}")
        };
        let image = root.image.as_str().replace(',', ",,");
        let drive = format!("if=none,id=kiln-root,file={image},format=raw,readonly=on");
        let device = format!("{device},drive=kiln-root,serial=kiln-root{properties}");
        Ok(["-drive", &drive, "-device", &device]
            .map(str::to_owned)
            .into())
    }

    fn slots(&self, count: u32) -> Vec<String> {
        let device = (self.profile.hotplug.as_ref()).and_then(|hotplug| hotplug.device.as_ref());
        device.map_or_else(Vec::new, |device| {
            (1..=count).map(|slot| Hotplug::at(device, slot)).collect()
        })
    }
}

/// Joins non-empty parts with spaces.
fn joined<const N: usize>(parts: [&str; N]) -> String {
    let parts = parts.map(str::trim);
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

//! A launch with every decision taken: a pure function of the request.
//!
//! The bare machine is apart from the devices of the test, and how the guest starts is typed, so
//! that no later step has to read arguments to find out what they mean.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use plan::arch::{Hotplug, Machine};

use super::options::{MachineOptions, TestOptions, WantedAccel};
use super::ram_file::RamFile;
use super::request::{BootFiles, Control, LaunchRequest};
use super::{removed, scope};
use crate::accel::Accel;
use crate::devices;
use crate::error::QemuError;

/// How the guest of a launch begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// It boots; the processors wait for [`crate::Vm::release`], so that no event is lost, however
    /// short the life of the guest is.
    Boot,
    /// It boots when the test or a person starts the processors.
    Paused,
    /// It migrates in.
    Incoming {
        /// The values of `-incoming`.
        from: Vec<String>,
        /// Whether it stays stopped when it has arrived.
        paused: bool,
    },
}

/// A machine without the devices of a test, and what it boots with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BareMachine {
    /// The value of `-machine`: name and properties.
    pub machine: String,
    /// The value of `-accel`.
    pub accel: String,
    /// The CPU model; QEMU's default where absent.
    pub cpu: Option<String>,
    /// The value of `-m`.
    pub memory: String,
    /// The value of `-smp`.
    pub smp: String,
    /// The kernel command line: what comes before the parameter of the control channel, and after.
    pub append: [String; 2],
    /// Further arguments of the machine's profile.
    pub arguments: Vec<String>,
    /// The device that carries the control channel; it is the console where absent.
    pub control: Option<String>,
    /// The devices that are hotplug slots.
    pub slots: Vec<String>,
    /// Options of the test that do more than add devices.
    pub options: Vec<String>,
}

/// One guest, ready to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The QEMU binary.
    pub binary: Utf8PathBuf,
    /// The machine without the test's devices.
    pub machine: BareMachine,
    /// Kernel and initramfs.
    pub boot: BootFiles,
    /// Whether the test chose kernel or initramfs itself.
    pub boots_own_files: bool,
    /// How it begins.
    pub start: Start,
    /// Arguments that only add devices and what they are connected to.
    pub devices: Vec<String>,
    /// Whether QEMU runs in our seccomp sandbox.
    pub sandbox: bool,
    /// Whether a guest that reboots continues, instead of ending QEMU.
    pub reboot_allowed: bool,
    /// What the test calls the guest.
    pub name: Option<String>,
    /// The file with the machine's memory; QEMU's own memory where absent.
    pub ram: Option<RamFile>,
}

impl LaunchRequest<'_> {
    /// Decides everything that the command line depends on.
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
        let rest = removed::drives(&options.rest, &machine.profile.virtio)?;
        let scoped = scope::sort(&rest);
        let append = [
            joined([&self.emulator.profile.append, &machine.profile.append]),
            joined([&self.append, &options.append]),
        ];
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
            arguments: machine.profile.args.clone(),
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
            },
            start,
            devices: [self.devices.clone(), scoped.devices].concat(),
            sandbox: facts.seccomp && !options.sandbox,
            reboot_allowed: self.reboot_allowed,
            name: options.name,
            ram: None,
        })
    }

    /// What QEMU would add without our `-nodefaults`.
    fn network(&self, options: &TestOptions) -> Vec<String> {
        let facts = self.emulator.facts;
        if !self.default_network || options.network || !facts.has_netdev("user") {
            return Vec::new();
        }
        ["-nic", "user"].map(str::to_owned).to_vec()
    }

    /// The first of the accelerators that the test names that works here, else the run's; with
    /// `-accel`'s value. Only the run knows whether KVM works.
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

    /// The machine a test's `-machine` names: one of the profile's with its options if the test
    /// wrote the profile's name for it, else one without any option, but with our console and
    /// control device, for want of better knowledge. Which versioned machine `q35` is an alias of
    /// differs from one QEMU to the next, so it decides nothing.
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

    /// `NAME,property=value...`: the profile's options that this binary knows, then the test's.
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
            // The rule that lets one file serve old and new binaries: `x-vof=on` is simply left
            // out where the machine has no such property.
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
    /// The device types that its arguments name.
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

    /// The kernel parameter that names the control channel of a run.
    pub(super) fn channel_parameter(&self) -> &'static str {
        match self.control {
            Some(_) => "",
            None => "kiln.channel=console",
        }
    }

    /// The kernel command line with a parameter of the caller's in its middle.
    pub(super) fn kernel_line(&self, parameter: &str) -> String {
        let [before, after] = &self.append;
        joined([before, parameter, after])
    }
}

/// The machine of a launch: what `-machine` calls it, and how it is run.
struct ChosenMachine<'a> {
    name: String,
    profile: Cow<'a, Machine>,
}

impl ChosenMachine<'_> {
    /// `virtio-serial-pci,max_ports=2` -> `virtio-serial-pci,id=kiln,max_ports=2`.
    fn control(&self, control: Control) -> Option<String> {
        let device = self.profile.control.as_str();
        match (control, device.split_once(',')) {
            (Control::Console, _) => None,
            (Control::VirtioSerial, Some((device, properties))) => {
                Some(format!("{device},id=kiln,{properties}"))
            }
            (Control::VirtioSerial, None) => Some(format!("{device},id=kiln")),
        }
    }

    fn slots(&self, count: u32) -> Vec<String> {
        let device = (self.profile.hotplug.as_ref()).and_then(|hotplug| hotplug.device.as_ref());
        device.map_or_else(Vec::new, |device| {
            (1..=count).map(|slot| Hotplug::at(device, slot)).collect()
        })
    }
}

/// What is not empty, with a space between.
fn joined<const N: usize>(parts: [&str; N]) -> String {
    let parts = parts.map(str::trim);
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

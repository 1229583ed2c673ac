//! The command line of one QEMU: a pure function of the machine profile, the binary's facts and
//! what the test asked for.
//!
//! `Vm` starts it with open descriptors, `standalone` is the same guest for a person's terminal.
//! Nothing here looks at the host. What a test's own options mean is in `asked`.

mod asked;
mod properties;
mod removed;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use camino::{Utf8Path, Utf8PathBuf};
use plan::arch::{Hotplug, Machine, QemuProfile};

use crate::accel::Accel;
use crate::error::QemuError;
use crate::facts::Facts;
use asked::{Asked, AskedAccel, MachineOptions};

/// The files a guest boots from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFiles {
    /// What `-kernel` takes.
    pub kernel: Utf8PathBuf,
    /// What `-initrd` takes.
    pub initrd: Option<Utf8PathBuf>,
}

/// QEMU's id of the control port, by which `VSERPORT_CHANGE` names it.
pub const CONTROL_PORT: &str = "kiln-port";

/// The first program of a guest that [`Launch::script`] starts.
pub const SCRIPT_INIT: &str = "/kiln/standalone";

/// How runner and guest talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Over a virtio-serial port named `org.kiln.control`.
    VirtioSerial,
    /// Over the console, without any virtio device.
    Console,
}

/// Descriptors that the QEMU process inherits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fds {
    /// QMP.
    pub qmp: i32,
    /// The first serial port.
    pub console: i32,
    /// The control port; used with `Control::VirtioSerial` only.
    pub control: i32,
}

/// One guest, before it is started.
#[derive(Debug, Clone)]
pub struct Launch<'a> {
    /// The QEMU binary.
    pub binary: &'a Utf8Path,
    /// How QEMU runs this architecture.
    pub profile: &'a QemuProfile,
    /// The machine; a test's `-machine` may choose another one of the profile's.
    pub machine: &'a Machine,
    /// What the binary can do.
    pub facts: &'a Facts,
    /// The accelerator of the run; a test may ask for TCG where this is KVM.
    pub accel: Accel,
    /// Memory as `-m` takes it; the profile's where absent.
    pub memory: Option<String>,
    /// Processors.
    pub smp: u32,
    /// Kernel and initramfs.
    pub boot: BootFiles,
    /// Kernel command line, after the profile's and the machine's.
    pub append: String,
    /// The options of the test's own `qemu` line.
    pub extra: Vec<String>,
    /// Hotplug slots; none where the machine has no such thing.
    pub slots: u32,
    /// How runner and guest talk.
    pub control: Control,
    /// Whether a guest that reboots runs on, instead of ending QEMU.
    pub reboot_allowed: bool,
}

/// Where the channels go.
enum Channels {
    Inherited(Fds),
    Terminal,
    Script,
}

impl Launch<'_> {
    /// Whether the command line holds the processors (`-S`) until QMP `cont`, which `Vm::start`
    /// sends behind the handshake: so no event is lost, however short a guest's life is. Not where
    /// the test itself holds them, or waits for a migration.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !self.is_incoming() && !self.asks("S")
    }

    /// Whether QEMU waits for a guest that migrates into it.
    #[must_use]
    pub fn is_incoming(&self) -> bool {
        self.asks("incoming")
    }

    fn asks(&self, name: &str) -> bool {
        let mut options = self.extra.iter().filter(|option| option.starts_with('-'));
        options.any(|option| option.trim_start_matches('-') == name)
    }

    /// The arguments of a QEMU whose channels are inherited descriptors.
    pub fn argv(&self, fds: Fds) -> Result<Vec<String>, QemuError> {
        self.arguments(&Channels::Inherited(fds))
    }

    /// Binary and arguments of the same guest in a person's terminal: its console is the
    /// terminal, a shell runs in it, Ctrl-A X ends it. For `host::process::command::quote_line`.
    pub fn standalone(&self) -> Result<Vec<String>, QemuError> {
        let mut line = vec![self.binary.to_string()];
        line.extend(self.arguments(&Channels::Terminal)?);
        Ok(line)
    }

    /// The arguments of the same guest for a script that anybody may run: its console is stdout,
    /// and what is first started in it is [`SCRIPT_INIT`], which the initramfs must have. The devices
    /// are those of a run, so that a test meets the same machine.
    pub fn script(&self) -> Result<Vec<String>, QemuError> {
        let mut launch = self.clone();
        // Not every build has it, and it is useless where the guest is trusted.
        let facts = Facts {
            seccomp: false,
            ..self.facts.clone()
        };
        launch.facts = &facts;
        launch.arguments(&Channels::Script)
    }

    fn arguments(&self, channels: &Channels) -> Result<Vec<String>, QemuError> {
        let asked = Asked::read(&self.extra, self.facts.version)?;
        if let Some(name) = &asked.machine.name {
            removed::machine(name, self.facts)?;
        }
        let machine = self.chosen_machine(&asked);
        let (accel, accel_value) = self.chosen_accel(&asked);
        let mut line = Line::default();

        line.flag("-nodefaults").flag("-no-user-config");
        line.pair("-display", "none");
        if !self.reboot_allowed {
            line.flag("-no-reboot");
        }
        if self.facts.seccomp && !asked.sandbox {
            line.pair("-sandbox", SANDBOX);
        }
        line.pair("-machine", self.machine_value(&machine, accel, &asked));
        line.pair("-accel", accel_value);
        let cpu = match accel {
            Accel::Tcg => &machine.profile.cpu,
            Accel::Kvm => &machine.profile.kvm_cpu,
        };
        line.some("-cpu", asked.cpu.as_ref().or(cpu.as_ref()));
        line.some(
            "-m",
            asked
                .memory
                .as_ref()
                .or(self.memory.as_ref())
                .or(Some(&self.profile.memory)),
        );
        line.pair(
            "-smp",
            asked.smp.clone().unwrap_or_else(|| self.smp.to_string()),
        );
        line.pair(
            "-kernel",
            asked.kernel.as_deref().unwrap_or(self.boot.kernel.as_str()),
        );
        let initrd = self.boot.initrd.as_ref().map(ToString::to_string);
        line.some("-initrd", asked.initrd.as_ref().or(initrd.as_ref()));
        line.some(
            "-append",
            self.kernel_line(&machine.profile, &asked, channels)
                .as_ref(),
        );
        line.arguments.extend(machine.profile.args.iter().cloned());
        self.channel_arguments(&mut line, &machine.profile, channels);
        let port = machine.profile.hotplug.as_ref();
        if let Some(port) = port.and_then(|hotplug| hotplug.device.as_ref()) {
            for slot in 1..=self.slots {
                line.pair("-device", Hotplug::at(port, slot));
            }
        }
        let rest = removed::drives(&asked.rest, &machine.profile.virtio)?;
        line.arguments.extend(rest);
        Ok(line.arguments)
    }

    /// The first of the accelerators that the test names that works here, else the run's; with
    /// `-accel`'s value. Only the run knows whether KVM works.
    fn chosen_accel(&self, asked: &Asked) -> (Accel, String) {
        let works = |accel: &&AskedAccel| match accel.name.as_str() {
            "tcg" => true,
            "kvm" => self.accel == Accel::Kvm,
            other => self.facts.has_accel(other),
        };
        match asked.accels.iter().find(works) {
            Some(wish) if wish.name == Accel::Kvm.as_str() => (Accel::Kvm, wish.value.clone()),
            Some(wish) => (Accel::Tcg, wish.value.clone()),
            None => (self.accel, self.accel.as_str().to_owned()),
        }
    }

    /// The machine a test's `-machine` names: one of the profile's with its options if the test
    /// wrote the profile's name for it, else one without any option, but with our console and
    /// control device, for want of better knowledge. Which versioned machine `q35` is an alias of
    /// differs from one QEMU to the next, so it decides nothing.
    fn chosen_machine(&self, asked: &Asked) -> Chosen<'_> {
        fn ours(profile: &Machine) -> Chosen<'_> {
            Chosen {
                name: profile.name.clone(),
                profile: Cow::Borrowed(profile),
            }
        }
        let Some(name) = asked.machine.name.clone() else {
            return ours(self.machine);
        };
        if name == self.machine.name {
            return ours(self.machine);
        }
        let mut profiles = self.profile.machines.values();
        let by_key = self.profile.machines.get(&name);
        if let Some(profile) = by_key.or_else(|| profiles.find(|profile| profile.name == name)) {
            return ours(profile);
        }
        Chosen {
            profile: Cow::Owned(Machine {
                name: name.clone(),
                options: Vec::new(),
                tcg_options: Vec::new(),
                cpu: None,
                kvm_cpu: None,
                args: Vec::new(),
                hotplug: None,
                advice: std::collections::BTreeMap::new(),
                ..self.machine.clone()
            }),
            name,
        }
    }

    /// `NAME,property=value...`: the profile's options that this binary knows, then the test's.
    fn machine_value(&self, machine: &Chosen<'_>, accel: Accel, asked: &Asked) -> String {
        let mut options = MachineOptions::default();
        let tcg = match accel {
            Accel::Tcg => machine.profile.tcg_options.as_slice(),
            Accel::Kvm => &[],
        };
        for option in machine.profile.options.iter().chain(tcg) {
            let (property, value) = option.split_once('=').unwrap_or((option, "on"));
            // The rule that lets one file serve old and new binaries: `x-vof=on` is simply left
            // out where the machine has no such property.
            if self.facts.machine_has(&machine.name, property) != Some(false) {
                options.set(property, value);
            }
        }
        for (property, value) in &asked.machine.options {
            options.set(property, value);
        }
        for property in &asked.machine.off {
            if self.facts.machine_has(&machine.name, property) == Some(true) {
                options.set(property, "off");
            }
        }
        options.render(&machine.name)
    }

    fn kernel_line(&self, machine: &Machine, asked: &Asked, channels: &Channels) -> Option<String> {
        let channel = match (channels, self.control) {
            (Channels::Terminal, _) => "kiln.shell".to_owned(),
            (Channels::Script, _) => format!("rdinit={SCRIPT_INIT}"),
            (Channels::Inherited(_), Control::Console) => "kiln.channel=console".to_owned(),
            (Channels::Inherited(_), Control::VirtioSerial) => String::new(),
        };
        let parts: [&str; 5] = [
            &self.profile.append,
            &machine.append,
            &channel,
            &self.append,
            &asked.append,
        ];
        let parts: Vec<&str> = parts
            .iter()
            .map(|part| part.trim())
            .filter(|part| !part.is_empty())
            .collect();
        Some(parts.join(" ")).filter(|line| !line.is_empty())
    }

    fn channel_arguments(&self, line: &mut Line, machine: &Machine, channels: &Channels) {
        let fds = match channels {
            Channels::Inherited(fds) => fds,
            Channels::Terminal => {
                line.pair("-serial", "mon:stdio");
                return;
            }
            Channels::Script => {
                line.pair("-serial", "stdio");
                if self.control == Control::VirtioSerial {
                    line.pair("-device", with_id(&machine.control));
                }
                return;
            }
        };
        if self.is_held() {
            line.flag("-S");
        }
        line.pair("-chardev", format!("socket,id=kiln-qmp,fd={}", fds.qmp));
        line.pair("-mon", "chardev=kiln-qmp,mode=control");
        line.pair(
            "-chardev",
            format!("socket,id=kiln-console,fd={}", fds.console),
        );
        line.pair("-serial", "chardev:kiln-console");
        if self.control == Control::VirtioSerial {
            line.pair(
                "-chardev",
                format!("socket,id=kiln-control,fd={}", fds.control),
            );
            line.pair("-device", with_id(&machine.control));
            line.pair(
                "-device",
                format!(
                    "virtserialport,id={CONTROL_PORT},bus=kiln.0,chardev=kiln-control,\
                     name=org.kiln.control"
                ),
            );
        }
    }
}

/// Everything that QEMU itself never needs: no new program, no other user, no old system call.
const SANDBOX: &str = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

struct Chosen<'a> {
    name: String,
    profile: Cow<'a, Machine>,
}

/// `virtio-serial-pci,max_ports=2` -> `virtio-serial-pci,id=kiln,max_ports=2`.
fn with_id(control: &str) -> String {
    match control.split_once(',') {
        Some((device, properties)) => format!("{device},id=kiln,{properties}"),
        None => format!("{control},id=kiln"),
    }
}

#[derive(Default)]
struct Line {
    arguments: Vec<String>,
}

impl Line {
    fn flag(&mut self, flag: &str) -> &mut Self {
        self.arguments.push(flag.to_owned());
        self
    }

    fn pair(&mut self, option: &str, value: impl Into<String>) -> &mut Self {
        self.arguments.push(option.to_owned());
        self.arguments.push(value.into());
        self
    }

    fn some(&mut self, option: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.pair(option, value.as_str());
        }
    }
}

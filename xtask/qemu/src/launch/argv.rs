//! The arguments of a resolved launch, for a run, a terminal or a script.

use super::resolved::{Launch, Start};

/// QEMU's id of the control port in `VSERPORT_CHANGE`.
pub const CONTROL_PORT: &str = "kiln-port";

/// The first process of a guest that [`Launch::script`] starts.
pub const SCRIPT_INIT: &str = "/kiln/standalone";

/// The seccomp options: denies what QEMU never needs, such as new programs, other users and
/// obsolete system calls.
const SANDBOX: &str = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/// Descriptors that the QEMU process inherits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fds {
    /// QMP.
    pub qmp: i32,
    /// The first serial port.
    pub console: i32,
    /// The control port, used if the launch has one.
    pub control: i32,
}

/// What the channels are connected to.
enum Channels {
    Inherited(Fds),
    Terminal,
    Script,
}

impl Launch {
    /// The arguments of a QEMU with inherited descriptors as channels.
    #[must_use]
    pub fn argv(&self, fds: Fds) -> Vec<String> {
        self.arguments(&Channels::Inherited(fds))
    }

    /// Binary and arguments of the same guest on the user's terminal: the terminal is its console
    /// with a shell, and Ctrl-A X ends it. For `host::process::command::quote_line`.
    #[must_use]
    pub fn standalone(&self) -> Vec<String> {
        let mut line = vec![self.binary.to_string()];
        line.extend(self.arguments(&Channels::Terminal));
        line
    }

    /// The arguments of the same guest for an exported script. Its console is stdout, and its first
    /// process is [`SCRIPT_INIT`], which the initramfs must contain. It has the devices of a run,
    /// so a test finds the same machine. QEMU's sandbox is off, because some builds of QEMU lack it
    /// and the guest of an exported test is trusted.
    #[must_use]
    pub fn script(&self) -> Vec<String> {
        self.arguments(&Channels::Script)
    }

    fn arguments(&self, channels: &Channels) -> Vec<String> {
        let machine = &self.machine;
        let mut line = Line::default();
        line.flag("-nodefaults").flag("-no-user-config");
        line.pair("-display", "none");
        if !self.reboot_allowed {
            line.flag("-no-reboot");
        }
        if self.sandbox && !matches!(channels, Channels::Script) {
            line.pair("-sandbox", SANDBOX);
        }
        let mut hardware = machine.hardware_arguments();
        if let Some(ram) = &self.ram {
            ram.replace_memory(&mut hardware);
        }
        line.arguments.extend(hardware);
        line.pair("-kernel", self.boot.kernel.as_str());
        if let Some(initrd) = &self.boot.initrd {
            line.pair("-initrd", initrd.as_str());
        }
        let device_tree = self.boot.device_tree.as_ref();
        line.some("-dtb", device_tree.map(|path| path.as_str()));
        let script_init = format!("rdinit={SCRIPT_INIT}");
        let kernel_line = machine.kernel_line(match channels {
            Channels::Inherited(_) => machine.channel_parameter(),
            Channels::Terminal => "kiln.shell",
            Channels::Script => &script_init,
        });
        if !kernel_line.is_empty() {
            line.pair("-append", kernel_line);
        }
        line.arguments.extend(machine.arguments.iter().cloned());
        self.start_arguments(&mut line, channels);
        self.channel_arguments(&mut line, channels);
        for slot in &machine.slots {
            line.pair("-device", slot);
        }
        line.arguments.extend(machine.options.iter().cloned());
        line.arguments.extend(self.devices.iter().cloned());
        line.arguments
    }

    fn start_arguments(&self, line: &mut Line, channels: &Channels) {
        let (stopped, from) = match &self.start {
            // Only in a run does the caller release the processors.
            Start::Boot => (matches!(channels, Channels::Inherited(_)), [].as_slice()),
            Start::Paused => (true, [].as_slice()),
            Start::Incoming { from, paused } => (*paused, from.as_slice()),
        };
        if stopped {
            line.flag("-S");
        }
        for source in from {
            line.pair("-incoming", source);
        }
    }

    fn channel_arguments(&self, line: &mut Line, channels: &Channels) {
        let control = self.machine.control.as_deref();
        let fds = match channels {
            Channels::Inherited(fds) => fds,
            Channels::Terminal => {
                line.pair("-serial", "mon:stdio");
                return;
            }
            Channels::Script => {
                line.pair("-serial", "stdio");
                line.some("-device", control);
                return;
            }
        };
        line.pair("-chardev", format!("socket,id=kiln-qmp,fd={}", fds.qmp));
        line.pair("-mon", "chardev=kiln-qmp,mode=control");
        line.pair(
            "-chardev",
            format!("socket,id=kiln-console,fd={}", fds.console),
        );
        line.pair("-serial", "chardev:kiln-console");
        if control.is_some() {
            line.pair(
                "-chardev",
                format!("socket,id=kiln-control,fd={}", fds.control),
            );
            line.some("-device", control);
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

    fn some(&mut self, option: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.pair(option, value);
        }
    }
}

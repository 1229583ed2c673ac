//! Interprets the options in a test's own `qemu` line. No other module does.
//!
//! Scripts for qemu-test and for interactive use run unchanged. The run decides about the display,
//! so `-nographic` is dropped. Accelerators are a preference that the run meets if possible. `-m`,
//! `-smp`, `-cpu`, `-machine`, `-kernel` and `-initrd` replace ours, `-append` and machine
//! properties extend ours, and `-S` and `-incoming` set how the guest starts. All others are passed
//! on unchanged after ours. `removed` handles options that QEMU no longer has.

use super::properties::split_commas;
use super::removed::{self, Removed};
use crate::error::QemuError;
use crate::version::Version;

/// A test's options by kind.
#[derive(Debug, Default)]
pub(super) struct TestOptions {
    pub(super) machine: WantedMachine,
    /// The accelerators in it, in any syntax, best first.
    pub(super) accels: Vec<WantedAccel>,
    pub(super) sandbox: bool,
    pub(super) cpu: Option<String>,
    pub(super) memory: Option<String>,
    pub(super) smp: Option<String>,
    pub(super) kernel: Option<String>,
    pub(super) initrd: Option<String>,
    pub(super) append: String,
    /// The sources of an incoming migration.
    pub(super) incoming: Vec<String>,
    /// Whether the test starts the processors itself.
    pub(super) paused: bool,
    /// The guest's name.
    pub(super) name: Option<String>,
    /// Whether it configures the network.
    pub(super) network: bool,
    /// All other options in order.
    pub(super) rest: Vec<String>,
}

/// A requested accelerator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WantedAccel {
    pub(super) name: String,
    /// The value for `-accel`: the name with optional properties.
    pub(super) value: String,
}

/// All `-machine` options of a test combined.
#[derive(Debug, Default)]
pub(super) struct WantedMachine {
    pub(super) name: Option<String>,
    pub(super) options: Vec<(String, String)>,
    /// Properties to switch off if the machine has them.
    pub(super) off: Vec<&'static str>,
}

impl TestOptions {
    pub(super) fn read(extra: &[String], version: Version) -> Result<Self, QemuError> {
        let mut found = Self::default();
        let mut arguments = extra.iter();
        while let Some(argument) = arguments.next() {
            // QEMU accepts `--option` for `-option`.
            let option = match argument.strip_prefix("--") {
                Some(name) if !name.is_empty() => format!("-{name}"),
                _ => argument.clone(),
            };
            let mut value = || {
                arguments.next().cloned().ok_or_else(|| QemuError::Option {
                    option: option.clone(),
                    why: "its value is missing".into(),
                })
            };
            match option.as_str() {
                // The run controls the terminal, and no user configuration is always in force.
                "-nographic" | "-no-user-config" => {}
                "-nodefaults" => found.network = true,
                "-S" => found.paused = true,
                "-incoming" => found.incoming.push(value()?),
                "-enable-kvm" => found.accels.extend(named("kvm")),
                "-no-kvm" => found.accels.extend(named("tcg")),
                "-accel" => {
                    let value = value()?;
                    match WantedAccel::read(&value) {
                        Some(accel) => found.accels.push(accel),
                        None => found.rest.extend([option, value]),
                    }
                }
                "-m" => found.memory = Some(value()?),
                "-smp" => found.smp = Some(value()?),
                "-cpu" => found.cpu = Some(value()?),
                "-kernel" => found.kernel = Some(value()?),
                "-initrd" => found.initrd = Some(value()?),
                "-M" | "-machine" => found.accels.extend(found.machine.read(&value()?)),
                "-append" => {
                    let words = value()?;
                    if !found.append.is_empty() {
                        found.append.push(' ');
                    }
                    found.append.push_str(&words);
                }
                "-daemonize" => {
                    return Err(QemuError::Option {
                        option,
                        why: "a QEMU in the background cannot be supervised".into(),
                    });
                }
                _ => match removed::option(&option, version) {
                    Some(Removed::Ignored) => {}
                    Some(Removed::MachineOff(property)) => found.machine.off.push(property),
                    Some(Removed::Fixed(option, value)) => {
                        found.rest.extend([option.to_owned(), value.to_owned()]);
                    }
                    Some(Removed::Renamed(option, before)) => {
                        let value = value()?;
                        let value = format!("{before}{value}");
                        found.rest.extend([option.to_owned(), value]);
                    }
                    Some(Removed::Gone(since)) => return Err(removed::gone(&option, since)),
                    None => {
                        found.sandbox |= option == "-sandbox";
                        found.network |= matches!(option.as_str(), "-net" | "-nic" | "-netdev");
                        if option == "-name" {
                            let value = arguments.as_slice().first();
                            found.name = value.and_then(|value| guest_name(value));
                        }
                        found.rest.push(option);
                    }
                },
            }
        }
        Ok(found)
    }
}

/// Parses the value of `-name`: `[guest=]NAME[,PROPERTY=VALUE...]`.
fn guest_name(value: &str) -> Option<String> {
    let first = value.split(',').next().unwrap_or_default();
    let name = first.strip_prefix("guest=").unwrap_or(first);
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

impl WantedAccel {
    /// Parses `NAME[,PROPERTY=VALUE...]`. `None` for a query such as `help`.
    fn read(value: &str) -> Option<Self> {
        let (first, properties) = match value.split_once(',') {
            Some((first, properties)) => (first, Some(properties)),
            None => (value, None),
        };
        let name = first.strip_prefix("accel=").unwrap_or(first);
        if matches!(name, "" | "help" | "?") {
            return None;
        }
        Some(Self {
            name: name.to_owned(),
            value: properties.map_or_else(|| name.to_owned(), |more| format!("{name},{more}")),
        })
    }
}

/// Parses a list of accelerators such as `kvm:tcg`.
fn named(list: &str) -> Vec<WantedAccel> {
    list.split(':').filter_map(WantedAccel::read).collect()
}

impl WantedMachine {
    /// Adds the options, and returns the accelerators among them.
    fn read(&mut self, value: &str) -> Vec<WantedAccel> {
        let mut accels = Vec::new();
        for (index, part) in split_commas(value).into_iter().enumerate() {
            match part.split_once('=') {
                None if index == 0 => self.name = Some(part),
                Some(("type", name)) => self.name = Some(name.to_owned()),
                // QEMU refuses it together with `-accel`, which it always gets.
                Some(("accel", list)) => accels.extend(named(list)),
                Some((property, value)) => {
                    self.options.push((property.to_owned(), value.to_owned()));
                }
                None if part.is_empty() => {}
                // QEMU's old short forms: `usb` and `nousb`.
                None => self.options.push((part, "on".to_owned())),
            }
        }
        accels
    }
}

/// Machine properties in the order of their first occurrence. A later value replaces an earlier
/// one.
#[derive(Debug, Default)]
pub(super) struct MachineOptions {
    options: Vec<(String, String)>,
}

impl MachineOptions {
    pub(super) fn set(&mut self, property: &str, value: &str) {
        match self.options.iter_mut().find(|(known, _)| known == property) {
            Some((_, old)) => value.clone_into(old),
            None => self.options.push((property.to_owned(), value.to_owned())),
        }
    }

    pub(super) fn render(&self, name: &str) -> String {
        self.options
            .iter()
            .fold(name.to_owned(), |text, (property, value)| {
                format!("{text},{property}={value}")
            })
    }
}

//! What the options on a test's own `qemu` line mean next to ours.
//!
//! Scripts written for qemu-test and for people's terminals run unchanged: `-nographic` is a
//! decision of the run and falls away, accelerators are a wish that the run grants where it can,
//! `-m`, `-smp`, `-cpu`, `-machine`, `-kernel` and `-initrd` replace ours, `-append` and machine
//! properties extend ours, all others are passed on as they are, after ours. Options that QEMU no
//! longer has are in `removed`.

use super::properties::split_commas;
use super::removed::{self, Removed};
use crate::error::QemuError;
use crate::version::Version;

/// A test's options, sorted.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) machine: AskedMachine,
    /// The accelerators that it names, in whatever way, best first.
    pub(super) accels: Vec<AskedAccel>,
    pub(super) sandbox: bool,
    pub(super) cpu: Option<String>,
    pub(super) memory: Option<String>,
    pub(super) smp: Option<String>,
    pub(super) kernel: Option<String>,
    pub(super) initrd: Option<String>,
    pub(super) append: String,
    pub(super) rest: Vec<String>,
}

/// An accelerator that a test names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AskedAccel {
    pub(super) name: String,
    /// As `-accel` takes it: the name, perhaps with properties.
    pub(super) value: String,
}

/// A test's `-machine` options, all of them together.
#[derive(Debug, Default)]
pub(super) struct AskedMachine {
    pub(super) name: Option<String>,
    pub(super) options: Vec<(String, String)>,
    /// Properties to switch off where the machine has them.
    pub(super) off: Vec<&'static str>,
}

impl Asked {
    pub(super) fn read(extra: &[String], version: Version) -> Result<Self, QemuError> {
        let mut asked = Self::default();
        let mut arguments = extra.iter();
        while let Some(argument) = arguments.next() {
            // QEMU takes `--option` for `-option`.
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
                // The terminal is the run's business; the others are always in force.
                "-nographic" | "-nodefaults" | "-no-user-config" => {}
                "-enable-kvm" => asked.accels.extend(named("kvm")),
                "-no-kvm" => asked.accels.extend(named("tcg")),
                "-accel" => {
                    let value = value()?;
                    match AskedAccel::read(&value) {
                        Some(accel) => asked.accels.push(accel),
                        None => asked.rest.extend([option, value]),
                    }
                }
                "-m" => asked.memory = Some(value()?),
                "-smp" => asked.smp = Some(value()?),
                "-cpu" => asked.cpu = Some(value()?),
                "-kernel" => asked.kernel = Some(value()?),
                "-initrd" => asked.initrd = Some(value()?),
                "-M" | "-machine" => asked.accels.extend(asked.machine.read(&value()?)),
                "-append" => {
                    let words = value()?;
                    if !asked.append.is_empty() {
                        asked.append.push(' ');
                    }
                    asked.append.push_str(&words);
                }
                "-daemonize" => {
                    return Err(QemuError::Option {
                        option,
                        why: "a QEMU in the background cannot be supervised".into(),
                    });
                }
                _ => match removed::option(&option, version) {
                    Some(Removed::Ignored) => {}
                    Some(Removed::MachineOff(property)) => asked.machine.off.push(property),
                    Some(Removed::Fixed(option, value)) => {
                        asked.rest.extend([option.to_owned(), value.to_owned()]);
                    }
                    Some(Removed::Renamed(option, before)) => {
                        let value = value()?;
                        let value = format!("{before}{value}");
                        asked.rest.extend([option.to_owned(), value]);
                    }
                    Some(Removed::Gone(since)) => return Err(removed::gone(&option, since)),
                    None => {
                        asked.sandbox |= option == "-sandbox";
                        asked.rest.push(option);
                    }
                },
            }
        }
        Ok(asked)
    }
}

impl AskedAccel {
    /// Of `NAME[,PROPERTY=VALUE...]`; `None` for a question such as `help`.
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

/// The accelerators of a list such as `kvm:tcg`.
fn named(list: &str) -> Vec<AskedAccel> {
    list.split(':').filter_map(AskedAccel::read).collect()
}

impl AskedMachine {
    /// Takes the options, and returns the accelerators among them.
    fn read(&mut self, value: &str) -> Vec<AskedAccel> {
        let mut accels = Vec::new();
        for (index, part) in split_commas(value).into_iter().enumerate() {
            match part.split_once('=') {
                None if index == 0 => self.name = Some(part),
                Some(("type", name)) => self.name = Some(name.to_owned()),
                // QEMU refuses it next to `-accel`, which it always gets.
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

/// Machine properties in the order they were first set; a later value replaces an earlier one.
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

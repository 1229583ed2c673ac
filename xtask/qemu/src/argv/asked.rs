//! What the options on a test's own `qemu` line mean beside ours.
//!
//! Scripts written for qemu-test and for people's terminals run unchanged: `-enable-kvm` and
//! `-nographic` are decisions of the run and fall away, `-m`, `-smp`, `-cpu`, `-machine`,
//! `-kernel` and `-initrd` replace ours, `-append` and machine properties extend ours, all
//! others are passed on as they are, after ours. Options that QEMU no longer has are in `removed`.

use super::properties::split_commas;
use super::removed::{self, Removed};
use crate::error::QemuError;
use crate::version::Version;

/// A test's options, sorted.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) machine: AskedMachine,
    pub(super) accel: bool,
    pub(super) sandbox: bool,
    pub(super) cpu: Option<String>,
    pub(super) memory: Option<String>,
    pub(super) smp: Option<String>,
    pub(super) kernel: Option<String>,
    pub(super) initrd: Option<String>,
    pub(super) append: String,
    pub(super) rest: Vec<String>,
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
                // Accelerator and terminal are the run's business; these are always in force.
                "-enable-kvm" | "-no-kvm" | "-nographic" | "-nodefaults" | "-no-user-config" => {}
                "-m" => asked.memory = Some(value()?),
                "-smp" => asked.smp = Some(value()?),
                "-cpu" => asked.cpu = Some(value()?),
                "-kernel" => asked.kernel = Some(value()?),
                "-initrd" => asked.initrd = Some(value()?),
                "-M" | "-machine" => asked.machine.read(&value()?),
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
                        why: "a QEMU that leaves its parent cannot be watched".into(),
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
                        asked.accel |= option == "-accel";
                        asked.sandbox |= option == "-sandbox";
                        asked.rest.push(option);
                    }
                },
            }
        }
        Ok(asked)
    }
}

impl AskedMachine {
    fn read(&mut self, value: &str) {
        for (index, part) in split_commas(value).into_iter().enumerate() {
            match part.split_once('=') {
                None if index == 0 => self.name = Some(part),
                Some(("type", name)) => self.name = Some(name.to_owned()),
                // As with -enable-kvm; and QEMU refuses it beside `-accel`.
                Some(("accel", _)) => {}
                Some((property, value)) => {
                    self.options.push((property.to_owned(), value.to_owned()));
                }
                None if part.is_empty() => {}
                // QEMU's old short forms: `usb` and `nousb`.
                None => self.options.push((part, "on".to_owned())),
            }
        }
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

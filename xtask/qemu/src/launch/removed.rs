//! Handles options and machines in old scripts that QEMU no longer has.
//!
//! Options with an equivalent are translated. Others are refused by name, so that the test can be
//! skipped with the reason. The options and versions are those of QEMU's document "Removed
//! features" (`docs/about/removed-features.rst`).

use super::properties::split_commas;
use crate::error::QemuError;
use crate::facts::Facts;
use crate::version::Version;

/// The treatment of a removed option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removed {
    /// It requested what is now always in effect.
    Ignored,
    /// It switched off a property of the machine.
    MachineOff(&'static str),
    /// Another option with a fixed value.
    Fixed(&'static str, &'static str),
    /// Another option, and the prefix of its value.
    Renamed(&'static str, &'static str),
    /// Removed without an equivalent in this version.
    Gone(&'static str),
}

/// The treatment of an option that a QEMU of this version no longer has.
pub(super) fn option(name: &str, version: Version) -> Option<Removed> {
    let removed = match name {
        // The run controls the display, the accelerator and the configuration files.
        "-nodefconfig"
        | "-no-kvm-pit"
        | "-no-kvm-irqchip"
        | "-no-kvm-pit-reinjection"
        | "-tdf"
        | "-rtc-td-hack"
        | "-no-quit"
        | "-no-frame"
        | "-alt-grab"
        | "-ctrl-grab"
        | "-sdl"
        | "-curses"
        | "-show-cursor"
        | "-enable-fips" => Removed::Ignored,
        "-no-hpet" => Removed::MachineOff("hpet"),
        "-no-acpi" => Removed::MachineOff("acpi"),
        "-localtime" => Removed::Fixed("-rtc", "base=localtime"),
        "-startdate" => Removed::Renamed("-rtc", "base="),
        "-watchdog" => Removed::Renamed("-device", ""),
        "-hdachs" | "-balloon" | "-bootp" | "-redir" | "-smb" | "-tftp" | "-realtime"
        | "-tb-size" | "-writeconfig" | "-soundhw" => Removed::Gone("7.1"),
        "-async-teardown" | "-chroot" | "-singlestep" => Removed::Gone("9.0"),
        "-portrait" | "-rotate" => Removed::Gone("9.2"),
        "-runas" => Removed::Gone("10.0"),
        _ => return None,
    };
    match removed {
        Removed::Gone(since) if since.parse().is_ok_and(|since| version < since) => None,
        removed => Some(removed),
    }
}

/// Moves the serial numbers of `-drive` to the devices, and refuses other removed properties.
///
/// `virtio` is the suffix of virtio devices on the machine, if it has any.
pub(super) fn drives(arguments: &[String], virtio: Option<&str>) -> Result<Vec<String>, QemuError> {
    let mut translated = arguments.to_vec();
    let mut disks = 0;
    for at in 0..arguments.len().saturating_sub(1) {
        let (option, value) = (arguments[at].as_str(), arguments[at + 1].as_str());
        if option == "-net" && property(value, "vlan").is_some() {
            return Err(gone("-net ...,vlan=", "3.0"));
        }
        if option != "-drive" {
            continue;
        }
        for name in ["addr", "cyls", "heads", "secs", "trans"] {
            if property(value, name).is_some() {
                return Err(gone(&format!("-drive {name}="), "3.0"));
            }
        }
        let Some(serial) = property(value, "serial") else {
            continue;
        };
        let mut parts = split_commas(value);
        parts.retain(|part| !part.starts_with("serial="));
        let interface = property(value, "if");
        match (interface.as_deref(), property(value, "id")) {
            (Some("none"), Some(id)) => {
                let Some(device) = device_of(&translated, &id) else {
                    return Err(gone("-drive serial=", "3.0"));
                };
                translated[device] = format!("{},serial={serial}", translated[device]);
            }
            (Some("virtio"), id) => {
                let virtio = virtio.ok_or_else(|| gone("-drive serial=", "3.0"))?;
                let id = id.unwrap_or_else(|| {
                    disks += 1;
                    format!("kiln-drive{disks}")
                });
                parts.retain(|part| !part.starts_with("if=") && !part.starts_with("id="));
                parts.extend(["if=none".to_owned(), format!("id={id}")]);
                let device = format!("virtio-blk-{virtio},drive={id},serial={serial}");
                translated.extend(["-device".to_owned(), device]);
            }
            _ => return Err(gone("-drive serial=", "3.0")),
        }
        translated[at + 1] = parts.join(",");
    }
    Ok(translated)
}

/// The index of the value of the `-device` with this drive.
fn device_of(arguments: &[String], drive: &str) -> Option<usize> {
    let is_its = |at: &usize| {
        arguments[at - 1] == "-device"
            && property(&arguments[*at], "drive").as_deref() == Some(drive)
    };
    (1..arguments.len()).find(is_its)
}

fn property(value: &str, name: &str) -> Option<String> {
    let parts = split_commas(value);
    let mut values = parts.iter().filter_map(|part| part.split_once('='));
    values
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// Refuses a versioned machine that is older than the oldest of its family in this QEMU.
pub(super) fn machine(name: &str, facts: &Facts) -> Result<(), QemuError> {
    if facts.has_machine(name) {
        return Ok(());
    }
    let Some((family, version)) = versioned(name) else {
        return Ok(());
    };
    let family_members = facts.machines.keys().filter_map(|known| {
        let (of, version) = versioned(known)?;
        let same = of == family || of.starts_with(&format!("{family}-"));
        same.then_some((version, known))
    });
    match family_members.min() {
        Some((oldest, known)) if version < oldest => Err(QemuError::Removed {
            what: format!("machine `{name}`"),
            rest: format!("; the oldest one is `{known}`"),
        }),
        _ => Ok(()),
    }
}

/// Splits `pc-i440fx-10.0` into `pc-i440fx` and 10.0.
fn versioned(name: &str) -> Option<(&str, Version)> {
    let (family, version) = name.rsplit_once('-')?;
    let version = version.contains('.').then(|| version.parse().ok())??;
    Some((family, version))
}

pub(super) fn gone(option: &str, since: &str) -> QemuError {
    QemuError::Removed {
        what: format!("option `{option}`"),
        rest: format!(" in {since}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::MachineFacts;

    #[test]
    fn removed_options_depend_on_the_version() {
        let check = |name: &str, version: &str, expect: Option<Removed>| {
            let found = option(name, version.parse().unwrap());
            assert_eq!(found, expect, "{name} {version}");
        };
        check("-nodefconfig", "7.2", Some(Removed::Ignored));
        check("-no-hpet", "10.0", Some(Removed::MachineOff("hpet")));
        check("-chroot", "8.2", None);
        check("-chroot", "9.0", Some(Removed::Gone("9.0")));
        check("-runas", "9.2", None);
        check("-runas", "11.0", Some(Removed::Gone("10.0")));
        check("-device", "10.0", None);
    }

    #[test]
    fn serial_numbers_move_from_drives_to_devices() {
        let check = |line: &str, expect: &str| {
            let line: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let found = match drives(&line, Some("pci")) {
                Ok(line) => line.join(" "),
                Err(error) => error.to_string(),
            };
            assert_eq!(found, expect, "{line:?}");
        };
        check(
            "-drive if=none,id=d,file=x,serial=abc -device nvme,drive=d,id=n",
            "-drive if=none,id=d,file=x -device nvme,drive=d,id=n,serial=abc",
        );
        check(
            "-drive file=a,,b,if=virtio,serial=abc",
            "-drive file=a,,b,if=none,id=kiln-drive1 -device virtio-blk-pci,drive=kiln-drive1,serial=abc",
        );
        check("-drive file=x,if=none,id=d", "-drive file=x,if=none,id=d");
        let ide = "the option `-drive serial=` was removed from QEMU in 3.0";
        check("-drive file=x,if=ide,serial=abc", ide);
        check("-drive file=x,if=none,id=d,serial=abc", ide);
        check(
            "-drive file=x,cyls=3",
            "the option `-drive cyls=` was removed from QEMU in 3.0",
        );
        check(
            "-net user,vlan=1",
            "the option `-net ...,vlan=` was removed from QEMU in 3.0",
        );
    }

    #[test]
    fn machines_older_than_their_family_are_removed() {
        let names = [
            "pc",
            "pc-i440fx-2.6",
            "pc-i440fx-10.0",
            "pc-q35-2.8",
            "isapc",
        ];
        let known = |name: &str| (name.to_owned(), MachineFacts::default());
        let facts = Facts {
            machines: names.map(known).into(),
            ..Facts::default()
        };
        let check = |name: &str, expect: Option<&str>| {
            let error = machine(name, &facts).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), expect, "{name}");
        };
        check("pc", None);
        check("pc-i440fx-10.0", None);
        check(
            "pc-0.13",
            Some("the machine `pc-0.13` was removed from QEMU; the oldest one is `pc-i440fx-2.6`"),
        );
        check(
            "pc-q35-2.4",
            Some("the machine `pc-q35-2.4` was removed from QEMU; the oldest one is `pc-q35-2.8`"),
        );
        // A newer or unknown machine was not removed: QEMU itself refuses it.
        check("pc-i440fx-11.0", None);
        check("taihu", None);
        check("board-1.0", None);
    }
}

//! Separates options of a test that change the bare machine from those that only add devices.
//!
//! A guest of the bare machine can find added devices later. An option that is not known to only
//! add devices changes the machine.

use super::properties::split_commas;

/// Options of a test by what they change, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scoped {
    /// Options that change the bare machine.
    pub(super) machine: Vec<String>,
    /// Options that only add devices and their backends.
    pub(super) devices: Vec<String>,
}

/// Sorts options with their values.
pub(super) fn sort(arguments: &[String]) -> Scoped {
    let mut scoped = Scoped::default();
    let mut rest = arguments;
    while let Some((option, after)) = rest.split_first() {
        let values = after.iter().take_while(|value| !is_option(value)).count();
        let list = if adds_devices(option, after.first().filter(|_| values == 1)) {
            &mut scoped.devices
        } else {
            &mut scoped.machine
        };
        list.extend(rest[..=values].iter().cloned());
        rest = &after[values..];
    }
    scoped
}

fn is_option(argument: &str) -> bool {
    argument.len() > 1 && argument.starts_with('-')
}

fn adds_devices(option: &str, value: Option<&String>) -> bool {
    let Some(value) = value else {
        return false;
    };
    match option {
        "-device" | "-blockdev" | "-netdev" | "-chardev" | "-fsdev" | "-audiodev" | "-tpmdev"
        | "-set" | "-trace" | "-mon" | "-gdb" | "-d" | "-D" | "-name" => true,
        // A drive with another interface becomes a device of an on-board controller.
        "-drive" => split_commas(value)
            .iter()
            .any(|part| matches!(part.as_str(), "if=none" | "if=virtio")),
        // A machine or a NUMA node may refer to the memory.
        "-object" => !value.contains("memory-backend"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_change_machine_unless_known_to_add_devices() {
        let check = |line: &str, machine: &str, devices: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let scoped = sort(&words);
            let found = [scoped.machine.join(" "), scoped.devices.join(" ")];
            assert_eq!(found, [machine, devices], "{line}");
        };
        check("", "", "");
        check("-device a,id=x", "", "-device a,id=x");
        check("-snapshot", "-snapshot", "");
        check(
            "-drive if=none,id=d,file=f -rtc base=utc -device virtio-blk-pci,drive=d",
            "-rtc base=utc",
            "-drive if=none,id=d,file=f -device virtio-blk-pci,drive=d",
        );
        check("-drive file=f,if=virtio", "", "-drive file=f,if=virtio");
        // Without an interface, the machine's default one is used.
        check("-drive file=f", "-drive file=f", "");
        check(
            "-drive if=pflash,file=if=none",
            "-drive if=pflash,file=if=none",
            "",
        );
        // A board creates its network cards before all devices.
        check(
            "-nic user -netdev user,id=n",
            "-nic user",
            "-netdev user,id=n",
        );
        check("-serial - -cdrom x", "-serial - -cdrom x", "");
        check("-object rng-random,id=r", "", "-object rng-random,id=r");
        check(
            "-object memory-backend-ram,id=m,size=1G",
            "-object memory-backend-ram,id=m,size=1G",
            "",
        );
        check(
            "-name guest,debug-threads=on",
            "",
            "-name guest,debug-threads=on",
        );
        check("-device", "-device", "");
        check("-option-of-the-future x", "-option-of-the-future x", "");
    }
}

//! Decides how a guest starts: it boots (cold) or is restored from a template (warm). Pure.
//!
//! A template is a saved guest of the bare machine. It can be used for a test whose devices the
//! restored guest can find by a rescan of its PCI bus. [`crate::template`] carries out the
//! decision.

use std::collections::BTreeSet;

use qemu::devices::DeviceOption;
use qemu::{Accel, Facts, Launch};

/// The caller's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartPolicy {
    /// Restores if it saves time.
    Auto,
    /// Always cold, for this reason.
    Cold(&'static str),
    /// Restores if possible.
    Warm,
}

impl StartPolicy {
    /// Cold, because the command line asks for it.
    pub const COLD: Self = Self::Cold("`--start cold`");

    /// Whether the user set `--start`. The command that repeats a test then already has it.
    #[must_use]
    pub fn is_explicit(self) -> bool {
        matches!(self, Self::Warm | Self::COLD)
    }
}

/// The facts that the decision depends on.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact that stands for itself"
)]
pub struct StartFacts<'a> {
    /// The caller's policy.
    pub policy: StartPolicy,
    /// Whether the header of the test says `start = "cold"`.
    pub asks_for_cold: bool,
    /// Whether QEMU is expected to refuse to start.
    pub refused: bool,
    /// Whether QEMU runs under another program, such as a debugger.
    pub wrapped: bool,
    /// The accelerator of the run.
    pub accel: Accel,
    /// The launch.
    pub launch: &'a Launch,
    /// Whether a guest of the machine continues after a migration.
    pub migrates: bool,
    /// Whether the machine has a PCI bus that a guest can rescan.
    pub has_pci: bool,
    /// The capabilities of the QEMU.
    pub facts: &'a Facts,
    /// Sets of device types that this QEMU failed to load, each because of one of its types.
    pub unmovable: &'a [BTreeSet<String>],
    /// Whether the init of the image can be saved and restored.
    pub image_resumes: bool,
    /// Whether a template exists.
    pub has_template: bool,
    /// Number of earlier starts of the run with the same bare machine.
    pub earlier: usize,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartDecision {
    /// Boots, for this reason.
    Cold(String),
    /// Restores from the existing template.
    Restore,
    /// Creates a template and restores from it.
    Make,
}

/// Decides how a guest starts.
#[must_use]
pub fn decide(start: &StartFacts<'_>) -> StartDecision {
    if let Some(reason) = obstacle(start) {
        return StartDecision::Cold(reason);
    }
    if start.has_template {
        return StartDecision::Restore;
    }
    if start.policy == StartPolicy::Auto && start.earlier == 0 {
        let reason = "first start of this machine in the run, and no template exists";
        return StartDecision::Cold(reason.to_owned());
    }
    StartDecision::Make
}

/// Why the guest must boot, if it must.
#[must_use]
pub fn obstacle(start: &StartFacts<'_>) -> Option<String> {
    let launch = start.launch;
    if let StartPolicy::Cold(reason) = start.policy {
        return Some(reason.to_owned());
    }
    let fixed = [
        (start.asks_for_cold, "the test asks for it"),
        (start.refused, "QEMU is expected to refuse to start"),
        (start.wrapped, "QEMU runs under another program"),
        (start.accel != Accel::Tcg, "only TCG guests are restored"),
        (
            launch.start != qemu::Start::Boot,
            "the guest does not boot by itself",
        ),
        (launch.boots_own_files, "the test boots files of its own"),
        (
            launch.machine.control.is_none(),
            "the control channel is the console",
        ),
        (
            !start.migrates,
            "a guest of the machine does not always continue after a migration",
        ),
        (
            !start.image_resumes,
            "the init of the image cannot be restored",
        ),
    ];
    if let Some((_, reason)) = fixed.into_iter().find(|(holds, _)| *holds) {
        return Some(reason.to_owned());
    }
    if let Some(option) = launch.machine.options.first() {
        return Some(format!("`{option}` changes the machine"));
    }
    if launch.bare(start.facts, "ram".into()).is_none() {
        return Some(format!(
            "`-m {}` is more than a size",
            launch.machine.memory
        ));
    }
    let types = device_types(launch);
    if !types.is_empty() && !start.has_pci {
        return Some("the machine has no PCI bus to rescan".to_owned());
    }
    if start.unmovable.iter().any(|set| set.is_subset(&types)) {
        return Some("this QEMU cannot load a guest with one of the devices".to_owned());
    }
    if let Some(name) = slotted_device(&launch.devices, &launch.machine.slots) {
        // The saved state of the slot is that of an empty one, without power.
        return Some(format!("`{name}` is in a hotplug slot"));
    }
    hidden_device(&launch.devices, start.facts)
        .map(|name| format!("a guest that runs cannot find `{name}`"))
}

/// The first device in a hotplug slot of the machine.
fn slotted_device(arguments: &[String], slots: &[String]) -> Option<String> {
    let slots = slots.iter().filter_map(|slot| DeviceOption::read(slot)?.id);
    let slots: BTreeSet<String> = slots.collect();
    let devices = arguments.windows(2).filter(|pair| pair[0] == "-device");
    let mut devices = devices.filter_map(|pair| DeviceOption::read(&pair[1]));
    let slotted = devices.find(|device| {
        let bus = device.bus.as_deref();
        bus.is_some_and(|bus| slots.contains(bus))
    });
    slotted.map(|device| device.driver)
}

/// The device types in the arguments of the test.
#[must_use]
pub fn device_types(launch: &Launch) -> BTreeSet<String> {
    qemu::devices::on_command_line(&launch.devices)
}

/// Buses that a device without a `bus` property uses, if a controller of the test has one.
const IMPLIED_BUSES: [&str; 2] = ["usb-bus", "SCSI"];

/// The first device that is neither on the PCI bus nor behind a device that is.
fn hidden_device(arguments: &[String], facts: &Facts) -> Option<String> {
    let mut found = BTreeSet::new();
    let mut any = false;
    for pair in arguments.windows(2).filter(|pair| pair[0] == "-device") {
        let Some(device) = DeviceOption::read(&pair[1]) else {
            return Some(pair[1].clone());
        };
        let model = facts.models.get(facts.device_type(&device.driver));
        let bus = model.and_then(|model| model.bus.as_deref());
        let parent = device.bus.as_deref().and_then(|bus| bus.split('.').next());
        let visible = match (bus, parent) {
            (Some("PCI"), _) => true,
            (Some(_), Some(parent)) => found.contains(parent),
            (Some(bus), None) => any && IMPLIED_BUSES.contains(&bus),
            (None, _) => false,
        };
        if !visible {
            return Some(device.driver);
        }
        any = true;
        found.extend(device.id);
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use camino::Utf8PathBuf;
    use qemu::facts::DeviceFacts;
    use qemu::launch::BareMachine;
    use qemu::{BootFiles, Start};

    use super::*;

    fn facts() -> Facts {
        let models = [
            ("virtio-blk-pci", Some("PCI")),
            ("qemu-xhci", Some("PCI")),
            ("nvme", Some("PCI")),
            ("usb-kbd", Some("usb-bus")),
            ("virtio-blk-device", Some("virtio-bus")),
            ("isa-serial", Some("ISA")),
            ("ide-hd", Some("IDE")),
            ("ich9-ahci", Some("PCI")),
            ("nvdimm", None),
        ];
        let models = models.map(|(name, bus)| {
            let bus = bus.map(str::to_owned);
            (name.to_owned(), DeviceFacts { bus, alias: None })
        });
        Facts {
            models: BTreeMap::from(models),
            ..Facts::default()
        }
    }

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn launch(devices: &str) -> Launch {
        Launch {
            binary: Utf8PathBuf::from("qemu"),
            machine: BareMachine {
                machine: "q35".to_owned(),
                accel: "tcg".to_owned(),
                cpu: None,
                memory: "256M".to_owned(),
                smp: "1".to_owned(),
                append: [String::new(), String::new()],
                arguments: Vec::new(),
                control: Some("virtio-serial-pci".to_owned()),
                slots: Vec::new(),
                options: Vec::new(),
            },
            boot: BootFiles {
                kernel: "kernel".into(),
                initrd: None,
                device_tree: None,
            },
            boots_own_files: false,
            start: Start::Boot,
            devices: words(devices),
            sandbox: true,
            reboot_allowed: false,
            name: None,
            ram: None,
        }
    }

    fn start<'a>(launch: &'a Launch, facts: &'a Facts) -> StartFacts<'a> {
        StartFacts {
            policy: StartPolicy::Auto,
            asks_for_cold: false,
            refused: false,
            wrapped: false,
            accel: Accel::Tcg,
            launch,
            migrates: true,
            has_pci: true,
            facts,
            unmovable: &[],
            image_resumes: true,
            has_template: true,
            earlier: 1,
        }
    }

    #[test]
    fn each_fact_affects_the_start() {
        let facts = facts();
        let check = |change: &dyn Fn(&mut StartFacts<'_>, &mut Launch), expect: &str| {
            let mut launch = launch("");
            let original = launch.clone();
            let mut found = start(&original, &facts);
            change(&mut found, &mut launch);
            let found = StartFacts {
                launch: &launch,
                ..found
            };
            let decision = match decide(&found) {
                StartDecision::Cold(reason) => reason,
                other => format!("{other:?}"),
            };
            assert_eq!(decision, expect);
        };
        check(&|_, _| {}, "Restore");
        check(&|start, _| start.has_template = false, "Make");
        check(
            &|start, _| (start.has_template, start.earlier) = (false, 0),
            "first start of this machine in the run, and no template exists",
        );
        check(
            &|start, _| {
                start.policy = StartPolicy::Warm;
                (start.has_template, start.earlier) = (false, 0);
            },
            "Make",
        );
        check(
            &|start, _| start.policy = StartPolicy::COLD,
            "`--start cold`",
        );
        check(
            &|start, _| start.policy = StartPolicy::Cold("`--gdb`"),
            "`--gdb`",
        );
        check(
            &|start, _| start.asks_for_cold = true,
            "the test asks for it",
        );
        check(
            &|start, _| start.refused = true,
            "QEMU is expected to refuse to start",
        );
        check(
            &|start, _| start.wrapped = true,
            "QEMU runs under another program",
        );
        check(
            &|start, _| start.accel = Accel::Kvm,
            "only TCG guests are restored",
        );
        check(
            &|start, _| start.image_resumes = false,
            "the init of the image cannot be restored",
        );
        check(
            &|_, launch| launch.start = Start::Paused,
            "the guest does not boot by itself",
        );
        check(
            &|_, launch| launch.boots_own_files = true,
            "the test boots files of its own",
        );
        check(
            &|_, launch| launch.machine.control = None,
            "the control channel is the console",
        );
        check(&|_, launch| launch.machine.smp = "4".to_owned(), "Restore");
        check(
            &|_, launch| launch.machine.options = words("-nic user"),
            "`-nic` changes the machine",
        );
        check(
            &|_, launch| launch.machine.memory = "1G,slots=2".to_owned(),
            "`-m 1G,slots=2` is more than a size",
        );
        check(
            &|start, _| start.migrates = false,
            "a guest of the machine does not always continue after a migration",
        );
        check(
            &|start, launch| {
                start.has_pci = false;
                launch.devices = words("-device virtio-blk-device,drive=d");
            },
            "the machine has no PCI bus to rescan",
        );
        // The policy `warm` does not force what cannot work.
        check(
            &|start, _| (start.policy, start.asks_for_cold) = (StartPolicy::Warm, true),
            "the test asks for it",
        );
    }

    #[test]
    fn device_must_be_behind_the_pci_bus() {
        let facts = facts();
        let check = |line: &str, expect: Option<&str>| {
            assert_eq!(
                hidden_device(&words(line), &facts).as_deref(),
                expect,
                "{line}"
            );
        };
        check("", None);
        check("-drive if=none,id=d -device virtio-blk-pci,drive=d", None);
        check("-device qemu-xhci,id=x -device usb-kbd,bus=x.0", None);
        check("-device qemu-xhci -device usb-kbd", None);
        check("-device usb-kbd", Some("usb-kbd"));
        check("-device usb-kbd,bus=x.0", Some("usb-kbd"));
        check(
            "-device ich9-ahci,id=a -device ide-hd,bus=a.0,drive=d",
            None,
        );
        check(
            "-device ich9-ahci,id=a -device ide-hd,drive=d",
            Some("ide-hd"),
        );
        check("-device isa-serial", Some("isa-serial"));
        check("-device nvdimm,memdev=m", Some("nvdimm"));
        check("-device {\"driver\":\"nvme\"}", None);
        check(
            "-device {\"driver\":\"usb-kbd\",\"bus\":\"x.0\"}",
            Some("usb-kbd"),
        );
        check("-device id=x", Some("id=x"));
        check("-device future-device", Some("future-device"));
    }

    #[test]
    fn guest_with_a_device_in_a_slot_boots() {
        let facts = facts();
        let check = |line: &str, expect: Option<&str>| {
            let mut launch = launch(line);
            launch.machine.slots = vec!["pcie-root-port,id=slot1".to_owned()];
            let found = obstacle(&start(&launch, &facts));
            assert_eq!(found.as_deref(), expect, "{line}");
        };
        check("-device virtio-blk-pci,bus=pcie.0", None);
        check(
            "-device virtio-blk-pci,bus=slot1",
            Some("`virtio-blk-pci` is in a hotplug slot"),
        );
    }

    #[test]
    fn refused_devices_are_remembered_as_sets() {
        let facts = facts();
        let unmovable = [BTreeSet::from(["nvme".to_owned(), "qemu-xhci".to_owned()])];
        let check = |line: &str, cold: bool| {
            let launch = launch(line);
            let found = StartFacts {
                unmovable: &unmovable,
                ..start(&launch, &facts)
            };
            assert_eq!(obstacle(&found).is_some(), cold, "{line}");
        };
        check(
            "-device nvme -device qemu-xhci -device virtio-blk-pci",
            true,
        );
        // Which of the two caused the failure is unknown.
        check("-device nvme", false);
        check("-device virtio-blk-pci", false);
    }
}

//! Checks whether a test can run: compares its header with the facts about QEMU and the host.
//!
//! Pure. A test with unmet requirements is skipped with the reason.

use std::collections::BTreeSet;

use plan::arch::{Machine, QemuProfile};
use qemu::{Accel, Facts};

use crate::body::Body;
use crate::choice::offer::{self, Support};
use crate::header::{Channel, ExpectedEnd, Header, HostFiles, Leave, Stdin};

/// The facts that a requirement is compared with.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The architecture's name.
    pub arch: &'a str,
    /// How QEMU runs the architecture.
    pub profile: &'a QemuProfile,
    /// The capabilities of the binary.
    pub facts: &'a Facts,
    /// Devices for which the kernel of the run has no driver.
    pub without_driver: &'a BTreeSet<String>,
    /// The accelerator of the run.
    pub accel: Accel,
    /// Whether guests boot Debian.
    pub has_debian: bool,
}

impl<'a> Offer<'a> {
    /// What a test on the machine has at its disposal.
    fn support(&self, machine: &'a Machine) -> Support<'a> {
        Support {
            facts: self.facts,
            without_driver: self.without_driver,
            machine,
        }
    }
}

/// The machine for a test, or the error in its header.
pub fn machine<'a>(
    header: &Header,
    arch: &str,
    profile: &'a QemuProfile,
) -> Result<(&'a str, &'a Machine), String> {
    let qemu_test = profile.qemu_test_machine.as_deref();
    let name = header
        .machine
        .name(arch)
        .or(qemu_test.filter(|_| header.calls_itself))
        .unwrap_or(&profile.machine);
    profile
        .machines
        .get_key_value(name)
        .map(|(name, machine)| (name.as_str(), machine))
        .ok_or_else(|| {
            let known: Vec<_> = profile.machines.keys().map(String::as_str).collect();
            format!(
                "`{name}` is not a machine of `images/{arch}.toml`: {}",
                known.join(", ")
            )
        })
}

/// The available programs.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// Whether a program is on PATH.
    pub on_path: &'a dyn Fn(&str) -> bool,
    /// Whether a program was built with the QEMU under test.
    pub of_qemu: &'a dyn Fn(&str) -> bool,
    /// Whether they run in guests of the architecture.
    pub native: bool,
}

/// Why the test is skipped. Only the first reason is returned.
#[must_use]
pub fn unmet(
    header: &Header,
    machine: &Machine,
    offer: &Offer<'_>,
    tools: Tools<'_>,
) -> Option<String> {
    let requires = &header.requires;
    if let Some(oldest) = requires.qemu
        && !offer.facts.at_least(oldest)
    {
        let found = offer.facts.version;
        return Some(format!("needs QEMU {oldest}, this is {found}"));
    }
    if header.body.needs().image
        && let Some(reason) = unmet_by_system(header, machine, offer.has_debian)
    {
        return Some(reason);
    }
    if header.body.needs().boots()
        && let Some(reason) = unmet_by_guest(header, machine, offer)
    {
        return Some(reason);
    }
    if let Some(reason) = offer::nothing(&header.choices, offer.arch, offer.support(machine)) {
        return Some(reason);
    }
    let mut qemu_tools = requires.qemu_tools.iter();
    if let Some(tool) = qemu_tools.find(|name| !(tools.of_qemu)(name)) {
        return Some(format!("`{tool}` is not next to the QEMU under test"));
    }
    if !header.host.programs.is_empty() && !tools.native {
        let arch = offer.arch;
        return Some(format!("the programs of this host are not for {arch}"));
    }
    let tools_of_host = requires.tools.iter().map(String::as_str);
    let mut needed = tools_of_host.chain(header.host.tools());
    let tool = needed.find(|name| !(tools.on_path)(name))?;
    Some(format!("`{tool}` is not installed on the host"))
}

/// What excludes the system that guests boot: that of the image, or Debian.
fn unmet_by_system(header: &Header, machine: &Machine, has_debian: bool) -> Option<String> {
    if !has_debian {
        let needs_debian = header.debian.is_some();
        return needs_debian.then(|| "needs a guest with Debian: --image debian".to_owned());
    }
    let has_files = header.host != HostFiles::default() || matches!(header.body, Body::Ktest(_));
    if has_files {
        return Some("a guest with Debian gets no files of the host".to_owned());
    }
    if header.channel == Channel::Console {
        return Some("a guest with Debian cannot use its console as control channel".to_owned());
    }
    if machine.root_disk.is_none() {
        let name = &machine.name;
        return Some(format!("no guest of the machine `{name}` boots Debian"));
    }
    None
}

/// The first missing feature of QEMU that a guest needs.
fn unmet_by_guest(header: &Header, machine: &Machine, offer: &Offer<'_>) -> Option<String> {
    let requires = &header.requires;
    let facts = offer.facts;
    let lacks = |kind: &str, name: &str| format!("QEMU lacks the {kind} `{name}`");
    let lacks_device = |name: &str| match facts.devices_failure() {
        Some(why) => format!("failed to query the devices of QEMU: {why}"),
        None => lacks("device", name),
    };
    if let Some(accel) = &requires.accel
        && accel != offer.accel.as_str()
    {
        return Some(format!("needs the accelerator `{accel}`"));
    }
    let machines = requires
        .machines
        .iter()
        .map(String::as_str)
        .chain([machine.name.as_str()]);
    if let Some(name) = machines.into_iter().find(|name| !facts.has_machine(name)) {
        return Some(match facts.machine_failure(name) {
            Some(why) => format!("failed to query the machine `{name}` of QEMU: {why}"),
            None => lacks("machine", name),
        });
    }
    if let Some(cpus) = facts
        .machines
        .get(&machine.name)
        .map(|machine| machine.cpus)
        && header.smp > cpus
        && cpus > 0
    {
        let plural = if cpus == 1 { "" } else { "s" };
        return Some(format!(
            "the machine `{}` supports at most {cpus} processor{plural}",
            machine.name
        ));
    }
    let size = |text: &Option<String>| plan::size::parse(text.as_deref()?);
    if let (Some(wanted), Some(most)) = (size(&header.memory), size(&machine.memory_max))
        && wanted > most
    {
        return Some(format!(
            "the machine `{}` has at most {} of memory",
            machine.name,
            machine.memory_max.as_deref().unwrap_or_default()
        ));
    }
    if requires.migration && !machine.migration {
        return Some(format!(
            "a guest of the machine `{}` does not always continue after a migration",
            machine.name
        ));
    }
    if let Some(reason) = unmet_by_board(header, machine) {
        return Some(reason);
    }
    if header.slots > 0 {
        let Some(hotplug) = &machine.hotplug else {
            return Some(format!(
                "the machine `{}` has no hotplug slots",
                machine.name
            ));
        };
        let port = hotplug.device.as_deref().unwrap_or_default();
        let port = port.split(',').next().unwrap_or_default();
        if !port.is_empty() && !facts.has_device(port) {
            return Some(lacks_device(port));
        }
    }
    if let Some(name) = requires.devices.iter().find(|name| !facts.has_device(name)) {
        return Some(lacks_device(name));
    }
    let mut devices = requires.devices.iter();
    if let Some(name) = devices.find(|name| offer.without_driver.contains(*name)) {
        let arch = offer.arch;
        return Some(format!("the kernel of {arch} has no driver for `{name}`"));
    }
    let support = offer.support(machine);
    let mut devices = requires.devices.iter();
    if let Some((name, fault)) = devices.find_map(|name| Some((name, support.fault_of(name)?))) {
        let machine = &machine.name;
        return Some(format!(
            "`{name}` does not work on the machine `{machine}`: {fault}"
        ));
    }
    let missing = requires.netdevs.iter().find(|name| !facts.has_netdev(name));
    missing.map(|name| lacks("network backend", name))
}

/// What a board with few devices lacks.
fn unmet_by_board(header: &Header, machine: &Machine) -> Option<String> {
    let name = &machine.name;
    if !header.scratch.is_empty() && machine.virtio.is_none() {
        return Some(format!("the machine `{name}` has no virtio disks"));
    }
    if header.stdin == Stdin::Console && machine.control.is_none() {
        return Some(format!(
            "the console of the machine `{name}` is the control channel"
        ));
    }
    let resets = header.reboots > 0 || header.ends == ExpectedEnd::Leave(Leave::Reboot);
    if resets && !machine.reset {
        return Some(format!("a guest cannot reset the machine `{name}`"));
    }
    let powers_off = header.ends == ExpectedEnd::Leave(Leave::Poweroff);
    (powers_off && !machine.power_off)
        .then(|| format!("a guest cannot power off the machine `{name}`"))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use camino::Utf8Path;
    use plan::arch::{Hotplug, Ordinary, OrdinaryKernel, Unusable};
    use qemu::facts::MachineFacts;

    use super::*;

    /// A host with one program, and a QEMU with one tool.
    const TOOLS: Tools<'_> = Tools {
        on_path: &|tool| tool == "git",
        of_qemu: &|tool| tool == "qemu-img",
        native: true,
    };

    fn header(keys: &str) -> Header {
        let script = format!("#!/bin/sh\n# Tests.\n{keys}\nin_guest() {{\n    true\n}}\n");
        Header::parse(Utf8Path::new("guest-tests/a/x.sh"), &script).unwrap()
    }

    /// A machine, which is limited if it has no hotplug.
    pub(crate) fn machine_of(name: &str, hotplug: Option<&str>) -> Machine {
        let fault = Unusable {
            devices: ["nvme".to_owned()].into(),
            reason: "it gets no interrupt".to_owned(),
            fixed_in: None,
        };
        Machine {
            name: name.to_owned(),
            options: Vec::new(),
            tcg_options: Vec::new(),
            cpu: None,
            kvm_cpu: None,
            append: String::new(),
            args: Vec::new(),
            control: Some("virtio-serial-pci".to_owned()),
            root_disk: None,
            virtio: Some("pci".to_owned()),
            memory_max: hotplug.is_none().then(|| "64M".to_owned()),
            migration: hotplug.is_some(),
            unusable: Vec::from_iter(hotplug.is_none().then_some(fault)),
            power_off: true,
            reset: true,
            boot_timeout: None,
            hotplug: hotplug.map(|device| Hotplug {
                device: Some(device.to_owned()).filter(|device| !device.is_empty()),
                bus: "b{n}".to_owned(),
                addr: None,
                entry: String::new(),
                connector: None,
            }),
            connectors: None,
            advice: BTreeMap::new(),
        }
    }

    fn profile() -> QemuProfile {
        let machines = [
            ("first", machine_of("big", Some("pcie-root-port,id=p{n}"))),
            ("second", machine_of("small", None)),
        ];
        QemuProfile {
            binary: "qemu-system-x".to_owned(),
            native: Vec::new(),
            machine: "first".to_owned(),
            qemu_test_machine: Some("second".to_owned()),
            memory: "256M".to_owned(),
            boot_timeout: Duration::from_secs(20),
            kvm_timeout_permille: 500,
            append: String::new(),
            without_driver: ["vmxnet3".to_owned()].into(),
            machines: machines
                .map(|(name, machine)| (name.to_owned(), machine))
                .into(),
            ordinary: Ordinary {
                kernel: OrdinaryKernel::Plain,
                args: Vec::new(),
                append: String::new(),
            },
        }
    }

    fn facts() -> Facts {
        let names = |names: &[&str]| -> BTreeSet<String> {
            names.iter().map(|&name| name.to_owned()).collect()
        };
        let machine = |name: &str, cpus| {
            let facts = MachineFacts {
                name: name.to_owned(),
                cpus,
                ..MachineFacts::default()
            };
            (name.to_owned(), facts)
        };
        Facts {
            version: "10.0.2".parse().unwrap(),
            devices: names(&["nvme", "pcie-root-port", "vmxnet3"]),
            machines: [machine("big", 8), machine("small", 1)].into(),
            netdevs: names(&["user"]),
            unanswered: [("the machine `odd`".to_owned(), "aborted".to_owned())].into(),
            ..Facts::default()
        }
    }

    /// What a run with QEMU's TCG and the image's own system offers.
    fn offer<'a>(profile: &'a QemuProfile, facts: &'a Facts) -> Offer<'a> {
        Offer {
            arch: "x86_64",
            profile,
            without_driver: &profile.without_driver,
            facts,
            accel: Accel::Tcg,
            has_debian: false,
        }
    }

    #[test]
    fn machine_is_named_by_header_or_profile() {
        let check = |keys: &str, expect: Result<&str, &str>| {
            let profile = profile();
            let header = header(keys);
            let found = machine(&header, "x86_64", &profile).map(|(name, _)| name);
            assert_eq!(found, expect.map_err(str::to_owned), "{keys}");
        };
        check("", Ok("first"));
        check("#: machine = \"second\"", Ok("second"));
        check("#: machine.x86_64 = \"second\"", Ok("second"));
        check("#: machine.aarch64 = \"second\"", Ok("first"));
        check(
            "#: machine = \"third\"",
            Err("`third` is not a machine of `images/x86_64.toml`: first, second"),
        );
    }

    #[test]
    fn first_unmet_requirement_is_the_reason() {
        let facts = facts();
        let check = |keys: &str, expect: Option<&str>| {
            let (header, profile) = (header(keys), profile());
            let (_, machine) = machine(&header, "x86_64", &profile).unwrap();
            let offer = offer(&profile, &facts);
            let found = unmet(&header, machine, &offer, TOOLS);
            assert_eq!(found.as_deref(), expect, "{keys}");
        };
        check("", None);
        check("#: requires.qemu = \"10.0.2\"", None);
        check(
            "#: requires.qemu = \"10.1\"",
            Some("needs QEMU 10.1.0, this is 10.0.2"),
        );
        check("#: requires.accel = \"tcg\"", None);
        check(
            "#: requires.accel = \"kvm\"",
            Some("needs the accelerator `kvm`"),
        );
        check("#: requires.devices = [\"nvme\"]", None);
        check(
            "#: requires.devices = [\"nvme\", \"igb\"]",
            Some("QEMU lacks the device `igb`"),
        );
        check(
            "#: requires.devices = [\"nvme\", \"vmxnet3\"]",
            Some("the kernel of x86_64 has no driver for `vmxnet3`"),
        );
        check(
            "#: requires.machines = [\"pc\"]",
            Some("QEMU lacks the machine `pc`"),
        );
        check("#: requires.netdevs = [\"user\"]", None);
        check(
            "#: requires.netdevs = [\"stream\"]",
            Some("QEMU lacks the network backend `stream`"),
        );
        check("#: requires.tools = [\"git\"]", None);
        check(
            "#: requires.tools = [\"git\", \"swtpm\"]",
            Some("`swtpm` is not installed on the host"),
        );
        check("#: requires.qemu_tools = [\"qemu-img\"]", None);
        check(
            "#: requires.qemu_tools = [\"qemu-img\", \"qemu-nbd\"]",
            Some("`qemu-nbd` is not next to the QEMU under test"),
        );
        check("#: host.programs = [\"git\"]", None);
        check(
            "#: host.programs = [\"git\", \"lspci\"]",
            Some("`lspci` is not installed on the host"),
        );
        check(
            "#: host.programs = [\"hello.c\"]",
            Some("`cc` is not installed on the host"),
        );
        check("#: smp = 8", None);
        check(
            "#: smp = 9",
            Some("the machine `big` supports at most 8 processors"),
        );
        check("#: memory = \"1G\"", None);
        check("#: machine = \"second\"\n#: memory = \"64M\"", None);
        check(
            "#: machine = \"second\"\n#: memory = \"65M\"",
            Some("the machine `small` has at most 64M of memory"),
        );
        check("#: requires.migration = true", None);
        check(
            "#: machine = \"second\"\n#: requires.migration = true",
            Some("a guest of the machine `small` does not always continue after a migration"),
        );
        check(
            "#: machine = \"second\"\n#: requires.devices = [\"nvme\"]",
            Some("`nvme` does not work on the machine `small`: it gets no interrupt"),
        );
        check("#: slots = 1", None);
        check(
            "#: machine = \"second\"\n#: slots = 1",
            Some("the machine `small` has no hotplug slots"),
        );
        // The accelerator is checked before the device, and both before the tool.
        check(
            "#: requires.accel = \"kvm\"\n#: requires.devices = [\"igb\"]\n#: requires.tools = [\"swtpm\"]",
            Some("needs the accelerator `kvm`"),
        );
    }

    #[test]
    fn board_without_devices_skips_what_needs_them() {
        let (facts, profile) = (facts(), profile());
        let full = machine_of("big", None);
        let bare = Machine {
            control: None,
            virtio: None,
            power_off: false,
            reset: false,
            ..full.clone()
        };
        let check = |keys: &str, expect: Option<&str>| {
            let reason = |machine| unmet(&header(keys), machine, &offer(&profile, &facts), TOOLS);
            assert_eq!(reason(&full), None, "{keys}");
            assert_eq!(reason(&bare).as_deref(), expect, "{keys}");
        };
        check("", None);
        check("#: ends = \"panic\"", None);
        let disks = "the machine `big` has no virtio disks";
        check("#: scratch = [\"64M\"]", Some(disks));
        let console = "the console of the machine `big` is the control channel";
        check("#: stdin = \"console\"", Some(console));
        let reset = "a guest cannot reset the machine `big`";
        check("#: ends = \"reboot\"", Some(reset));
        check("#: reboots = 1", Some(reset));
        let off = "a guest cannot power off the machine `big`";
        check("#: ends = \"poweroff\"", Some(off));
        let console = |machine| header("").channel.on(machine) == Channel::Console;
        assert!(console(&bare) && !console(&full));
    }

    #[test]
    fn system_of_the_guests_must_suit_the_test() {
        let (facts, profile) = (facts(), profile());
        let check = |keys: &str, root_disk: Option<&str>, has_debian, expect: Option<&str>| {
            let machine = Machine {
                root_disk: root_disk.map(str::to_owned),
                ..machine_of("big", None)
            };
            let offer = Offer {
                has_debian,
                ..offer(&profile, &facts)
            };
            let found = unmet(&header(keys), &machine, &offer, TOOLS);
            assert_eq!(found.as_deref(), expect, "{keys}");
        };
        let (own, disk) = ("#: debian.packages = []", Some("virtio-blk-pci"));
        check(own, disk, true, None);
        check("", disk, true, None);
        let needs = "needs a guest with Debian: --image debian";
        check(own, disk, false, Some(needs));
        let files = "a guest with Debian gets no files of the host";
        check("#: host.programs = [\"git\"]", disk, true, Some(files));
        let console = "a guest with Debian cannot use its console as control channel";
        check("#: channel = \"console\"", disk, true, Some(console));
        let machine = "no guest of the machine `big` boots Debian";
        check("", None, true, Some(machine));
    }

    #[test]
    fn foreign_guest_gets_no_programs_of_the_host() {
        let (facts, profile) = (facts(), profile());
        let header = header("#: host.programs = [\"git\"]");
        let (_, machine) = machine(&header, "x86_64", &profile).unwrap();
        let offer = offer(&profile, &facts);
        let tools = Tools {
            native: false,
            ..TOOLS
        };
        let found = unmet(&header, machine, &offer, tools);
        let expect = "the programs of this host are not for x86_64";
        assert_eq!(found.as_deref(), Some(expect));
    }

    #[test]
    fn unanswered_query_is_not_a_missing_device() {
        let mut facts = facts();
        facts
            .unanswered
            .insert("its devices".to_owned(), "aborted".to_owned());
        let check = |keys: &str, machine: &Machine, expect: &str| {
            let profile = profile();
            let offer = offer(&profile, &facts);
            let found = unmet(&header(keys), machine, &offer, TOOLS);
            assert_eq!(found.as_deref(), Some(expect));
        };
        let big = machine_of("big", None);
        let why = "failed to query the devices of QEMU: aborted";
        check("#: requires.devices = [\"igb\"]", &big, why);
        let odd = machine_of("odd", None);
        check(
            "",
            &odd,
            "failed to query the machine `odd` of QEMU: aborted",
        );
    }
}

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use camino::Utf8PathBuf;
use plan::arch::{Hotplug, Machine, Ordinary, OrdinaryKernel, QemuProfile};

use super::argv::Fds;
use super::*;
use crate::accel::Accel;
use crate::error::QemuError;
use crate::facts::{Facts, MachineFacts};
use crate::version::Version;

mod resolved;

fn machine(name: &str, control: &str) -> Machine {
    Machine {
        name: name.into(),
        options: Vec::new(),
        tcg_options: Vec::new(),
        cpu: None,
        kvm_cpu: Some("host".into()),
        append: String::new(),
        args: Vec::new(),
        control: Some(control.into()),
        root_disk: None,
        virtio: Some("pci".into()),
        memory_max: None,
        migration: true,
        unusable: Vec::new(),
        power_off: true,
        reset: true,
        boot_timeout: None,
        hotplug: None,
        connectors: None,
        advice: std::collections::BTreeMap::new(),
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn profile(binary: &str, append: &str, machines: Vec<(&str, Machine)>) -> QemuProfile {
    QemuProfile {
        binary: binary.into(),
        native: Vec::new(),
        machine: machines[0].0.to_owned(),
        qemu_test_machine: None,
        memory: "128M".into(),
        boot_timeout: Duration::from_secs(10),
        kvm_timeout_permille: 500,
        append: append.into(),
        without_driver: BTreeSet::new(),
        machines: machines
            .into_iter()
            .map(|(name, machine)| (name.to_owned(), machine))
            .collect(),
        ordinary: Ordinary {
            kernel: OrdinaryKernel::Plain,
            args: Vec::new(),
            append: String::new(),
        },
    }
}

fn x86_64() -> QemuProfile {
    let q35 = Machine {
        options: words("sata=off smbus=off hpet=off vmport=off"),
        args: words("-bios qboot.rom"),
        ..machine("q35", "virtio-serial-pci,max_ports=2")
    };
    let microvm = Machine {
        options: words("acpi=off rtc=on"),
        tcg_options: words("pit=on"),
        append: "reboot=t".into(),
        virtio: Some("device".into()),
        ..machine("microvm", "virtio-serial-device")
    };
    profile(
        "qemu-system-x86_64",
        "console=ttyS0 quiet",
        vec![("q35", q35), ("microvm", microvm)],
    )
}

fn aarch64() -> QemuProfile {
    let virt = Machine {
        options: words("gic-version=3"),
        cpu: Some("cortex-a57".into()),
        ..machine("virt", "virtio-serial-pci")
    };
    profile(
        "qemu-system-aarch64",
        "console=ttyAMA0",
        vec![("virt", virt)],
    )
}

fn ppc64() -> QemuProfile {
    let pseries = Machine {
        options: words("x-vof=on cap-cfpc=broken"),
        cpu: Some("power8".into()),
        ..machine("pseries", "virtio-serial-pci")
    };
    profile(
        "qemu-system-ppc64",
        "console=hvc0",
        vec![("pseries", pseries)],
    )
}

fn facts(machines: &[(&str, &str, &str)]) -> Facts {
    let machines = machines
        .iter()
        .flat_map(|(alias, name, properties)| {
            let facts = MachineFacts {
                name: (*name).to_owned(),
                properties: Some(words(properties).into_iter().collect()),
                ..MachineFacts::default()
            };
            [
                ((*alias).to_owned(), facts.clone()),
                ((*name).to_owned(), facts),
            ]
        })
        .collect();
    Facts {
        target: String::new(),
        version: Version::new(10, 0, 2),
        package: String::new(),
        devices: BTreeSet::new(),
        models: BTreeMap::new(),
        machines,
        netdevs: BTreeSet::new(),
        cpus: Vec::new(),
        accels: BTreeSet::new(),
        seccomp: true,
        data_directories: Vec::new(),
        unanswered: BTreeMap::new(),
    }
}

fn new_qemu() -> Facts {
    facts(&[
        ("q35", "pc-q35-10.0", "sata smbus hpet vmport acpi pit pic"),
        ("pc", "pc-i440fx-10.0", "acpi"),
        ("microvm", "microvm", "acpi rtc pit pic"),
        ("virt", "virt-10.0", "gic-version acpi"),
        ("pseries", "pseries-10.0", "x-vof cap-cfpc"),
    ])
}

fn old_qemu() -> Facts {
    let old = facts(&[
        ("q35", "pc-q35-5.2", "sata smbus vmport acpi"),
        ("virt", "virt-5.2", "gic-version"),
        ("pseries", "pseries-5.2", "cap-cfpc"),
    ]);
    Facts {
        seccomp: false,
        ..old
    }
}

type Change = fn(&mut LaunchRequest<'_>);

const FDS: Fds = Fds {
    qmp: 10,
    console: 11,
    control: 12,
};

/// Modifies a request for the profile's default machine and returns one line per option with its
/// value.
fn lines(
    profile: &QemuProfile,
    facts: &Facts,
    change: impl FnOnce(&mut LaunchRequest<'_>),
) -> String {
    let mut text = String::new();
    for argument in launch(profile, facts, change).unwrap().argv(FDS) {
        let separator = if argument.starts_with('-') { '\n' } else { ' ' };
        text.push(separator);
        text.push_str(&argument);
    }
    text
}

fn launch(
    profile: &QemuProfile,
    facts: &Facts,
    change: impl FnOnce(&mut LaunchRequest<'_>),
) -> Result<Launch, QemuError> {
    let binary = Utf8PathBuf::from("/usr/bin").join(&profile.binary);
    let emulator = Emulator {
        binary: &binary,
        profile,
        facts,
        accel: Accel::Tcg,
    };
    let boot = BootFiles {
        kernel: "/i/kernel".into(),
        initrd: Some("/i/initramfs".into()),
        device_tree: None,
    };
    let mut request = LaunchRequest::new(emulator, &profile.machines[&profile.machine], boot);
    change(&mut request);
    request.resolve()
}

fn kvm(request: &mut LaunchRequest<'_>) {
    request.emulator.accel = Accel::Kvm;
}

fn smp(request: &mut LaunchRequest<'_>) {
    request.smp = 2;
    request.memory = Some("256M".into());
}

fn console(request: &mut LaunchRequest<'_>) {
    request.control = Control::Console;
}

/// A command line from a qemu-test script.
fn legacy(request: &mut LaunchRequest<'_>) {
    request.append = "ours".into();
    request.options = words(
        "-enable-kvm -nographic -net nic,model=virtio -net user -m 512 -smp 4 --append theirs \
         -drive file=x.img,if=virtio,snapshot=on",
    );
}

#[test]
fn arguments_of_every_architecture_and_channel() {
    let facts = new_qemu();
    for profile in [x86_64(), aarch64(), ppc64()] {
        let name = profile.binary.trim_start_matches("qemu-system-");
        let mut text = String::new();
        let ways: [(&str, Change); 5] = [
            ("plain", |_| {}),
            ("smp 2", smp),
            ("kvm", kvm),
            ("control over the console", console),
            ("qemu-test", legacy),
        ];
        for (way, change) in ways {
            text.extend(["== ", way, &lines(&profile, &facts, change), "\n\n"]);
        }
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn machine_without_control_device_uses_the_console() {
    let mut profile = x86_64();
    let machine = profile.machine.clone();
    profile.machines.get_mut(&machine).unwrap().control = None;
    let launch = launch(&profile, &new_qemu(), |_| {}).unwrap();
    assert_eq!(launch.machine.channel_parameter(), "kiln.channel=console");
    let line = launch.standalone().join(" ");
    assert!(!line.contains("virtio-serial"), "{line}");
}

#[test]
fn device_tree_of_image_is_passed_to_qemu() {
    let line = |tree: Option<&str>| {
        let change = |request: &mut LaunchRequest<'_>| {
            request.boot.device_tree = tree.map(Utf8PathBuf::from);
        };
        let launch = launch(&x86_64(), &new_qemu(), change).unwrap();
        launch.standalone().join(" ")
    };
    let with = line(Some("/i/device-tree"));
    assert!(
        with.contains(" -initrd /i/initramfs -dtb /i/device-tree "),
        "{with}"
    );
    assert!(!line(None).contains("-dtb"));
}

#[test]
fn root_disk_belongs_to_the_bare_machine() {
    let root = RootDisk {
        image: "/store/a,b".into(),
        append: "rdinit=/sbin/start".into(),
    };
    let request = |request: &mut LaunchRequest<'_>| request.root = Some(root.clone());
    let mut profile = x86_64();
    let error = launch(&profile, &new_qemu(), request).unwrap_err();
    let machine = profile.machine.clone();
    assert_eq!(
        error.to_string(),
        format!("no guest of the machine `{machine}` boots a distribution")
    );
    let disk = |profile: &QemuProfile| {
        let launch = launch(profile, &new_qemu(), request).unwrap();
        assert!(launch.devices.is_empty());
        assert!(launch.machine.append[0].ends_with(" rdinit=/sbin/start"));
        launch.machine.arguments.join(" ")
    };
    let drive = "-drive if=none,id=kiln-root,file=/store/a,,b,format=raw,readonly=on";
    for (device, expect) in [
        (
            "virtio-blk-device",
            "virtio-blk-device,drive=kiln-root,serial=kiln-root",
        ),
        (
            "virtio-blk-pci,addr=1c",
            "virtio-blk-pci,drive=kiln-root,serial=kiln-root,addr=1c",
        ),
    ] {
        let machine = profile.machines.get_mut(&machine).unwrap();
        machine.root_disk = Some(device.to_owned());
        let found = disk(&profile);
        assert!(
            found.ends_with(&format!("{drive} -device {expect}")),
            "{found}"
        );
    }
}

#[test]
fn options_missing_in_old_machine_are_omitted() {
    let facts = old_qemu();
    let machine_of = |profile: &QemuProfile| value(&lines(profile, &facts, |_| {}), "-machine");
    assert_eq!(machine_of(&ppc64()), "pseries,cap-cfpc=broken");
    assert_eq!(machine_of(&x86_64()), "q35,sata=off,smbus=off,vmport=off");
    assert_eq!(machine_of(&aarch64()), "virt,gic-version=3");
    assert!(!lines(&ppc64(), &facts, |_| {}).contains("-sandbox"));
}

fn value(lines: &str, option: &str) -> String {
    let line = lines
        .lines()
        .find(|line| line.split(' ').next() == Some(option));
    line.and_then(|line| line.split_once(' '))
        .map_or_else(String::new, |(_, value)| value.into())
}

#[test]
fn test_options_override_defaults() {
    let (facts, profile) = (new_qemu(), x86_64());
    let check = |extra: &str, option: &str, expect: &str| {
        let text = lines(&profile, &facts, |request| request.options = words(extra));
        assert_eq!(value(&text, option), expect, "{extra}");
    };
    let lean = "q35,sata=off,smbus=off,hpet=off,vmport=off";
    check("", "-machine", lean);
    check("-M q35", "-machine", lean);
    check("-machine acpi=off", "-machine", &format!("{lean},acpi=off"));
    check(
        "-machine q35,sata=on",
        "-machine",
        "q35,sata=on,smbus=off,hpet=off,vmport=off",
    );
    check("-machine pc-q35-10.0", "-machine", "pc-q35-10.0");
    check(
        "-machine type=microvm,accel=kvm",
        "-machine",
        "microvm,acpi=off,rtc=on,pit=on",
    );
    check(
        "-machine pc,acpi=off -machine x=a,,b",
        "-machine",
        "pc,acpi=off,x=a,,b",
    );
    check("-M microvm", "-device", "virtio-serial-device,id=kiln");
    check("-M microvm", "-append", "console=ttyS0 quiet reboot=t");
    check("-M pc", "-device", "virtio-serial-pci,id=kiln,max_ports=2");
    check("-M pc", "-bios", "");
    check("-m 1G", "-m", "1G");
    check("-smp 2,cores=2", "-smp", "2,cores=2");
    check("-cpu max", "-cpu", "max");
    check("-kernel /other", "-kernel", "/other");
    check("-initrd /other", "-initrd", "/other");
    check("-append a -append b", "-append", "console=ttyS0 quiet a b");
    check("-accel tcg,thread=single", "-accel", "tcg,thread=single");
    check("-sandbox off", "-sandbox", "off");
    check("-rtc base=2020-01-01", "-rtc", "base=2020-01-01");
    check(
        "--device virtio-rng-pci,id=r",
        "-device",
        "virtio-serial-pci,id=kiln,max_ports=2",
    );
}

#[test]
fn versioned_machine_is_independent_of_qemu() {
    let check = |extra: &str| {
        let line =
            |facts: &Facts| lines(&x86_64(), facts, |request| request.options = words(extra));
        let (mut aliased, mut plain) = (new_qemu(), new_qemu());
        aliased.seccomp = false;
        plain.seccomp = false;
        plain.machines.retain(|name, _| name == "pc-q35-10.0");
        assert_eq!(line(&aliased), line(&plain), "{extra}");
    };
    check("-machine pc-q35-10.0");
    check("-machine type=pc-q35-10.0,sata=on");
    check("-M pc-i440fx-10.0 -accel kvm");
}

#[test]
fn accelerator_options_are_treated_alike() {
    let check = |extra: &str, under_tcg: &str, under_kvm: &str| {
        for (accel, expect) in [(Accel::Tcg, under_tcg), (Accel::Kvm, under_kvm)] {
            let mut facts = new_qemu();
            facts.accels = ["kvm", "tcg", "qtest"].map(str::to_owned).into();
            let text = lines(&x86_64(), &facts, |request| {
                request.emulator.accel = accel;
                request.options = words(extra);
            });
            let all: Vec<&str> = text.lines().filter(|line| line.contains("accel")).collect();
            assert_eq!(all, [format!("-accel {expect}")], "{extra}");
            let cpu = if expect.starts_with("kvm") {
                "host"
            } else {
                ""
            };
            assert_eq!(value(&text, "-cpu"), cpu, "{extra}");
        }
    };
    check("", "tcg", "kvm");
    for list in [
        "-accel kvm -accel tcg",
        "-machine accel=kvm:tcg",
        "-M q35,accel=kvm -accel tcg",
        "-enable-kvm",
        "--enable-kvm",
        "-accel kvm",
        "-accel accel=kvm",
        "-accel hvf -accel kvm -accel tcg",
        "-accel hvf",
        "-machine accel=whpx:kvm",
    ] {
        check(list, "tcg", "kvm");
    }
    for list in [
        "-accel tcg",
        "-no-kvm",
        "-M accel=tcg:kvm",
        "-accel tcg -accel kvm",
    ] {
        check(list, "tcg", "tcg");
    }
    check(
        "-accel tcg,thread=single",
        "tcg,thread=single",
        "tcg,thread=single",
    );
    check(
        "-accel kvm,dirty-ring-size=4096 -accel tcg,tb-size=64",
        "tcg,tb-size=64",
        "kvm,dirty-ring-size=4096",
    );
    check("-accel qtest", "qtest", "qtest");
}

#[test]
fn option_values_may_look_like_options() {
    let text = lines(&aarch64(), &new_qemu(), |request| {
        request.options = vec!["-append".into(), "-m x=\"a  b\"".into(), "-snapshot".into()];
    });
    assert_eq!(value(&text, "-m"), "128M");
    assert!(text.contains("console=ttyAMA0 -m x=\"a  b\""), "{text}");
    assert!(text.ends_with("\n-snapshot"));
}

#[test]
fn invalid_options_are_refused_by_name() {
    let check = |extra: &[&str], expect: &str| {
        let extra: Vec<String> = extra.iter().map(|word| (*word).to_owned()).collect();
        let change = |request: &mut LaunchRequest<'_>| request.options = extra;
        let error = launch(&aarch64(), &new_qemu(), change).unwrap_err();
        assert_eq!(error.to_string(), expect);
    };
    check(
        &["-daemonize"],
        "invalid QEMU option `-daemonize`: a QEMU in the background cannot be supervised",
    );
    check(&["-m"], "invalid QEMU option `-m`: its value is missing");
}

#[test]
fn a_reboot_ends_qemu_unless_it_is_allowed() {
    let profile = aarch64();
    assert!(lines(&profile, &new_qemu(), |_| {}).contains("-no-reboot"));
    let allowed = |request: &mut LaunchRequest<'_>| request.reboot_allowed = true;
    assert!(!lines(&profile, &new_qemu(), allowed).contains("-no-reboot"));
}

#[test]
fn terminal_command_line_has_no_descriptors() {
    let random = |request: &mut LaunchRequest<'_>| {
        request.options = words("-device virtio-rng-pci");
    };
    let line = launch(&ppc64(), &new_qemu(), random).unwrap().standalone();
    let line = host::process::command::quote_line(&line);
    assert!(!line.contains("fd="), "{line}");
    insta::assert_snapshot!("standalone", line);
}

#[test]
fn script_keeps_devices_but_no_descriptors() {
    let script = |control| {
        let change = |request: &mut LaunchRequest<'_>| request.control = control;
        let launch = launch(&x86_64(), &new_qemu(), change).unwrap();
        launch.script().join(" ")
    };
    let port = "-serial stdio -device virtio-serial-pci,id=kiln";
    let line = script(Control::VirtioSerial);
    assert!(
        line.contains(port) && line.contains(" rdinit=/kiln/standalone"),
        "{line}"
    );
    assert!(!line.contains("fd=") && !line.contains("-sandbox") && !line.contains("-S "));
    assert!(!script(Control::Console).contains("virtio"));
}

#[test]
fn a_machine_without_facts_keeps_all_its_options() {
    let mut facts = new_qemu();
    facts.machines = BTreeMap::new();
    let text = lines(&ppc64(), &facts, |_| {});
    assert_eq!(value(&text, "-machine"), "pseries,x-vof=on,cap-cfpc=broken");
}

#[test]
fn hotplug_slots_are_added_where_needed() {
    let facts = new_qemu();
    let slots = |request: &mut LaunchRequest<'_>| request.slots = 2;
    let ports = |profile: &QemuProfile| launch(profile, &facts, slots).unwrap().machine.slots;
    let mut profile = aarch64();
    assert_eq!(ports(&profile), [""; 0]);
    let hotplug = Hotplug {
        device: Some("pcie-root-port,id=slot{n},chassis={n}".to_owned()),
        bus: "slot{n}".to_owned(),
        addr: None,
        entry: String::new(),
        connector: None,
    };
    for machine in profile.machines.values_mut() {
        machine.hotplug = Some(hotplug.clone());
    }
    assert_eq!(
        ports(&profile),
        [
            "pcie-root-port,id=slot1,chassis=1",
            "pcie-root-port,id=slot2,chassis=2"
        ]
    );
    for machine in profile.machines.values_mut() {
        machine.hotplug = Some(Hotplug {
            device: None,
            ..hotplug.clone()
        });
    }
    assert_eq!(ports(&profile), [""; 0]);
}

#[test]
fn removed_options_become_machine_properties_and_other_options() {
    let facts = new_qemu();
    let old = |request: &mut LaunchRequest<'_>| {
        request.options = words("-no-acpi -localtime --watchdog i6300esb -nodefconfig");
    };
    let text = lines(&x86_64(), &facts, old);
    assert!(value(&text, "-machine").ends_with(",acpi=off"), "{text}");
    assert_eq!(value(&text, "-rtc"), "base=localtime");
    assert!(text.contains("-device i6300esb"), "{text}");
    assert!(!text.contains("nodefconfig"), "{text}");
    // This machine has no such property.
    let text = lines(&ppc64(), &facts, old);
    assert!(!value(&text, "-machine").contains("acpi"), "{text}");
}

#[test]
fn option_without_replacement_is_refused_by_name() {
    let facts = new_qemu();
    let refused = |request: &mut LaunchRequest<'_>| request.options = words("-soundhw ac97");
    let error = launch(&x86_64(), &facts, refused).unwrap_err();
    let expect = "the option `-soundhw` was removed from QEMU in 7.1";
    assert_eq!(error.to_string(), expect);
}

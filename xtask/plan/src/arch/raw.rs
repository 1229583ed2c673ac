//! Parses `images/<arch>.toml` and converts it to an [`Arch`].

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Spanned;

use super::values::{memory, permille, time, unusable};
use super::{
    Arch, Archive, Bare, Endian, Gcc, Hotplug, Linux, Machine, Ordinary, OrdinaryKernel,
    QemuProfile, SMALL, Small, Unusable,
};
use crate::diagnostic::{Diagnostic, Page};
use crate::{document, suggest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawArch {
    arch: Spanned<String>,
    triple: Spanned<String>,
    endian: Endian,
    bits: Spanned<u32>,
    #[serde(default = "smallest_page")]
    page_size: u32,
    #[serde(default = "yes")]
    prebuilt: bool,
    default: Option<bool>,
    gdb: Option<String>,
    uname: Option<String>,
    #[serde(default = "yes")]
    settimeofday: bool,
    #[serde(default)]
    tools: BTreeMap<String, Vec<String>>,
    gcc: Spanned<Gcc>,
    linux: Linux,
    #[serde(default)]
    archive: Archive,
    bare: Option<Bare>,
    qemu: RawQemu,
}

fn yes() -> bool {
    true
}

fn smallest_page() -> u32 {
    4096
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawQemu {
    binary: String,
    native: Vec<String>,
    machine: Spanned<String>,
    qemu_test_machine: Option<Spanned<String>>,
    memory: String,
    boot_timeout: Spanned<String>,
    kvm_timeout_factor: Spanned<f64>,
    #[serde(default)]
    append: String,
    #[serde(default)]
    fast: Vec<Spanned<Departure>>,
    #[serde(default)]
    without_driver: BTreeSet<String>,
    machines: BTreeMap<String, RawMachine>,
    ordinary: RawOrdinary,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawMachine {
    name: Option<String>,
    #[serde(default)]
    options: Vec<Spanned<String>>,
    #[serde(default)]
    fast: Vec<Spanned<Departure>>,
    #[serde(default)]
    tcg_options: Vec<Spanned<String>>,
    cpu: Option<String>,
    kvm_cpu: Option<String>,
    #[serde(default)]
    append: String,
    #[serde(default)]
    args: Vec<String>,
    control: Option<String>,
    root_disk: Option<String>,
    virtio: Option<Virtio>,
    memory_max: Option<Spanned<String>>,
    #[serde(default = "yes")]
    migration: bool,
    #[serde(default)]
    unusable: Vec<Spanned<Unusable>>,
    #[serde(default = "yes")]
    power_off: bool,
    #[serde(default = "yes")]
    reset: bool,
    boot_timeout: Option<Spanned<String>>,
    stock_boot_timeout: Option<Spanned<String>>,
    hotplug: Option<Spanned<Hotplug>>,
    connectors: Option<u64>,
    #[serde(default)]
    advice: BTreeMap<String, String>,
}

/// A difference between the machines of the profiles `fast` and `stock`. The file documents it, so `reason` and `gain`
/// are required.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Departure {
    #[serde(default)]
    options: Vec<String>,
    #[serde(default)]
    append: String,
    reason: String,
    gain: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Virtio {
    Pci,
    Device,
    Ccw,
}

impl Virtio {
    fn suffix(&self) -> &'static str {
        match self {
            Self::Pci => "pci",
            Self::Device => "device",
            Self::Ccw => "ccw",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawOrdinary {
    kernel: Spanned<OrdinaryKernel>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    append: String,
}

/// Parses an architecture's file. Errors are added to `found`.
///
/// `small` is the content of [`SMALL`], if there is such a file.
pub(crate) fn read(
    page: Page<'_>,
    small: Option<&Small>,
    found: &mut Vec<Diagnostic>,
) -> Option<Arch> {
    let mut raw: RawArch = document::read(page, found)?;
    if raw.linux.small {
        match small {
            Some(small) => {
                let shared = small.without_driver.iter().cloned();
                raw.qemu.without_driver.extend(shared);
            }
            None => found.push(page.whole(
                format!("`linux.small` needs the file `{SMALL}`"),
                "in this file",
            )),
        }
    }
    let before = found.len();
    let stem = page.path.file_stem().unwrap_or_default();
    if raw.arch.get_ref() != stem {
        let title = format!("`arch` is `{}` in the file of `{stem}`", raw.arch.get_ref());
        found.push(
            page.at(raw.arch.span(), title, "differs from the name of the file")
                .with_help(format!("write `arch = \"{stem}\"`, or rename the file")),
        );
    }
    if !matches!(raw.bits.get_ref(), 32 | 64) {
        let title = format!("{} is not a word size", raw.bits.get_ref());
        found.push(page.at(raw.bits.span(), title, "expected 32 or 64"));
    }
    if raw
        .triple
        .get_ref()
        .split('-')
        .filter(|part| !part.is_empty())
        .count()
        < 3
    {
        let title = format!("`{}` is not a target triple", raw.triple.get_ref());
        found.push(
            page.at(
                raw.triple.span(),
                title,
                "expected `machine-system-library`",
            )
            .with_help("such as `<machine>-linux-musl`: the name the toolchain is built for"),
        );
    }
    let gcc = raw.gcc.get_ref();
    let misplaced = match &gcc.base {
        Some(_) if !gcc.configure.is_empty() => Some("`configure` has no effect with `base`"),
        None if !gcc.specs.is_empty() => Some("`specs` has no effect without `base`"),
        _ => None,
    };
    if let Some(title) = misplaced {
        found.push(page.at(raw.gcc.span(), title, "in this table"));
    }
    let compressed = raw.linux.compressed.is_some();
    let (qemu, stock) = profiles(page, raw.qemu, compressed, found);
    (found.len() == before).then_some(Arch {
        uname: raw.uname.unwrap_or_else(|| raw.arch.get_ref().clone()),
        name: raw.arch.into_inner(),
        triple: raw.triple.into_inner(),
        endian: raw.endian,
        bits: raw.bits.into_inner(),
        page_size: raw.page_size,
        settimeofday: raw.settimeofday,
        tools: raw.tools,
        prebuilt: raw.prebuilt,
        default: raw.default.unwrap_or(raw.prebuilt),
        gdb: raw.gdb,
        gcc: raw.gcc.into_inner(),
        linux: raw.linux,
        archive: raw.archive,
        bare: raw.bare,
        qemu,
        stock: Box::new(stock),
    })
}

/// The profiles `fast` and `stock`.
fn profiles(
    page: Page<'_>,
    raw: RawQemu,
    compressed: bool,
    found: &mut Vec<Diagnostic>,
) -> (QemuProfile, QemuProfile) {
    for machine in [&raw.machine].into_iter().chain(&raw.qemu_test_machine) {
        let name = machine.get_ref();
        if raw.machines.contains_key(name) {
            continue;
        }
        let known = raw.machines.keys().map(String::as_str);
        found.push(
            page.at(
                machine.span(),
                format!("unknown machine `{name}`"),
                "has no table",
            )
            .with_help(suggest::help(name, "`[qemu.machines.…]` has", known)),
        );
    }
    if *raw.ordinary.kernel.get_ref() == OrdinaryKernel::Compressed && !compressed {
        found.push(
            page.at(
                raw.ordinary.kernel.span(),
                "`[linux]` names no `compressed` kernel",
                "missing in `[linux]`",
            )
            .with_help("use `plain` or `gzip`, or name the file in `[linux]`"),
        );
    }
    let machines = raw
        .machines
        .into_iter()
        .map(|(key, raw)| (key.clone(), machine(page, key, raw, found)));
    let (fast, stock): (BTreeMap<_, _>, BTreeMap<_, _>) = machines
        .map(|(key, (fast, stock))| ((key.clone(), fast), (key, stock)))
        .unzip();
    for departure in &raw.fast {
        if let Some(option) = departure.get_ref().options.first() {
            let title = format!("the option `{option}` is not for a machine");
            let fault = page.at(departure.span(), title, "expected `append` only");
            found.push(fault.with_help("move it to `[[qemu.machines.NAME.fast]]`"));
        }
    }
    let departures = departures(page, raw.fast, found);
    let stock = QemuProfile {
        binary: raw.binary,
        native: raw.native,
        machine: raw.machine.into_inner(),
        qemu_test_machine: raw.qemu_test_machine.map(Spanned::into_inner),
        memory: raw.memory,
        boot_timeout: time(page, &raw.boot_timeout, found),
        kvm_timeout_permille: permille(page, &raw.kvm_timeout_factor, found),
        append: raw.append,
        without_driver: raw.without_driver,
        machines: stock,
        ordinary: Ordinary {
            kernel: raw.ordinary.kernel.into_inner(),
            args: raw.ordinary.args,
            append: raw.ordinary.append,
        },
    };
    let fast = QemuProfile {
        append: append(&stock.append, &departures),
        machines: fast,
        ..stock.clone()
    };
    (fast, stock)
}

/// Kernel parameters with those of departures.
fn append(own: &str, departures: &[Departure]) -> String {
    let added = departures.iter().map(|it| it.append.as_str());
    let all = [own].into_iter().chain(added).filter(|it| !it.is_empty());
    all.collect::<Vec<_>>().join(" ")
}

/// Checks that each has an effect, a reason and a gain.
fn departures(
    page: Page<'_>,
    raw: Vec<Spanned<Departure>>,
    found: &mut Vec<Diagnostic>,
) -> Vec<Departure> {
    for departure in &raw {
        let Departure {
            options,
            append,
            reason,
            gain,
        } = departure.get_ref();
        if options.is_empty() && append.is_empty() || reason.is_empty() || gain.is_empty() {
            let title = "a difference from the profile `stock` is incomplete";
            let label = "expected `options` or `append`, `reason` and `gain`";
            found.push(page.at(departure.span(), title, label));
        }
    }
    raw.into_iter().map(Spanned::into_inner).collect()
}

/// A machine in the profiles `fast` and `stock`.
fn machine(
    page: Page<'_>,
    key: String,
    raw: RawMachine,
    found: &mut Vec<Diagnostic>,
) -> (Machine, Machine) {
    let faster = raw.fast.iter().flat_map(|departure| {
        let options = departure.get_ref().options.iter();
        options.map(|option| (option, departure.span()))
    });
    let own = raw.options.iter().chain(&raw.tcg_options);
    let own = own.map(|option| (option.get_ref(), option.span()));
    for (option, span) in own.chain(faster) {
        if option
            .split_once('=')
            .is_none_or(|(name, _)| name.is_empty())
        {
            let title = format!("`{option}` is not a machine property");
            found.push(page.at(span, title, "expected `property=value`"));
        }
    }
    let departures = departures(page, raw.fast, found);
    let values = |options: Vec<Spanned<String>>| {
        options
            .into_iter()
            .map(Spanned::into_inner)
            .collect::<Vec<_>>()
    };
    let boot_timeout = raw.boot_timeout.map(|text| time(page, &text, found));
    let stock_timeout = raw.stock_boot_timeout.map(|text| time(page, &text, found));
    let stock = Machine {
        name: raw.name.unwrap_or(key),
        options: values(raw.options),
        tcg_options: values(raw.tcg_options),
        cpu: raw.cpu,
        kvm_cpu: raw.kvm_cpu,
        append: raw.append,
        args: raw.args,
        control: raw.control,
        root_disk: raw.root_disk,
        virtio: raw.virtio.map(|virtio| virtio.suffix().to_owned()),
        memory_max: raw.memory_max.map(|text| memory(page, text, found)),
        migration: raw.migration,
        unusable: unusable(page, raw.unusable, found),
        power_off: raw.power_off,
        reset: raw.reset,
        boot_timeout: stock_timeout.or(boot_timeout),
        hotplug: raw.hotplug.map(|raw| hotplug(page, raw, found)),
        connectors: raw.connectors,
        advice: raw.advice,
    };
    let options = stock.options.iter().cloned();
    let faster = departures.iter().flat_map(|it| it.options.iter().cloned());
    let fast = Machine {
        options: options.chain(faster).collect(),
        append: append(&stock.append, &departures),
        boot_timeout,
        ..stock.clone()
    };
    (fast, stock)
}

fn hotplug(page: Page<'_>, raw: Spanned<Hotplug>, found: &mut Vec<Diagnostic>) -> Hotplug {
    let Hotplug {
        bus, addr, entry, ..
    } = raw.get_ref();
    let place = format!("{bus} {}", addr.as_deref().unwrap_or_default());
    if !place.contains("{n}") || !entry.contains("{n}") {
        let title = "the hotplug slots cannot be distinguished";
        found.push(
            page.at(raw.span(), title, "`{n}` is missing")
                .with_help("write the slot's number as `{n}` in `entry`, and in `bus` or `addr`"),
        );
    }
    raw.into_inner()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Page, read};
    use crate::arch::MachineProfile;
    use crate::diagnostic::show;

    const GOOD: &str = r#"
arch = "riscv64"
triple = "riscv64-linux-musl"
endian = "little"
bits = 64

[gcc]
configure = ["--with-abi=lp64d"]

[linux]
arch = "riscv"
target = "Image"
image = "arch/riscv/boot/Image"
device-tree = "virt.dts"

[qemu]
binary = "qemu-system-riscv64"
native = ["riscv64"]
machine = "virt"
memory = "256M"
boot-timeout = "20s"
kvm-timeout-factor = 0.5
append = "panic=-1"
without-driver = ["igb", "e1000"]

[[qemu.fast]]
append = "loglevel=5"
reason = "a slow console"
gain = "1 s"

[qemu.machines.virt]
options = ["acpi=off"]
cpu = "rv64"
control = "virtio-serial-pci"
virtio = "pci"
stock-boot-timeout = "2m"

[[qemu.machines.virt.fast]]
options = ["aia=none"]
reason = "less to probe"
gain = "2 s"

[qemu.machines.other]
name = "virt"
tcg-options = ["a=b"]
kvm-cpu = "host"
append = "x"
args = ["-x"]
control = "virtio-serial-device"
virtio = "device"
memory-max = "64M"
migration = false
boot-timeout = "1m"

[[qemu.machines.other.unusable]]
devices = ["e1000"]
reason = "it gets no interrupt"
fixed-in = "11.0"

[qemu.machines.other.hotplug]
device = "pcie-root-port,id=slot{n}"
bus = "slot{n}"
entry = "/sys/bus/pci/devices/0000:0{n}:00.0"

[qemu.machines.board]
power-off = false
reset = false

[qemu.ordinary]
kernel = "gzip"
args = ["-M", "virt"]
"#;

    fn errors(text: &str) -> String {
        let mut found = Vec::new();
        let arch = read(
            Page {
                path: "images/riscv64.toml".into(),
                text,
            },
            None,
            &mut found,
        );
        assert!(
            arch.is_none(),
            "an architecture with errors must not be used"
        );
        show(&found)
    }

    #[test]
    fn architecture_file_is_read_completely() {
        let mut found = Vec::new();
        let page = Page {
            path: "images/riscv64.toml".into(),
            text: GOOD,
        };
        let arch = read(page, None, &mut found);
        assert_eq!(show(&found), "");
        insta::assert_debug_snapshot!(arch.unwrap());
    }

    #[test]
    fn stock_machines_lack_what_makes_fast_ones_faster() {
        let page = Page {
            path: "images/riscv64.toml".into(),
            text: GOOD,
        };
        let arch = read(page, None, &mut Vec::new()).unwrap();
        let check = |profile, append: &str, options: &[&str], timeout: Option<u64>| {
            let qemu = arch.with_machines(profile).qemu;
            let machine = &qemu.machines["virt"];
            assert_eq!(qemu.append_for(machine), append, "{profile:?}");
            assert_eq!(machine.options, options, "{profile:?}");
            let timeout = timeout.map(Duration::from_secs);
            assert_eq!(machine.boot_timeout, timeout, "{profile:?}");
            assert_eq!(qemu.machines["other"].append, "x");
        };
        let fast = MachineProfile::Fast;
        check(fast, "panic=-1 loglevel=5", &["acpi=off", "aia=none"], None);
        check(MachineProfile::Stock, "panic=-1", &["acpi=off"], Some(120));
    }

    #[test]
    fn difference_between_profiles_needs_effect_reason_and_gain() {
        insta::assert_snapshot!(errors(
            &GOOD
                .replace("gain = \"1 s\"", "gain = \"\"\noptions = [\"a=b\"]")
                .replace("options = [\"aia=none\"]", "options = [\"aia\"]")
        ));
    }

    #[test]
    fn default_architecture_has_a_prebuilt_image() {
        let check = |keys: &str, expect: (bool, bool)| {
            let path = "images/riscv64.toml".into();
            let text = &GOOD.replace("bits = 64", &format!("bits = 64\n{keys}"));
            let arch = read(Page { path, text }, None, &mut Vec::new()).unwrap();
            assert_eq!((arch.prebuilt, arch.default), expect, "{keys}");
        };
        check("", (true, true));
        check("default = false", (true, false));
        check("prebuilt = false", (false, false));
        check("prebuilt = false\ndefault = true", (false, true));
    }

    #[test]
    fn all_errors_are_reported_together() {
        insta::assert_snapshot!(errors(
            &GOOD
                .replace("arch = \"riscv64\"", "arch = \"riscv\"")
                .replace("bits = 64", "bits = 63")
                .replace("machine = \"virt\"", "machine = \"vitr\"")
                .replace("\"riscv64-linux-musl\"", "\"riscv64\"")
                .replace("\"20s\"", "\"20\"")
                .replace("0.5", "-0.5")
                .replace("\"1m\"", "\"1 minute\"")
                .replace("\"acpi=off\"", "\"acpi\"")
                .replace("\"64M\"", "\"64 MiB\"")
                .replace("[\"e1000\"]\n", "[]\n")
                .replace("\"11.0\"", "\"11.x\"")
                .replace("\"gzip\"", "\"compressed\"")
                .replace("\"slot{n}\"", "\"slot\"")
        ));
    }

    #[test]
    fn misspelt_keys_and_values_get_a_suggestion() {
        insta::assert_snapshot!(errors(
            &GOOD
                .replace("boot-timeout", "boot_timeout")
                .replace("kvm-cpu", "kvmcpu")
        ));
        insta::assert_snapshot!(errors(&GOOD.replace("\"little\"", "\"litle\"")));
        insta::assert_snapshot!(errors(
            &GOOD.replace("virtio = \"device\"", "virtio = \"mmio\"")
        ));
    }
}

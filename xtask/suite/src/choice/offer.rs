//! Resolves a header's choices for one QEMU and one kernel: the values that both support.

use std::collections::{BTreeMap, BTreeSet};

use plan::arch::{Machine, Unusable};
use qemu::Facts;

use crate::header::choices::{Choices, Narrow, Source};

/// What a test has at its disposal.
#[derive(Debug, Clone, Copy)]
pub struct Support<'a> {
    /// The capabilities of QEMU.
    pub facts: &'a Facts,
    /// Devices for which the kernel of the run has no driver.
    pub without_driver: &'a BTreeSet<String>,
    /// The machine of the test.
    pub machine: &'a Machine,
}

impl<'a> Support<'a> {
    /// Whether QEMU has a device, which works on the machine and has a driver.
    fn has(&self, device: &str) -> bool {
        self.facts.has_device(device)
            && !self.without_driver.contains(device)
            && self.fault_of(device).is_none()
    }

    /// Why a device does not work on the machine with this QEMU.
    #[must_use]
    pub fn fault_of(&self, device: &str) -> Option<&'a str> {
        let is_fixed = |fault: &Unusable| {
            let version = fault.fixed_in.as_deref()?.parse().ok()?;
            Some(self.facts.at_least(version))
        };
        let mut faults = self.machine.unusable.iter();
        faults
            .find(|fault| fault.devices.contains(device) && is_fixed(fault) != Some(true))
            .map(|fault| fault.reason.as_str())
    }
}

/// The values of each choice on an architecture, in an order that does not depend on QEMU's.
#[must_use]
pub fn offered(
    choices: &Choices,
    arch: &str,
    support: Support<'_>,
) -> BTreeMap<String, Vec<String>> {
    let sources = choices
        .iter()
        .filter_map(|(name, offered)| Some((name.clone(), offered.source(arch)?)));
    sources
        .map(|(name, source)| (name, values(source, support)))
        .collect()
}

/// Why a choice without values cannot be made.
#[must_use]
pub fn nothing(choices: &Choices, arch: &str, support: Support<'_>) -> Option<String> {
    choices.values().find_map(|offered| {
        let source = offered.source(arch)?;
        values(source, support).is_empty().then(|| match source {
            Source::Words(_) => "no value to choose from".to_owned(),
            Source::Devices(devices) => {
                let fault = devices.iter().find_map(|device| support.fault_of(device));
                let devices = devices.join("`, `");
                match fault {
                    Some(fault) => {
                        format!("none of the devices `{devices}` works here: {fault}")
                    }
                    None if support.without_driver.is_empty() => {
                        format!("QEMU has none of the devices `{devices}`")
                    }
                    None => format!(
                        "QEMU or the kernel of {arch} supports none of the devices `{devices}`"
                    ),
                }
            }
            Source::CpuModels(models) => {
                format!("QEMU has none of the CPU models `{}`", models.join("`, `"))
            }
            Source::Cpus(narrow) => format!("QEMU has no usable CPU model{}", starting(narrow)),
            Source::Machines(narrow) => format!("QEMU has no machine{}", starting(narrow)),
        })
    })
}

fn values(source: &Source, support: Support<'_>) -> Vec<String> {
    let facts = support.facts;
    match source {
        Source::Words(words) => words.clone(),
        Source::Devices(devices) => {
            let usable = devices.iter().filter(|name| support.has(name));
            usable.cloned().collect()
        }
        Source::CpuModels(models) => {
            let has = |name: &&String| {
                let mut cpus = facts.cpus.iter();
                cpus.any(|cpu| cpu.name == **name && cpu.usable)
            };
            models.iter().filter(has).cloned().collect()
        }
        Source::Cpus(narrow) => {
            let models = facts
                .cpus
                .iter()
                .filter(|cpu| cpu.usable && !cpu.alias && !cpu.deprecated);
            narrowed(models.map(|cpu| &cpu.name), narrow)
        }
        Source::Machines(narrow) => {
            let types = facts.machines.iter().filter(|(name, machine)| {
                // A machine is listed a second time under its alias. `none` cannot run a guest.
                **name == machine.name && !machine.deprecated && *name != "none"
            });
            narrowed(types.map(|(name, _)| name), narrow)
        }
    }
}

fn narrowed<'a>(names: impl Iterator<Item = &'a String>, narrow: &Narrow) -> Vec<String> {
    let meant =
        names.filter(|name| name.starts_with(&narrow.prefix) && !narrow.except.contains(name));
    let mut names: Vec<String> = meant.cloned().collect();
    names.sort();
    names
}

fn starting(narrow: &Narrow) -> String {
    if narrow.prefix.is_empty() {
        String::new()
    } else {
        format!(" that starts with `{}`", narrow.prefix)
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;
    use qemu::facts::{CpuFacts, MachineFacts};

    use super::*;
    use crate::header::Header;
    use crate::requirement::tests::machine_of;

    fn facts() -> Facts {
        let cpu = |name: &str, change: fn(&mut CpuFacts)| {
            let mut cpu = CpuFacts {
                name: name.to_owned(),
                usable: true,
                ..CpuFacts::default()
            };
            change(&mut cpu);
            cpu
        };
        let machine = |name: &str, deprecated| MachineFacts {
            name: name.to_owned(),
            deprecated,
            ..MachineFacts::default()
        };
        Facts {
            devices: ["e1000", "nvme", "rtl8139", "tulip"]
                .map(str::to_owned)
                .into(),
            version: "10.0.2".parse().unwrap(),
            cpus: vec![
                cpu("power9_v2", |_| {}),
                cpu("power10", |_| {}),
                cpu("power9", |cpu| cpu.alias = true),
                cpu("power5", |cpu| cpu.deprecated = true),
                cpu("host", |cpu| cpu.usable = false),
                cpu("g4", |_| {}),
            ],
            machines: BTreeMap::from([
                ("pc".to_owned(), machine("pc-2", false)),
                ("pc-2".to_owned(), machine("pc-2", false)),
                ("pc-1".to_owned(), machine("pc-1", true)),
                ("none".to_owned(), machine("none", false)),
            ]),
            ..Facts::default()
        }
    }

    fn choices(header: &str) -> Choices {
        // These names are not those of a real QEMU.
        let text = format!("#: {header}\n#: requires.qemu = \"99.0\"\nin_guest() {{ true; }}\n");
        Header::parse(Utf8Path::new("x.sh"), &text).unwrap().choices
    }

    /// A machine with devices that do not work on it.
    fn machine(unusable: &[(&str, Option<&str>)]) -> Machine {
        let faults = unusable.iter().map(|(device, fixed_in)| Unusable {
            devices: [(*device).to_owned()].into(),
            reason: "it gets no interrupt".to_owned(),
            fixed_in: fixed_in.map(str::to_owned),
        });
        Machine {
            unusable: faults.collect(),
            ..machine_of("pc", None)
        }
    }

    #[test]
    fn only_available_devices_are_offered() {
        let check = |header: &str, expect: &[&str]| {
            let without_driver = BTreeSet::from(["rtl8139".to_owned()]);
            let machine = machine(&[("tulip", None)]);
            let facts = facts();
            let support = Support {
                facts: &facts,
                without_driver: &without_driver,
                machine: &machine,
            };
            let offered = offered(&choices(header), "ppc64", support);
            assert_eq!(offered["a"], expect, "{header}");
        };
        check(r#"choices.a = ["x", "w"]"#, &["x", "w"]);
        check(
            r#"choices.a = { devices = ["nvme", "igb", "rtl8139", "tulip", "e1000"] }"#,
            &["nvme", "e1000"],
        );
        check(
            r#"choices.a = { from = "cpus" }"#,
            &["g4", "power10", "power9_v2"],
        );
        check(
            r#"choices.a.ppc64 = { from = "cpus", prefix = "power", except = ["power10"] }"#,
            &["power9_v2"],
        );
        check(r#"choices.a = { from = "machines" }"#, &["pc-2"]);
        check(
            r#"choices.a = { cpus = ["power9", "host", "power11", "g4"] }"#,
            &["power9", "g4"],
        );
        let elsewhere = choices(r#"choices.a.x86_64 = ["x"]"#);
        let (facts, machine) = (facts(), machine(&[]));
        let support = Support {
            facts: &facts,
            without_driver: &BTreeSet::new(),
            machine: &machine,
        };
        assert_eq!(offered(&elsewhere, "ppc64", support), BTreeMap::new());
    }

    #[test]
    fn empty_offer_has_a_reason() {
        let check = |header: &str, expect: Option<&str>| {
            let (facts, machine) = (facts(), machine(&[]));
            let support = Support {
                facts: &facts,
                without_driver: &BTreeSet::new(),
                machine: &machine,
            };
            let found = nothing(&choices(header), "ppc64", support);
            assert_eq!(found.as_deref(), expect, "{header}");
        };
        check(r#"choices.a = { devices = ["nvme", "igb"] }"#, None);
        check(
            r#"choices.a = { devices = ["igb", "ne2k_pci"] }"#,
            Some("QEMU has none of the devices `igb`, `ne2k_pci`"),
        );
        check(
            r#"choices.a = { cpus = ["host", "g5"] }"#,
            Some("QEMU has none of the CPU models `host`, `g5`"),
        );
        check(
            r#"choices.a = { from = "cpus", prefix = "z" }"#,
            Some("QEMU has no usable CPU model that starts with `z`"),
        );
        check(
            r#"choices.a = { from = "machines", prefix = "pc-1" }"#,
            Some("QEMU has no machine that starts with `pc-1`"),
        );
        check(r#"choices.a.x86_64 = { devices = ["igb"] }"#, None);
        let header = choices(r#"choices.a = { devices = ["igb", "rtl8139"] }"#);
        let without_driver = BTreeSet::from(["rtl8139".to_owned()]);
        let check = |unusable: &[(&str, Option<&str>)], expect: &str| {
            let (facts, machine) = (facts(), machine(unusable));
            let support = Support {
                facts: &facts,
                without_driver: &without_driver,
                machine: &machine,
            };
            let found = nothing(&header, "ppc64", support);
            assert_eq!(found.as_deref(), Some(expect));
        };
        let driver = "QEMU or the kernel of ppc64 supports none of the devices `igb`, `rtl8139`";
        check(&[], driver);
        check(&[("igb", Some("10.0"))], driver);
        let fault = "none of the devices `igb`, `rtl8139` works here: it gets no interrupt";
        check(&[("igb", None)], fault);
    }

    #[test]
    fn fault_ends_with_the_version_that_fixes_it() {
        let check = |fixed_in, expect: Option<&str>| {
            let (facts, machine) = (facts(), machine(&[("e1000", fixed_in)]));
            let support = Support {
                facts: &facts,
                without_driver: &BTreeSet::new(),
                machine: &machine,
            };
            assert_eq!(support.fault_of("e1000"), expect, "{fixed_in:?}");
            assert_eq!(support.fault_of("nvme"), None);
        };
        let fault = Some("it gets no interrupt");
        check(None, fault);
        check(Some("10.0.3"), fault);
        check(Some("10.0.2"), None);
        check(Some("9.2"), None);
    }
}

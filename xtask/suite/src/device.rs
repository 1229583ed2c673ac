//! Device tests as tests of the suite: each on every machine that meets its needs.
//!
//! `tests/device` contains the tests and machines. The command line passes both in.

use camino::Utf8Path;
use qemu::Facts;
use qtest::{Machine, Test};

use crate::body::Body;
use crate::files::TestFile;
use crate::header::{Header, MachineChoice, Requires};

/// The source folder of device tests in the repository.
const FOLDER: &str = "tests/device/src";

/// All pairs of a test and a machine of these architectures. A pair is named
/// `device::test@machine`. A checkout without the folder of device tests has no pairs.
#[must_use]
pub fn pairs(
    root: &Utf8Path,
    arches: &[String],
    tests: impl Iterator<Item = &'static Test>,
    machines: &'static [Machine],
) -> Vec<TestFile> {
    let folder = root.join(FOLDER);
    if !folder.is_dir() {
        return Vec::new();
    }
    let known = |machine: &&Machine| arches.contains(&machine.arch);
    let machines = || machines.iter().filter(known);
    tests
        .flat_map(|test| machines().map(move |machine| (test, machine)))
        .filter(|(test, machine)| machine.provides(test.needs))
        .map(|(test, machine)| TestFile {
            area: test.device.to_owned(),
            test: format!("{}@{}", test.name, machine.name),
            path: folder.join(format!("{}.rs", test.device.replace('-', "_"))),
            header: header(test, machine),
            golden: Vec::new(),
        })
        .collect()
}

fn header(test: &'static Test, machine: &'static Machine) -> Header {
    Header {
        description: test.description.to_owned(),
        arches: vec![machine.arch.clone()],
        machine: MachineChoice::Name(machine.name.clone()),
        memory: Some(machine.memory.clone()),
        requires: Requires {
            devices: test.models.iter().map(|&it| it.to_owned()).collect(),
            machines: vec![machine.name.clone()],
            ..Requires::default()
        },
        ..Header::of_body(Body::Device(test, machine))
    }
}

/// Why a device test is skipped with this QEMU. Only the first reason is returned.
#[must_use]
pub fn unmet(test: &Test, machine: &Machine, facts: &Facts) -> Option<String> {
    if !facts.has_machine(&machine.name) {
        return Some(format!("QEMU lacks the machine `{}`", machine.name));
    }
    if let Some(model) = test.models.iter().find(|model| !facts.has_device(model)) {
        return Some(format!("QEMU lacks the device `{model}`"));
    }
    if !facts.at_least(test.oldest_qemu) {
        let (oldest, found) = (test.oldest_qemu, facts.version);
        return Some(format!("needs QEMU {oldest}, this is {found}"));
    }
    (test.clock && !facts.has_accel("qtest"))
        .then(|| "needs the `qtest` accelerator, which this QEMU lacks".to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use qemu::Version;
    use qemu::facts::MachineFacts;

    use super::*;

    const TEST: Test = Test {
        device: "a-b",
        name: "works",
        description: "Works",
        needs: &["pci"],
        models: &["model"],
        oldest_qemu: Version::new(8, 0, 0),
        clock: true,
        companion: None,
        arguments: &[],
        body: |_| Ok(()),
    };

    static TESTS: [Test; 1] = [TEST];

    fn machine(arch: &str, name: &str, provides: &[&str]) -> Machine {
        Machine {
            arch: arch.to_owned(),
            name: name.to_owned(),
            provides: provides.iter().map(|&it| it.to_owned()).collect(),
            memory: "1M".to_owned(),
            ram_start: 0,
            ram: 0,
            ram_end: 0,
            shared_ram: true,
            pci: None,
            virtio_mmio: None,
            at: BTreeMap::new(),
        }
    }

    #[test]
    fn test_runs_on_machines_that_provide_its_needs() {
        let machines = vec![
            machine("x", "big", &["pci", "isa"]),
            machine("x", "bare", &[]),
            machine("y", "other", &["pci"]),
            machine("z", "unknown", &["pci"]),
        ];
        let arches = ["x".to_owned(), "y".to_owned()];
        let root = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(root.path()).unwrap();
        let machines: &'static [Machine] = machines.leak();
        assert_eq!(pairs(root, &arches, TESTS.iter(), machines), []);
        fs_err::create_dir_all(root.join(FOLDER)).unwrap();
        let pairs = pairs(root, &arches, TESTS.iter(), machines);
        let names: Vec<_> = pairs
            .iter()
            .map(|it| (it.header.arches[0].as_str(), it.name()))
            .collect();
        assert_eq!(
            names,
            [
                ("x", "a-b::works@big".to_owned()),
                ("y", "a-b::works@other".to_owned())
            ]
        );
        assert_eq!(pairs[0].path, root.join("tests/device/src/a_b.rs"));
    }

    #[test]
    fn missing_part_of_qemu_skips_with_its_name() {
        let machine = machine("x", "big", &["pci"]);
        let mut facts = Facts::default();
        let check = |facts: &Facts, expect: Option<&str>| {
            assert_eq!(unmet(&TEST, &machine, facts).as_deref(), expect);
        };
        check(&facts, Some("QEMU lacks the machine `big`"));
        facts
            .machines
            .insert("big".to_owned(), MachineFacts::default());
        check(&facts, Some("QEMU lacks the device `model`"));
        facts.devices.insert("model".to_owned());
        facts.version = Version::new(7, 2, 22);
        check(&facts, Some("needs QEMU 8.0.0, this is 7.2.22"));
        facts.version = Version::new(8, 0, 0);
        check(
            &facts,
            Some("needs the `qtest` accelerator, which this QEMU lacks"),
        );
        facts.accels.insert("qtest".to_owned());
        check(&facts, None);
    }
}

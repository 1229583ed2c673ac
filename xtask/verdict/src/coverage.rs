//! Counts the pluggable devices of QEMU that have a test, by architecture. The devices of tests
//! come from their headers, or from the passed tests of a run.
//!
//! A device counts if `-device help` lists it on a PCI, USB or virtio bus. That list contains the
//! types that are neither abstract nor refused to users (`user_creatable` of QEMU's `DeviceClass`).

use std::collections::BTreeSet;

use qemu::Facts;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The devices of one architecture's QEMU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// The architecture.
    pub arch: String,
    /// Types without a test.
    pub covered: BTreeSet<String>,
    /// Types that have none.
    pub not_covered: BTreeSet<String>,
}

/// The buses whose devices count.
const BUSES: [&str; 3] = ["PCI", "usb-bus", "virtio-bus"];

impl Coverage {
    /// Computes the coverage from the names of devices, which may be aliases.
    #[must_use]
    pub fn new<'a>(arch: &str, facts: &Facts, named: impl Iterator<Item = &'a str>) -> Self {
        let named: BTreeSet<&str> = named.map(|name| facts.device_type(name)).collect();
        let counts = |bus: &Option<String>| bus.as_deref().is_some_and(|bus| BUSES.contains(&bus));
        let counted = facts.models.iter().filter(|(_, model)| counts(&model.bus));
        let (covered, not_covered) = counted
            .map(|(name, _)| name.clone())
            .partition(|name| named.contains(name.as_str()));
        Self {
            arch: arch.to_owned(),
            covered,
            not_covered,
        }
    }

    /// Adds the coverage of another part of the same run.
    pub(crate) fn add(&mut self, other: &Self) {
        self.not_covered.extend(other.not_covered.iter().cloned());
        self.covered.extend(other.covered.iter().cloned());
        self.not_covered.retain(|name| !self.covered.contains(name));
    }

    /// The number of devices that count.
    #[must_use]
    pub fn total(&self) -> usize {
        self.covered.len() + self.not_covered.len()
    }

    /// The percentage of covered devices, to one decimal; 0 if no device counts.
    #[must_use]
    pub fn percent(&self) -> f64 {
        let permille = self.covered.len() * 1000 + self.total() / 2;
        let permille = permille.checked_div(self.total()).unwrap_or_default();
        f64::from(u16::try_from(permille).unwrap_or(u16::MAX)) / 10.0
    }

    /// The coverage as a JSON line.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "reason": "device-coverage",
            "arch": self.arch,
            "covered": self.covered.len(),
            "total": self.total(),
            "percent": self.percent(),
            "not_covered": self.not_covered,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use qemu::facts::DeviceFacts;

    use super::*;
    use crate::event::tests::test_report;
    use crate::event::{TestReport, passed_devices};
    use crate::outcome::Outcome;

    fn facts() -> Facts {
        let model = |name: &str, bus: Option<&str>, alias: Option<&str>| {
            let [bus, alias] = [bus, alias].map(|text| text.map(str::to_owned));
            (name.to_owned(), DeviceFacts { bus, alias })
        };
        let models = [
            model("virtio-blk-pci", Some("PCI"), Some("virtio-blk")),
            model("virtio-blk-device", Some("virtio-bus"), None),
            model("usb-kbd", Some("usb-bus"), None),
            model("isa-serial", Some("ISA"), None),
            model("loader", None, None),
        ];
        Facts {
            models: BTreeMap::from(models),
            ..Facts::default()
        }
    }

    fn of_run(facts: &Facts, tests: &[TestReport]) -> Coverage {
        Coverage::new("x", facts, passed_devices("x", tests))
    }

    #[test]
    fn only_passed_pluggable_devices_are_covered() {
        let test = |name: &str, outcome, devices: &[&str]| {
            let mut report = test_report(name, outcome);
            report.setup.devices = devices.iter().map(|&name| name.to_owned()).collect();
            report
        };
        let failed = Outcome::Failed {
            cause: String::new(),
        };
        let tests = vec![
            test("x::a::b", Outcome::Passed, &["virtio-blk", "isa-serial"]),
            test("x::a::c", failed, &["usb-kbd"]),
            test("y::a::b", Outcome::Passed, &["virtio-blk-device"]),
        ];
        let coverage = of_run(&facts(), &tests);
        let expect = json!({
            "reason": "device-coverage", "arch": "x", "covered": 1, "total": 3, "percent": 33.3,
            "not_covered": ["usb-kbd", "virtio-blk-device"],
        });
        assert_eq!(coverage.json(), expect);
        let none = of_run(&Facts::default(), &tests);
        assert_eq!(
            (none.total(), none.percent().to_string()),
            (0, "0".to_owned())
        );
    }
}

//! Parses a kernel's `.config`, compares configs, and checks the options that a guest of Kiln needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The options that are set, without `CONFIG_`, with their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config(BTreeMap<String, String>);

/// The options that Kiln's init needs on every machine.
const NEEDED: [&str; 5] = [
    "BINFMT_ELF",
    "BLK_DEV_INITRD",
    "DEVTMPFS",
    "PROC_FS",
    "SYSFS",
];

impl Config {
    /// Parses a file and ignores lines of another form.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let options = text.lines().filter_map(|line| option(line.trim()));
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self(options.collect())
    }

    /// The value of an option, `n` if it is not set.
    #[must_use]
    pub fn value(&self, option: &str) -> &str {
        self.0.get(option).map_or("n", String::as_str)
    }

    /// The first of some options, each `NAME=VALUE`, that is not set so. One that is built in also serves
    /// where a module is required.
    #[must_use]
    pub fn first_missing<'a>(&self, required: &'a [String]) -> Option<&'a String> {
        required.iter().find(|option| {
            let (name, value) = option.split_once('=').unwrap_or((option, "y"));
            let found = self.value(name);
            found != value && !(value == "m" && found == "y")
        })
    }

    /// The options that differ in another config, by name.
    #[must_use]
    pub fn changes(&self, other: &Self) -> Vec<Change> {
        let names: BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        let change = |name: &String| Change {
            option: name.clone(),
            from: self.value(name).to_owned(),
            to: other.value(name).to_owned(),
        };
        let changes = names.into_iter().map(change);
        changes.filter(|change| change.from != change.to).collect()
    }

    /// The options that a guest needs built in but that are not, each as `CONFIG_OPTION=value`. The
    /// init has no modules until the control channel is open. `virtio` is the suffix of virtio
    /// devices on the machine, if it has any.
    #[must_use]
    pub fn lacks(&self, virtio: Option<&str>) -> Vec<String> {
        let port = virtio.map(|_| "VIRTIO_CONSOLE");
        let bus = match virtio {
            Some("pci") => Some("VIRTIO_PCI"),
            Some("device") => Some("VIRTIO_MMIO"),
            // The driver of virtio-ccw is part of every kernel that has the bus.
            _ => None,
        };
        let missing = NEEDED.into_iter().chain(port).chain(bus);
        missing
            .filter(|option| self.value(option) != "y")
            .map(|option| format!("CONFIG_{option}={}", self.value(option)))
            .collect()
    }
}

/// The option in a line of a config, without `CONFIG_`, with its value.
pub(crate) fn option(line: &str) -> Option<(&str, &str)> {
    if let Some(rest) = line.strip_prefix("# CONFIG_") {
        return Some((rest.strip_suffix(" is not set")?, "n"));
    }
    let (name, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(plain)).then_some((name, value))
}

/// The line of an option in a config.
pub(crate) fn line(option: &str, value: &str) -> String {
    match value {
        "n" => format!("# CONFIG_{option} is not set"),
        _ => format!("CONFIG_{option}={value}"),
    }
}

/// An option that two configs set differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name without `CONFIG_`.
    pub option: String,
    /// Its value in the first config, `n` if it is not set.
    pub from: String,
    /// Its value in the second config.
    pub to: String,
}

impl Change {
    /// The line of the second config.
    #[must_use]
    pub fn line(&self) -> String {
        line(&self.option, &self.to)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { option, from, to } = self;
        write!(f, "CONFIG_{option}: {from} -> {to}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_missing_option_is_found() {
        let config = Config::parse("CONFIG_A=y\nCONFIG_B=m\nCONFIG_N=64\n");
        let check = |required: &[&str], expect: Option<&str>| {
            let required: Vec<_> = required.iter().map(|&option| option.to_owned()).collect();
            let found = config.first_missing(&required);
            assert_eq!(found.map(String::as_str), expect);
        };
        check(&["A=y", "A=m", "B=m", "N=64", "C=n"], None);
        check(&["A=y", "B=y", "C=y"], Some("B=y"));
        check(&["C=m"], Some("C=m"));
    }

    #[test]
    fn changes_name_both_values() {
        let first =
            Config::parse("CONFIG_A=y\nCONFIG_B=m\nCONFIG_S=\"x\"\n# CONFIG_N is not set\n");
        let second = Config::parse("CONFIG_B=y\nCONFIG_C=8\nCONFIG_S=\"x\"\n");
        let changes = first.changes(&second);
        let shown: Vec<_> = changes.iter().map(Change::to_string).collect();
        let expect = ["CONFIG_A: y -> n", "CONFIG_B: m -> y", "CONFIG_C: n -> 8"];
        assert_eq!(shown, expect);
        let lines: Vec<_> = changes.iter().map(Change::line).collect();
        let expect = ["# CONFIG_A is not set", "CONFIG_B=y", "CONFIG_C=8"];
        assert_eq!(lines, expect);
    }

    #[test]
    fn missing_drivers_of_a_guest_are_listed() {
        let check = |config: &str, virtio: Option<&str>, expect: &[&str]| {
            let needed = NEEDED.map(|name| format!("CONFIG_{name}=y\n"));
            let text = needed.concat() + config;
            assert_eq!(Config::parse(&text).lacks(virtio), expect);
        };
        let (port, pci) = ("CONFIG_VIRTIO_CONSOLE=y\n", "CONFIG_VIRTIO_PCI=y\n");
        check(&format!("{port}{pci}"), Some("pci"), &[]);
        let expect = ["CONFIG_VIRTIO_MMIO=n"];
        check(&format!("{port}{pci}"), Some("device"), &expect);
        check(port, Some("ccw"), &[]);
        check("", Some("ccw"), &["CONFIG_VIRTIO_CONSOLE=n"]);
        check("", None, &[]);
        // The last line of an option counts, as for the kernel's own build.
        let module = "CONFIG_VIRTIO_CONSOLE=m\n# CONFIG_VIRTIO_PCI is not set\n";
        let expect = ["CONFIG_VIRTIO_CONSOLE=m", "CONFIG_VIRTIO_PCI=n"];
        check(module, Some("pci"), &expect);
    }
}

//! Parses a kernel's `.config` and checks the options that a guest of Kiln needs.

use std::collections::BTreeMap;

/// The options that are set, without `CONFIG_`, with their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config(BTreeMap<String, String>);

/// The options that Kiln's init needs on every machine.
const NEEDED: [&str; 6] = [
    "BINFMT_ELF",
    "BLK_DEV_INITRD",
    "DEVTMPFS",
    "PROC_FS",
    "SYSFS",
    "VIRTIO_CONSOLE",
];

impl Config {
    /// Parses a file and ignores lines of another form.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let option = |line: &str| {
            let (name, value) = line.trim().strip_prefix("CONFIG_")?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        Self(text.lines().filter_map(option).collect())
    }

    /// The value of an option, `n` if it is not set.
    #[must_use]
    pub fn value(&self, option: &str) -> &str {
        self.0.get(option).map_or("n", String::as_str)
    }

    /// The options that a guest needs built in but that are not, each as `CONFIG_OPTION=value`. The
    /// init has no modules until the control channel is open. `virtio` is the suffix of virtio
    /// devices on the machine.
    #[must_use]
    pub fn lacks(&self, virtio: &str) -> Vec<String> {
        let bus = match virtio {
            "pci" => Some("VIRTIO_PCI"),
            "device" => Some("VIRTIO_MMIO"),
            // The driver of virtio-ccw is part of every kernel that has the bus.
            _ => None,
        };
        let missing = NEEDED.into_iter().chain(bus);
        missing
            .filter(|option| self.value(option) != "y")
            .map(|option| format!("CONFIG_{option}={}", self.value(option)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_drivers_of_a_guest_are_listed() {
        let check = |config: &str, virtio: &str, expect: &[&str]| {
            let needed = NEEDED.map(|name| format!("CONFIG_{name}=y\n"));
            let text = needed.concat() + config;
            assert_eq!(Config::parse(&text).lacks(virtio), expect);
        };
        check("CONFIG_VIRTIO_PCI=y\n", "pci", &[]);
        check("CONFIG_VIRTIO_PCI=y\n", "device", &["CONFIG_VIRTIO_MMIO=n"]);
        check("", "ccw", &[]);
        // The last line of an option counts, as for the kernel's own build.
        let module = "CONFIG_VIRTIO_CONSOLE=m\n# CONFIG_VIRTIO_PCI is not set\n";
        let expect = ["CONFIG_VIRTIO_CONSOLE=m", "CONFIG_VIRTIO_PCI=n"];
        check(module, "pci", &expect);
    }
}

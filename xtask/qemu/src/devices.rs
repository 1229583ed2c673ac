//! Determines which device types a QEMU got: on its command line, or later over QMP.
//!
//! Names are as given. [`crate::Facts`] resolves aliases. Built-in devices of a machine are not
//! included.

use std::collections::BTreeSet;

use serde_json::Value;

/// The device types on a command line.
#[must_use]
pub fn on_command_line(argv: &[String]) -> BTreeSet<String> {
    let mut devices = BTreeSet::new();
    for pair in argv.windows(2) {
        let (option, value) = (pair[0].trim_start_matches('-'), pair[1].as_str());
        let found = match option {
            _ if !pair[0].starts_with('-') => None,
            "device" => driver(value),
            "net" if !value.starts_with("nic") => None,
            "audio" | "net" | "nic" => property(value, "model"),
            "usbdevice" => of_short_form(&USB, value),
            "vga" => of_short_form(&VGA, value),
            _ => None,
        };
        devices.extend(found);
    }
    devices
}

/// A device in the value of `-device`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceOption {
    /// Its type.
    pub driver: String,
    /// Its id, if any.
    pub id: Option<String>,
    /// The requested bus.
    pub bus: Option<String>,
}

impl DeviceOption {
    /// Parses `NAME,property=value...` or JSON. `None` without a type.
    #[must_use]
    pub fn read(value: &str) -> Option<Self> {
        Some(Self {
            driver: driver(value)?,
            id: property(value, "id"),
            bus: property(value, "bus"),
        })
    }
}

/// The device type that a QMP command adds, including commands of the human monitor.
#[must_use]
pub fn by_command(command: &str, arguments: &Value) -> Option<String> {
    let text = |key: &str| arguments.get(key).and_then(Value::as_str);
    match command {
        "device_add" => text("driver").map(str::to_owned),
        "human-monitor-command" => {
            let line = text("command-line")?.trim();
            driver(line.strip_prefix("device_add")?.trim_start())
        }
        _ => None,
    }
}

/// The driver in `NAME,…`, in `driver=NAME,…` at any position, or in JSON.
fn driver(value: &str) -> Option<String> {
    let first = value.split(',').next();
    let name = first
        .filter(|part| !part.contains('=') && !part.starts_with('{'))
        .map(str::to_owned)
        .or_else(|| property(value, "driver"))?;
    let asks = matches!(name.as_str(), "" | "help" | "?");
    (!asks).then_some(name)
}

fn property(value: &str, key: &str) -> Option<String> {
    if value.starts_with('{') {
        let value: Value = serde_json::from_str(value).ok()?;
        return Some(value.get(key)?.as_str()?.to_owned());
    }
    let pairs = value.split(',').filter_map(|part| part.split_once('='));
    let mut named = pairs.filter(|(name, _)| *name == key);
    named.next().map(|(_, value)| value.to_owned())
}

/// The values of `-usbdevice` (`system/usb` of QEMU's manual).
const USB: [(&str, &str); 5] = [
    ("braille", "usb-braille"),
    ("keyboard", "usb-kbd"),
    ("mouse", "usb-mouse"),
    ("tablet", "usb-tablet"),
    ("wacom-tablet", "usb-wacom-tablet"),
];

/// The values of `-vga` on machines with PCI (`system/vl.c` of QEMU).
const VGA: [(&str, &str); 5] = [
    ("cirrus", "cirrus-vga"),
    ("qxl", "qxl-vga"),
    ("std", "VGA"),
    ("virtio", "virtio-vga"),
    ("vmware", "vmware-svga"),
];

fn of_short_form(forms: &[(&str, &str)], value: &str) -> Option<String> {
    let form = forms.iter().find(|(short, _)| *short == value);
    form.map(|(_, device)| (*device).to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn device_option_is_read_from_either_form() {
        let check = |value: &str, expect: Option<(&str, Option<&str>, Option<&str>)>| {
            let found = DeviceOption::read(value);
            let found = found.as_ref().map(|device| {
                let DeviceOption { driver, id, bus } = device;
                (driver.as_str(), id.as_deref(), bus.as_deref())
            });
            assert_eq!(found, expect, "{value}");
        };
        check("edu", Some(("edu", None, None)));
        check(
            "usb-kbd,id=k,bus=x.0",
            Some(("usb-kbd", Some("k"), Some("x.0"))),
        );
        check(
            r#"{"driver": "usb-kbd", "id": "k", "bus": "x.0", "port": 1}"#,
            Some(("usb-kbd", Some("k"), Some("x.0"))),
        );
        check(r#"{"driver": 1}"#, None);
        check("{", None);
        check("help", None);
    }

    #[test]
    fn every_device_option_form_is_understood() {
        let check = |line: &[&str], expect: &[&str]| {
            let argv: Vec<String> = line.iter().map(|&word| word.to_owned()).collect();
            let found: Vec<String> = on_command_line(&argv).into_iter().collect();
            assert_eq!(found, expect, "{line:?}");
        };
        check(&["-device", "nvme,serial=a,id=b"], &["nvme"]);
        check(&["--device", "id=b,driver=e1000"], &["e1000"]);
        check(&["-device", r#"{"driver": "edu", "id": "x"}"#], &["edu"]);
        check(&["-device", "help"], &[]);
        check(&["-device"], &[]);
        check(
            &["-netdev", "user,id=n", "-device", "a", "-device", "b"],
            &["a", "b"],
        );
        check(&["-nic", "user,model=rtl8139"], &["rtl8139"]);
        check(
            &["-net", "nic,model=e1000e", "-net", "user,model=no"],
            &["e1000e"],
        );
        check(&["-audio", "driver=none,model=AC97"], &["AC97"]);
        check(
            &["-usbdevice", "tablet", "-vga", "std"],
            &["VGA", "usb-tablet"],
        );
        check(&["-vga", "none", "-append", "device"], &[]);
        // A value that looks like an option is not one.
        check(&["-append", "device", "edu"], &[]);
    }

    #[test]
    fn devices_are_added_by_both_monitors() {
        let by = |command, arguments| by_command(command, &arguments);
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(by("device_add", json!({"driver": "edu"})), name("edu"));
        assert_eq!(by("device_del", json!({"driver": "edu"})), None);
        let human = |line: &str| by("human-monitor-command", json!({"command-line": line}));
        assert_eq!(human("device_add usb-kbd,id=k"), name("usb-kbd"));
        assert_eq!(human("device_add help"), None);
        assert_eq!(human("info qtree"), None);
    }
}

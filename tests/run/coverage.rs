//! Device coverage in JSON: declared by tests, and measured in a run.

use serde_json::Value;

use harness::qemu::arch;
use harness::repo::TestRepo;

/// Plugs one device on the command line and another by QMP.
const PLUGS: &str = r#"# Plugs.
#: memory = "128M"
in_host() {
    qemu -device qemu-xhci,id=hub -device '{"driver":"virtio-rng","id":"rng"}'
}

in_guest() {
    qmp device_add driver=usb-kbd bus=hub.0 id=kbd
}
"#;
/// Plugs a device and fails.
const FAILS: &str = "# Fails.
in_host() {
    qemu -device virtio-balloon-pci
}

in_guest() {
    false
}
";
/// Declares its choices. Never run here.
const DECLARES: &str = r#"# Declares.
#: arch = ["@ARCH@"]
#: requires.devices = ["nvme"]
#: choices.nic = { devices = ["e1000"] }
in_host() {
    fail "nobody runs this"
}
"#;

/// The line of the architecture without the total, which depends on this QEMU.
fn coverage(events: &[Value]) -> (u64, Vec<String>) {
    let mut lines = events
        .iter()
        .filter(|event| event["reason"] == "device-coverage");
    let line = lines.next().unwrap();
    assert_eq!(lines.next(), None);
    let missing: Vec<String> = serde_json::from_value(line["not_covered"].clone()).unwrap();
    let covered = line["covered"].as_u64().unwrap();
    assert_eq!(line["total"], covered + missing.len() as u64);
    (covered, missing)
}

#[test]
fn only_passed_tests_count_as_coverage() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/plugs", PLUGS), ("a/fails", FAILS)]);
    let (code, events) = repo.events(&arch, &["--device-coverage"]);
    assert_eq!(code, 100);
    let (_, missing) = coverage(&events);
    let is_missing = |name: &str| missing.iter().any(|device| device == name);
    for device in ["qemu-xhci", "virtio-rng-pci", "usb-kbd"] {
        assert!(!is_missing(device), "{device}");
    }
    assert!(is_missing("virtio-balloon-pci") && is_missing("nvme"));
    let plugs = events
        .iter()
        .find(|event| event["test"] == "plugs" && event["reason"] == "test-finished");
    let devices: Vec<String> = serde_json::from_value(plugs.unwrap()["devices"].clone()).unwrap();
    assert!(devices.is_sorted() && devices.contains(&"usb-kbd".to_owned()));
}

#[test]
fn declared_devices_are_listed_without_run() {
    let Some(arch) = arch() else { return };
    let declares = DECLARES.replace("@ARCH@", &arch);
    let repo = TestRepo::with(&[("a/declares", &declares), ("a/fails", FAILS)]);
    let (code, events) = repo.events(&arch, &["--list", "--device-coverage"]);
    let (covered, missing) = coverage(&events);
    assert_eq!((code, covered), (0, 3));
    let named = ["nvme", "e1000", "virtio-balloon-pci"];
    assert!(
        !missing
            .iter()
            .any(|device| named.contains(&device.as_str()))
    );
    assert!(!repo.runs().exists());
}

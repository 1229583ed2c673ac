//! Where images come from: a mirror that was named and fails ends the run, and nothing is built instead.

use crate::place::{Place, arch};

/// Nobody listens there.
const DEAD: &str = "--mirror=http://127.0.0.1:1";

#[test]
fn a_dead_mirror_ends_test_and_boot() {
    let Some(arch) = arch() else { return };
    let place = Place::with(&[("good/true", "# Passes.\n\nin_guest() {\n    true\n}\n")]);
    for command in ["test", "boot"] {
        let told = place.run(&[command, "--arch", &arch, "--no-prebuilt", DEAD]);
        assert_eq!(told.code, 102, "{command}: {}", told.stderr);
        for says in [
            "http://127.0.0.1:1/blobs/sha256/",
            "cannot connect",
            "from the mirrors",
            "--from-source",
        ] {
            assert!(told.stderr.contains(says), "{says}: {}", told.stderr);
        }
        assert!(!told.stderr.contains("lacks"), "{}", told.stderr);
    }
}

#[test]
fn missing_offline_image_is_named() {
    let Some(arch) = arch() else { return };
    let place = Place::with(&[("good/true", "# Passes.\n\nin_guest() {\n    true\n}\n")]);
    let told = place.run(&["test", "--arch", &arch, "--no-prebuilt", "--offline"]);
    assert_eq!(told.code, 102, "{}", told.stderr);
    let kernel = format!("`{arch}/kernel`");
    assert!(told.stderr.contains(&kernel), "{}", told.stderr);
    let hint = format!("help: cargo xtask fetch --arch {arch}");
    assert!(told.stderr.contains(&hint), "{}", told.stderr);
    assert!(!told.stderr.contains("gcc"), "{}", told.stderr);
}

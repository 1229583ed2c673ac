//! A failing mirror that the user named ends the run, and nothing is built instead.

use harness::qemu::arch;
use harness::repo::TestRepo;

/// A URL without a listener.
const DEAD: &str = "--mirror=http://127.0.0.1:1";

#[test]
fn unreachable_mirror_fails_test_and_boot() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("good/true", "# Passes.\n\nin_guest() {\n    true\n}\n")]);
    for command in ["test", "boot"] {
        let output = repo.run(&[command, "--arch", &arch, "--no-prebuilt", DEAD]);
        assert_eq!(output.code, 102, "{command}: {}", output.stderr);
        for says in [
            "http://127.0.0.1:1/blobs/sha256/",
            "failed to connect",
            "from the mirrors",
            "--from-source",
        ] {
            assert!(output.stderr.contains(says), "{says}: {}", output.stderr);
        }
        assert!(!output.stderr.contains("lacks"), "{}", output.stderr);
    }
}

#[test]
fn missing_offline_image_is_reported() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("good/true", "# Passes.\n\nin_guest() {\n    true\n}\n")]);
    let output = repo.run(&["test", "--arch", &arch, "--no-prebuilt", "--offline"]);
    assert_eq!(output.code, 102, "{}", output.stderr);
    let kernel = format!("`{arch}/kernel`");
    assert!(output.stderr.contains(&kernel), "{}", output.stderr);
    let hint = format!("help: cargo xtask fetch --arch {arch}");
    assert!(output.stderr.contains(&hint), "{}", output.stderr);
    assert!(!output.stderr.contains("gcc"), "{}", output.stderr);
}

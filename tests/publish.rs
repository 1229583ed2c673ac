//! Black-box tests of `cargo xtask publish` and related commands with the real images and small
//! source files. No test here needs a network.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "acts from outside, as a user does"
)]

use std::process::Command;

use harness::checkout::{ARCH, Checkout};
use harness::{qemu, run, skip};

fn on_tree(checkout: &Checkout, words: &[&str]) -> (i32, String, String) {
    let tree = checkout.tree();
    checkout.xtask(&[words, &[tree.to_str().unwrap()]].concat())
}

#[test]
fn release_is_published_checked_verified_withdrawn() {
    if !qemu::is_installed(ARCH) {
        return skip("QEMU is not installed, so no image can boot");
    }
    let checkout = Checkout::new();
    let (code, out, err) = checkout.publish(&["--version", "7"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("published kiln-7 to "), "{out}");

    let (code, out, err) = on_tree(&checkout, &["mirror-check"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.starts_with("index 1: kiln-7;"), "{out}");
    let sums = checkout.tree().join("kiln-7");
    run(Command::new("sha256sum")
        .args(["-c", "SHA256SUMS"])
        .current_dir(sums));

    let (code, out, err) = on_tree(&checkout, &["verify-release", "--no-build"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(err.contains("the source archive is complete"), "{err}");

    let kernel = checkout.tree().join("kiln-7").join(ARCH).join("kernel");
    std::fs::remove_file(&kernel).unwrap();
    std::fs::write(&kernel, "another").unwrap();
    let (code, out, err) = on_tree(&checkout, &["mirror-check"]);
    assert_eq!(code, 102, "{out}{err}");
    assert!(
        out.contains("`kiln-7/aarch64/kernel` has 7 bytes, expected"),
        "{out}"
    );
    let (code, _, err) = checkout.publish(&["--version", "7"]);
    assert_eq!(code, 102, "{err}");
    assert!(
        err.contains("is already published with different content"),
        "{err}"
    );

    let (code, _, err) = on_tree(&checkout, &["unpublish", "kiln-7", "--from"]);
    assert_eq!(code, 0, "{err}");
    assert!(!checkout.tree().join("kiln-7").exists() && !checkout.tree().join("sources").exists());
    let (code, out, _) = on_tree(&checkout, &["mirror-check"]);
    assert_eq!((code, out.contains("no release")), (0, true), "{out}");
}

#[test]
fn dirty_unlicensed_unlocked_are_refused() {
    let checkout = Checkout::new();
    let check = |path: &str, text: Option<&str>, more: &[&str], why: &str, mends: &str| {
        let path = checkout.root().join(path);
        let before = std::fs::read(&path).ok();
        match text {
            None => std::fs::remove_file(&path).unwrap(),
            Some(text) => std::fs::write(&path, text).unwrap(),
        }
        let (code, _, err) = checkout.publish(&[&["--dry-run"], more].concat());
        assert!(
            code != 0 && err.contains(why) && err.contains(mends),
            "{code}: {err}"
        );
        match before {
            None => std::fs::remove_file(&path).unwrap(),
            Some(before) => std::fs::write(&path, before).unwrap(),
        }
    };
    let dirty: &[&str] = &["--allow-dirty"];
    check(
        "new",
        Some(""),
        &[],
        "uncommitted changes: new",
        "--allow-dirty",
    );
    let text = "missing text of licence `MIT` of `musl`";
    check(
        "LICENSES/MIT.txt",
        None,
        dirty,
        text,
        "put the text into LICENSES/MIT.txt",
    );
    let key = "keys = [\"x\"]\nthreshold = 1\n";
    check(
        "images/keys.toml",
        Some(key),
        dirty,
        "invalid `images/keys.toml`",
        "is not a public key",
    );
    assert!(!checkout.tree().exists());
    // Before anything is created.
    std::fs::write(checkout.tree(), "").unwrap();
    let (code, _, err) = checkout.publish(dirty);
    assert!(code == 2 && err.contains("is not a directory"), "{err}");
}

#[test]
fn dry_run_prints_release_and_writes_nothing() {
    let checkout = Checkout::new();
    let (code, out, err) = checkout.publish(&["--dry-run"]);
    assert_eq!(code, 0, "{err}");
    let phases: Vec<&str> = out
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let mut changes = phases.clone();
    changes.dedup();
    assert_eq!(changes, ["blobs", "sources", "directory", "sums"]);
    let at = |name: &str| out.find(name).unwrap();
    assert!(at("kiln-0.2.0-source.tar") < at("aarch64/kernel"), "{out}");
    assert!(!checkout.tree().exists());
}

#[test]
fn each_image_part_has_licence_and_source() {
    let checkout = Checkout::new();
    let (code, out, err) = checkout.xtask(&["legal", "--message-format=json"]);
    assert_eq!(code, 0, "{err}");
    let mut inside = Vec::new();
    for line in out.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            line["source"]
                .as_str()
                .is_some_and(|source| !source.is_empty()),
            "{line}"
        );
        if line["contained"] == true {
            inside.push(line["what"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(
        inside,
        [
            "busybox",
            "gcc",
            "guest-init",
            "linux",
            "linux-headers",
            "musl"
        ]
    );
}

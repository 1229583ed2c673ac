//! Scripts in the style of qemu-test run unchanged, or are skipped with the name of the feature
//! that QEMU removed.

use harness::qemu::arch;
use harness::repo::{TestRepo, expected, outcomes};

/// Such scripts use machines and devices of this architecture.
const ARCH: &str = "x86_64";

fn run(selection: &[&str], expect: &[(&str, &str)]) {
    if arch().as_deref() != Some(ARCH) {
        return harness::skip("there is no QEMU for x86_64");
    }
    let repo = TestRepo::of_area("legacy");
    let flags = ["--message-format=json", "--exact"];
    let output = repo.test(ARCH, &[&flags, selection].concat()).output();
    let output = output.unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let expect = expected(expect);
    let mut found = outcomes(&output);
    for (name, end) in &mut found {
        // The rest of a cause depends on QEMU's version, or another test covers it.
        let start = expect.get(name).and_then(|end| end.strip_suffix('…'));
        if let Some(start) = start.filter(|start| end.starts_with(*start)) {
            *end = format!("{start}…");
        }
    }
    assert_eq!(found, expect, "{stderr}");
    repo.assert_clean(&stderr);
}

#[test]
fn old_scripts_run_or_name_removed_features() {
    run(
        &[
            "legacy::fingerprint",
            "legacy::old-machine",
            "legacy::old-option",
            "legacy::options",
            "legacy::unset",
            "legacy::unset-in-guest",
        ],
        &[
            ("fingerprint", "passed"),
            (
                "old-machine",
                "skipped: the machine `pc-0.12` was removed from QEMU; the oldest one is `pc-i440fx-…",
            ),
            (
                "old-option",
                "skipped: the option `-soundhw` was removed from QEMU in 7.1",
            ),
            ("options", "passed"),
            ("unset", "failed…"),
            ("unset-in-guest", "failed…"),
        ],
    );
}

#[test]
fn old_scripts_control_a_guest_in_the_background() {
    for (word, expect) in [("disk", "passed"), ("card", "passed")] {
        let choice = format!("choice1={word}");
        run(&["legacy::plug", "--choose", &choice], &[("plug", expect)]);
    }
    for choice in ["how=fails", "how=killed"] {
        run(
            &["legacy::status", "--choose", choice],
            &[("status", "failed…")],
        );
    }
}

//! Tests `compare` with the same QEMU behind scripts that hide a device.

use serde_json::Value;

use harness::qemu::arch;
use harness::repo::TestRepo;

/// A QEMU that exits if it is given a device.
fn without(device: &str) -> String {
    format!("case \"$*\" in *{device}*) exit 3 ;; esac\nexec @QEMU@ \"$@\"")
}

fn with(device: &str) -> String {
    format!(
        "# Has a device.\nin_host() {{\n    qemu -device {device}\n}}\nin_guest() {{\n    true\n}}\n"
    )
}

const CHOOSES: &str = "# Chooses.\nin_host() {\n    choose word a b c d e f g\n}\n";
const FAILS: &str = "# Fails.\nin_host() {\n    false\n}\n";

#[test]
fn comparison_reports_regressions_and_fixes() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[
        ("a/balloon", &with("virtio-balloon-pci")),
        ("a/chooses", CHOOSES),
        ("a/fails", FAILS),
        ("a/rng", &with("virtio-rng-pci")),
    ]);
    let old = repo.qemu("old", &arch, &without("virtio-balloon"));
    let new = repo.qemu("new", &arch, &without("virtio-rng"));
    let compare = [
        "--accel=tcg",
        "--compare-qemu",
        old.to_str().unwrap(),
        new.to_str().unwrap(),
    ];

    let (code, events) = repo.events(&arch, &compare);
    assert_eq!(code, 100);
    let finished = events.last().unwrap();
    assert_eq!(finished["reason"], "comparison-finished");
    let verdict = |name: &str| finished["verdicts"][format!("{arch}::a::{name}")].clone();
    for (name, expect) in [
        ("balloon", "better"),
        ("chooses", "same"),
        ("fails", "same"),
        ("rng", "worse"),
    ] {
        assert_eq!(verdict(name), expect, "{name}");
    }
    let pair = |name: &str| -> &Value {
        let is = |event: &&Value| event["new"]["test"] == name;
        events.iter().find(is).unwrap()
    };
    assert_eq!(pair("rng")["old"]["outcome"], "passed");
    assert_eq!(pair("rng")["new"]["outcome"], "qemu-did-not-start");
    let both = pair("chooses");
    assert_eq!(both["old"]["choices"], both["new"]["choices"]);
    let again = pair("rng")["new"]["reproduce"].as_str().unwrap();
    assert!(
        again.contains(&format!("--qemu {}", new.display())),
        "{again}"
    );
    for side in ["old", "new"] {
        let report = repo.runs().join("1").join(side).join("report.json");
        assert!(report.exists(), "{}", report.display());
    }

    let words = ["test", "--offline", "--arch", &arch, "a::rng", "a::fails"];
    let output = repo.run(&[&words[..], &compare].concat());
    assert_eq!(output.code, 100, "{}", output.stderr);
    for text in [
        format!("WORSE {arch}::a::rng (passed, now QEMU did not start)"),
        format!("SAME {arch}::a::fails (failed with both)"),
        "2 tests: 1 same, 1 worse".to_owned(),
    ] {
        assert!(
            output.stdout.contains(&text),
            "no `{text}` in {}",
            output.stdout
        );
    }
    // Only a regression fails the run, not a test that fails with both.
    let words = [
        "test",
        "--offline",
        "--arch",
        &arch,
        "a::balloon",
        "a::fails",
    ];
    let output = repo.run(&[&words[..], &compare].concat());
    assert_eq!(output.code, 0, "{}", output.stdout);
    repo.assert_clean("after comparisons");
}

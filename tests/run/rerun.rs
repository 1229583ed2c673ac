//! `--rerun`: repeats the failed tests of an earlier run. The tests have host scripts only, so no
//! guest boots.

use std::collections::BTreeMap;

use serde_json::Value;

use harness::Output;
use harness::qemu::arch;
use harness::repo::{TestRepo, expected, outcomes};

const PASSES: &str = "# Passes.\nin_host() {\n    true\n}\n";
/// Fails until it is fixed, and has a choice.
const MENDED: &str = r"# Fails at first.
in_host() {
    choose word a b c d e f g h i j >> @DIR@/chosen
    test -e @DIR@/mended
}
";

fn rerun(repo: &TestRepo, flags: &[&str]) -> Output {
    repo.run(&[&["test", "--offline", "--rerun"], flags].concat())
}

/// The tests of a run with their outcomes, without the architecture.
fn ran(repo: &TestRepo, run: u32) -> BTreeMap<String, String> {
    let report = report(repo, run);
    let tests = report["tests"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    tests
        .map(|test| (text(&test["test"]), text(&test["outcome"])))
        .collect()
}

fn report(repo: &TestRepo, run: u32) -> Value {
    let path = repo.runs().join(run.to_string()).join("report.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn rerun_repeats_failures_until_none_remain() {
    let Some(arch) = arch() else { return };
    let slow = format!("#: slow = true\n{MENDED}");
    let repo = TestRepo::with(&[
        ("a/fine", PASSES),
        ("a/mended", &slow),
        ("a/not-run", PASSES),
        ("b/other", PASSES),
    ]);
    let first = [
        "a::",
        "-j1",
        "--repeat=1",
        "--seed=9",
        "--max-fail=1",
        "--arch",
        &arch,
    ];
    assert_eq!(
        repo.run(&[&["test", "--offline"], &first[..]].concat())
            .code,
        100
    );
    let left = [
        ("fine", "not-run"),
        ("mended", "failed"),
        ("not-run", "not-run"),
    ];
    assert_eq!(ran(&repo, 1), expected(&left));

    // A new test is run too if the first command line would select it.
    repo.write("a/new.sh", PASSES);
    repo.write("b/new.sh", "# Fails.\nin_host() {\n    false\n}\n");
    let output = rerun(&repo, &["latest"]);
    assert_eq!(output.code, 100, "{}", output.stderr);
    let rest = [
        ("fine", "passed"),
        ("mended", "failed"),
        ("new", "passed"),
        ("not-run", "passed"),
    ];
    assert_eq!(ran(&repo, 2), expected(&rest));

    std::fs::write(repo.path().join("mended"), "").unwrap();
    let output = rerun(&repo, &["2"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(ran(&repo, 3), expected(&[("mended", "passed")]));
    let chosen = std::fs::read_to_string(repo.path().join("chosen")).unwrap();
    let words: Vec<&str> = chosen.lines().collect();
    assert_eq!(words.len(), 3);
    assert!(words.iter().all(|word| *word == words[0]), "{chosen}");
    assert_eq!(report(&repo, 3)["seed"], 9);

    let output = rerun(&repo, &["latest"]);
    assert_eq!((output.code, output.stdout.as_str()), (4, ""));
    for text in ["every test of run 3 passed", "help: cargo xtask test\n"] {
        assert!(output.stderr.contains(text), "{}", output.stderr);
    }
}

#[test]
fn rerun_uses_recorded_qemu_and_filters() {
    let Some(arch) = arch() else { return };
    let fails = "# Needs a QEMU.\nin_guest() {\n    true\n}\n";
    let repo = TestRepo::with(&[("a/one", fails), ("a/two", fails), ("b/three", PASSES)]);
    // A QEMU that can be probed but does not boot.
    let refuses = "case \"$*\" in *-kernel*) exit 3 ;; esac\nexec @QEMU@ \"$@\"";
    repo.qemu("build", &arch, refuses);
    let flags = ["--accel=tcg", "--message-format=json", "--qemu", "build"];
    let mut command = repo.test(&arch, &flags);
    let output = command.current_dir(repo.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(100));
    assert_eq!(outcomes(&output).len(), 3);

    let output = rerun(&repo, &["1", "two", "--list"]);
    assert_eq!(
        (output.code, output.stdout),
        (0, format!("{arch}::a::two\n"))
    );
    let output = rerun(&repo, &["1", "two"]);
    assert_eq!(output.code, 100, "{}", output.stderr);
    assert_eq!(ran(&repo, 2), expected(&[("two", "qemu-did-not-start")]));
    // A test that was left out there is still left.
    let output = rerun(&repo, &["latest", "--list"]);
    let both = format!("{arch}::a::one\n{arch}::a::two\n");
    assert_eq!((output.code, output.stdout), (0, both));
    let output = rerun(&repo, &["1", "three"]);
    assert_eq!(output.code, 4, "{}", output.stderr);
    let why = "no failed test of run 1 is selected";
    assert!(output.stderr.contains(why), "{}", output.stderr);
}

#[test]
fn missing_run_is_a_usage_error() {
    let repo = TestRepo::with(&[("a/fine", PASSES)]);
    let output = rerun(&repo, &["latest"]);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""));
    output.stderr_has(["no run in `"]);
}

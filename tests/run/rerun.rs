//! Running again what an earlier run has left. Host halves only: no guest is booted.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::place::{Place, Told, arch, ends};

const PASSES: &str = "# Passes.\nin_host() {\n    true\n}\n";
/// Fails until it is fixed, and chooses.
const MENDED: &str = r"# Fails at first.
in_host() {
    choose word a b c d e f g h i j >> @DIR@/chosen
    test -e @DIR@/mended
}
";

fn rerun(place: &Place, flags: &[&str]) -> Told {
    place.run(&[&["test", "--offline", "--rerun"], flags].concat())
}

/// The tests of a run and how each ended, without their architecture.
fn ran(place: &Place, run: u32) -> BTreeMap<String, String> {
    let report = report(place, run);
    let tests = report["tests"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    tests
        .map(|test| (text(&test["test"]), text(&test["outcome"])))
        .collect()
}

fn report(place: &Place, run: u32) -> Value {
    let path = place.runs().join(run.to_string()).join("report.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn outcomes(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = |(name, end): &(&str, &str)| ((*name).to_owned(), (*end).to_owned());
    list.iter().map(own).collect()
}

#[test]
fn rerun_repeats_failures_until_none_remain() {
    let Some(arch) = arch() else { return };
    let slow = format!("#: slow = true\n{MENDED}");
    let place = Place::with(&[
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
        place
            .run(&[&["test", "--offline"], &first[..]].concat())
            .code,
        100
    );
    let left = [
        ("fine", "not-run"),
        ("mended", "failed"),
        ("not-run", "not-run"),
    ];
    assert_eq!(ran(&place, 1), outcomes(&left));

    // What is new is run too, if the first command line would have selected it.
    place.write("a/new.sh", PASSES);
    place.write("b/new.sh", "# Fails.\nin_host() {\n    false\n}\n");
    let told = rerun(&place, &["latest"]);
    assert_eq!(told.code, 100, "{}", told.stderr);
    let rest = [
        ("fine", "passed"),
        ("mended", "failed"),
        ("new", "passed"),
        ("not-run", "passed"),
    ];
    assert_eq!(ran(&place, 2), outcomes(&rest));

    std::fs::write(place.path().join("mended"), "").unwrap();
    let told = rerun(&place, &["2"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    assert_eq!(ran(&place, 3), outcomes(&[("mended", "passed")]));
    let chosen = std::fs::read_to_string(place.path().join("chosen")).unwrap();
    let words: Vec<&str> = chosen.lines().collect();
    assert_eq!(words.len(), 3);
    assert!(words.iter().all(|word| *word == words[0]), "{chosen}");
    assert_eq!(report(&place, 3)["seed"], 9);

    let told = rerun(&place, &["latest"]);
    assert_eq!((told.code, told.stdout.as_str()), (4, ""));
    for text in ["every test of run 3 passed", "help: cargo xtask test\n"] {
        assert!(told.stderr.contains(text), "{}", told.stderr);
    }
}

#[test]
fn rerun_uses_recorded_qemu_and_filters() {
    let Some(arch) = arch() else { return };
    let fails = "# Needs a QEMU.\nin_guest() {\n    true\n}\n";
    let place = Place::with(&[("a/one", fails), ("a/two", fails), ("b/three", PASSES)]);
    // A QEMU that can say what it can do, and does not boot.
    let refuses = "case \"$*\" in *-kernel*) exit 3 ;; esac\nexec @QEMU@ \"$@\"";
    place.qemu("build", &arch, refuses);
    let flags = ["--accel=tcg", "--message-format=json", "--qemu", "build"];
    let mut command = place.test(&arch, &flags);
    let output = command.current_dir(place.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(100));
    assert_eq!(ends(&output).len(), 3);

    let told = rerun(&place, &["1", "two", "--list"]);
    assert_eq!((told.code, told.stdout), (0, format!("{arch}::a::two\n")));
    let told = rerun(&place, &["1", "two"]);
    assert_eq!(told.code, 100, "{}", told.stderr);
    assert_eq!(ran(&place, 2), outcomes(&[("two", "qemu-did-not-start")]));
    // What was left out there is still left.
    let told = rerun(&place, &["latest", "--list"]);
    let both = format!("{arch}::a::one\n{arch}::a::two\n");
    assert_eq!((told.code, told.stdout), (0, both));
    let told = rerun(&place, &["1", "three"]);
    assert_eq!(told.code, 4, "{}", told.stderr);
    let why = "no failed test of run 1 is selected";
    assert!(told.stderr.contains(why), "{}", told.stderr);
}

#[test]
fn missing_run_is_a_usage_error() {
    let place = Place::with(&[("a/fine", PASSES)]);
    let told = rerun(&place, &["latest"]);
    assert_eq!((told.code, told.stdout.as_str()), (2, ""));
    assert!(told.stderr.contains("no run in `"), "{}", told.stderr);
}

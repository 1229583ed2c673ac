//! Black-box tests of choices. The tests have host scripts only, so no guest boots.

use serde_json::Value;

use harness::qemu::arch;
use harness::repo::TestRepo;

/// Each test's choices as `name=value …` in the newest run, in the order of the report.
fn chosen(repo: &TestRepo, run: u32) -> Vec<String> {
    let path = repo.runs().join(run.to_string()).join("report.json");
    let report: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let tests = report["tests"].as_array().unwrap().iter();
    let one = |test: &Value| {
        let choices = test["choices"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let pairs =
            choices.map(|choice| format!("{}={}", text(&choice["name"]), text(&choice["word"])));
        pairs.collect::<Vec<_>>().join(" ")
    };
    tests.map(one).collect()
}

/// As in qemu-test, one value of `nic` selects a nested choice.
const NESTED: &str = r#"# Chooses a card, and perhaps an old one.
#: choices.bus = ["a", "b"]
in_host() {
    choose bus
    nic=$(named_choose nic tier2 e1000)
    if test "$nic" = tier2; then
        nic=$(named_choose nic.tier2 ne2k_pci pcnet)
    fi
    echo "$nic"
}
"#;

#[test]
fn combinations_are_counted_before_they_run() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/nested", NESTED)]);
    let run = |flags: &[&str]| {
        repo.run(
            &[
                &["test", "--offline", "--arch", &arch, "--exhaustive"],
                flags,
            ]
            .concat(),
        )
    };
    let output = run(&[]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let note = "a::nested: 6 combinations of bus, nic, nic.tier2";
    assert!(output.stderr.contains(note), "{}", output.stderr);
    let expect = [
        "bus=a nic=tier2 nic.tier2=ne2k_pci",
        "bus=a nic=tier2 nic.tier2=pcnet",
        "bus=a nic=e1000",
        "bus=b nic=tier2 nic.tier2=ne2k_pci",
        "bus=b nic=tier2 nic.tier2=pcnet",
        "bus=b nic=e1000",
    ];
    assert_eq!(chosen(&repo, 1), expect);
    let output = run(&["--choose", "bus=b", "--choose", "nic=tier2"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(chosen(&repo, 2), expect[3..5]);
    let output = run(&["--max-combinations", "5"]);
    assert_eq!(output.code, 2, "{}", output.stderr);
    let why = "all combinations need 6 test runs, more than the limit of 5";
    assert!(output.stderr.contains(why), "{}", output.stderr);
}

#[test]
fn uncountable_choice_is_shown() {
    let Some(arch) = arch() else { return };
    let test = "# Chooses what it finds.\nin_host() {\n    choose file $(ls)\n}\n";
    let repo = TestRepo::with(&[("a/finds", test)]);
    let output = repo.run(&["test", "--offline", "--arch", &arch, "--exhaustive"]);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""));
    let expect = ["a/finds.sh:3:17", "$(", "computed by the shell"];
    output.stderr_has(expect);
}

#[test]
fn header_choice_offers_only_what_qemu_has() {
    let Some(arch) = arch() else { return };
    let with = |choice: &str| {
        format!("# Chooses.\n#: choices.a = {choice}\nin_host() {{\n    choose a\n}}\n")
    };
    let repo = TestRepo::with(&[
        ("a/cpu", &with("{ from = \"cpus\" }")),
        (
            "a/device",
            &with("{ devices = [\"lm8323\", \"virtio-net-pci\"] }"),
        ),
        ("a/nothing", &with("{ devices = [\"lm8323\"] }")),
        ("a/words", &with("[\"x\"]")),
    ]);
    let (code, events) = repo.events(&arch, &[]);
    assert_eq!(code, 0);
    let counts = &events.last().unwrap()["counts"];
    assert_eq!(counts.to_string(), r#"{"passed":3,"skipped":1}"#);
    let chosen = chosen(&repo, 1);
    assert!(
        chosen[0].starts_with("a=") && chosen[0] != "a=host",
        "{chosen:?}"
    );
    assert_eq!(chosen[1..], ["a=virtio-net-pci", "", "a=x"]);
    let skipped = events.iter().find(|event| event["outcome"] == "skipped");
    assert_eq!(
        skipped.unwrap()["why"],
        "QEMU has none of the devices `lm8323`"
    );
}

#[test]
fn printed_command_repeats_choices() {
    let Some(arch) = arch() else { return };
    let test = "# Fails.\nin_host() {\n    choose word a b c d\n    false\n}\n";
    let repo = TestRepo::with(&[("a/fails", test)]);
    let (code, events) = repo.events(&arch, &["--choose", "word=c", "--seed", "1"]);
    assert_eq!(code, 100);
    let finished = events
        .iter()
        .find(|event| event["reason"] == "test-finished");
    let again = finished.unwrap()["reproduce"].as_str().unwrap().to_owned();
    let words: Vec<&str> = again.split_whitespace().skip(2).collect();
    assert_eq!(
        repo.run(&[&words[..], &["--offline"]].concat()).code,
        100,
        "{again}"
    );
    assert_eq!(chosen(&repo, 2), ["word=c"]);
}

//! Retries, rounds, and runs that stop early. The tests have host scripts only, so no guest boots
//! and QEMU is only probed.

use serde_json::Value;

use harness::qemu::arch;
use harness::repo::TestRepo;

const PASSES: &str = "# Passes.\nin_host() {\n    true\n}\n";
const FAILS: &str = "# Fails.\nin_host() {\n    fail \"two and two are five\"\n}\n";
/// Passes from the third run.
const FLAKY: &str = r#"# Fails at first.
in_host() {
    echo again >> @DIR@/count
    echo "this is run $(wc -l < @DIR@/count)"
    test "$(wc -l < @DIR@/count)" -ge 3
}
"#;

fn finished(events: &[Value]) -> Vec<&Value> {
    let finished = |event: &&Value| event["reason"] == "test-finished";
    events.iter().filter(finished).collect()
}

fn counts(events: &[Value]) -> String {
    events.last().unwrap()["counts"].to_string()
}

#[test]
fn retried_test_is_flaky_and_keeps_logs() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/flaky", FLAKY)]);
    let (code, events) = repo.events(&arch, &["--retries", "3"]);
    assert_eq!((code, counts(&events).as_str()), (0, r#"{"flaky":1}"#));
    let test = finished(&events)[0];
    let log = |report: &Value| {
        let dir = report["log_dir"].as_str().unwrap();
        std::fs::read_to_string(format!("{dir}/output.log")).unwrap()
    };
    assert_eq!(log(test), "this is run 3\n");
    let tries = test["failed_tries"].as_array().unwrap();
    let logs: Vec<String> = tries.iter().map(log).collect();
    assert_eq!(logs, ["this is run 1\n", "this is run 2\n"]);
    assert_eq!(tries[0]["outcome"], "failed");
}

#[test]
fn test_failing_every_try_fails() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/fails", FAILS)]);
    let output = repo.run(&["test", "--arch", &arch, "--offline", "--retries", "1"]);
    assert_eq!(output.code, 100, "{}", output.stderr);
    let expect = [
        "try 1 failed: two and two",
        "cause failed: two and two",
        "1 failed",
    ];
    output.stdout_has(expect);
}

#[test]
fn unstable_failure_does_not_fail_the_run() {
    let Some(arch) = arch() else { return };
    let unstable = format!("#: unstable = \"see https://example.org/1\"\n{FAILS}");
    let repo = TestRepo::with(&[("a/unstable", &unstable)]);
    let output = repo.run(&["test", "--arch", &arch, "--offline"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    output.stdout_has([
        "UNSTABLE",
        "see https://example.org/1",
        "1 test: 1 unstable",
    ]);
}

#[test]
fn max_fail_stops_and_lists_unrun_tests() {
    let Some(arch) = arch() else { return };
    let slow = format!("#: slow = true\n{FAILS}");
    let repo = TestRepo::with(&[("a/fine", PASSES), ("a/slow", &slow)]);
    for (flags, code, expect) in [
        (&["--fail-fast"][..], 100, r#"{"failed":1,"not run":1}"#),
        (&["--max-fail", "1"], 100, r#"{"failed":1,"not run":1}"#),
        (&["--max-fail", "2"], 100, r#"{"failed":1,"passed":1}"#),
        (
            &["--fail-fast", "--no-fail-fast"],
            100,
            r#"{"failed":1,"passed":1}"#,
        ),
        (&[], 100, r#"{"failed":1,"passed":1}"#),
    ] {
        let (found, events) = repo.events(&arch, &[&["-j1"], flags].concat());
        assert_eq!(
            (found, counts(&events).as_str()),
            (code, expect),
            "{flags:?}"
        );
        // Slow tests start first.
        assert_eq!(finished(&events)[0]["test"], "slow");
    }
    let run = repo.runs().join("1/report.json");
    let report: Value = serde_json::from_slice(&std::fs::read(run).unwrap()).unwrap();
    assert_eq!(report["tests"][0]["why"], "--max-fail 1 was reached");
}

#[test]
fn each_round_has_its_own_seed() {
    let Some(arch) = arch() else { return };
    let choosing = "# Chooses.\nin_host() {\n    choose word a b c d e f g h i j\n}\n";
    let repo = TestRepo::with(&[("a/choosing", choosing)]);
    let (code, events) = repo.events(&arch, &["--repeat", "4", "--seed", "40"]);
    assert_eq!((code, counts(&events).as_str()), (0, r#"{"passed":4}"#));
    let mut rounds: Vec<_> = finished(&events)
        .iter()
        .map(|test| {
            (
                test["round"].clone(),
                test["seed"].clone(),
                test["choices"].clone(),
            )
        })
        .collect();
    rounds.sort_by_key(|(round, ..)| round.as_u64());
    let seeds: Vec<_> = rounds
        .iter()
        .map(|(_, seed, _)| seed.as_u64().unwrap())
        .collect();
    assert_eq!(seeds, [40, 41, 42, 43]);
    let (_, again) = repo.events(&arch, &["--seed", "42"]);
    assert_eq!(finished(&again)[0]["choices"], rounds[2].2);
    assert!(
        rounds.iter().any(|(_, _, choices)| *choices != rounds[0].2),
        "every round chose the same: {rounds:?}"
    );
}

#[test]
fn rounds_continue_until_a_failure() {
    let Some(arch) = arch() else { return };
    let breaks = FLAKY.replace("-ge 3", "-lt 3");
    let repo = TestRepo::with(&[("a/breaks", &breaks)]);
    let (code, events) = repo.events(&arch, &["--until-fail", "--seed", "5"]);
    assert_eq!(
        (code, counts(&events).as_str()),
        (100, r#"{"failed":1,"passed":2}"#)
    );
    let last = *finished(&events).last().unwrap();
    assert_eq!((&last["round"], &last["seed"]), (&2.into(), &7.into()));
    assert!(last["reproduce"].as_str().unwrap().contains("--seed 7"));
    // Logs of passed rounds are removed.
    let test = repo.runs().join("1").join(&arch).join("a/breaks");
    let kept: Vec<_> = std::fs::read_dir(test)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(kept, ["round2"]);
}

#[test]
fn time_limit_ends_rounds_without_failure() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/fine", PASSES)]);
    let (code, events) = repo.events(&arch, &["--until-fail", "--for", "1ms"]);
    assert_eq!((code, counts(&events).as_str()), (0, r#"{"passed":1}"#));
}

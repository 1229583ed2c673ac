//! `cargo xtask report`: converts and merges the reports of finished runs. The tests have host
//! scripts only, so no guest boots.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use harness::qemu::arch;
use harness::repo::TestRepo;
use harness::{Output, skip};

const PASSES: &str = "# Passes.\nin_host() {\n    echo fine\n}\n";
const FAILS: &str = "# Fails.\nin_host() {\n    echo '<b> & ]]>'\n    fail 'a < b'\n}\n";
const SKIPS: &str = "# Skips.\nin_host() {\n    skip 'no # here'\n}\n";

fn repo() -> TestRepo {
    TestRepo::with(&[("a/fails", FAILS), ("a/passes", PASSES), ("a/skips", SKIPS)])
}

fn test(repo: &TestRepo, arch: &str, args: &[&str]) -> Output {
    repo.run(&[&["test", "--arch", arch, "--offline"], args].concat())
}

#[test]
fn prove_reads_tap_13() {
    let Some(arch) = arch() else { return };
    if Command::new("prove").arg("--version").output().is_err() {
        skip("there is no `prove`");
        return;
    }
    let repo = repo();
    let file = repo.path().join("run.tap");
    let flag = format!("tap13={}", file.display());
    test(&repo, &arch, &["--report", &flag, "passes", "skips"]);
    let prove = |file: &Path| {
        let output = Command::new("prove")
            .args(["-e", "cat"])
            .arg(file)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), text)
    };
    let (passed, text) = prove(&file);
    assert!(passed && text.contains("Tests=2"), "{text}");
    test(&repo, &arch, &["--report", &flag]);
    let (passed, text) = prove(&file);
    assert!(!passed && text.contains("Failed 1/3 subtests"), "{text}");
}

#[test]
fn report_respects_links_and_special_files() {
    let Some(arch) = arch() else { return };
    let repo = repo();
    let kept = repo.path().join("kept");
    std::fs::write(&kept, "old").unwrap();
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o600)).unwrap();
    let link = repo.path().join("link");
    std::os::unix::fs::symlink(&kept, &link).unwrap();
    let flag = format!("tap={}", link.display());
    let output = test(&repo, &arch, &["passes", "--report", &flag]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    let mode = std::fs::metadata(&kept).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(std::fs::read_to_string(&kept).unwrap().starts_with("TAP"));
    let output = repo.run(&["report", "--format", "tap", "--output", "/dev/full"]);
    assert_eq!(output.code, 101, "{}", output.stderr);
    assert!(!std::fs::metadata("/dev/full").unwrap().is_file());
}

fn contains(text: &str, expect: &[&str]) {
    for expect in expect {
        assert!(text.contains(expect), "no `{expect}` in {text}");
    }
}

#[test]
fn converted_report_equals_the_runs_own() {
    let Some(arch) = arch() else { return };
    let repo = repo();
    let (junit, tap) = (repo.path().join("run.xml"), repo.path().join("run.tap"));
    let [junit_flag, tap_flag] = [&junit, &tap].map(|path| path.to_str().unwrap().to_owned());
    let output = test(
        &repo,
        &arch,
        &[
            "--seed=7",
            "--junit",
            &junit_flag,
            "--report",
            &format!("tap={tap_flag}"),
        ],
    );
    assert_eq!(output.code, 100, "{}", output.stderr);
    let again = |format: &str| {
        let output = repo.run(&["report", "--format", format]);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{format}");
        output.stdout
    };
    let read = |path| std::fs::read_to_string(path).unwrap();
    assert_eq!(again("junit"), read(junit));
    let written = read(tap);
    assert_eq!(again("tap"), written);
    contains(
        &written,
        &[
            "1..3\n",
            "# SKIP no \\# here",
            "not ok 1 - ",
            "message: \"a < b\"",
        ],
    );
    let value: Value = serde_json::from_str(&again("json")).unwrap();
    assert_eq!((&value["seed"], &value["schema"]), (&7.into(), &3.into()));
    contains(
        &again("html"),
        &["<h1 class=\"bad\">1 of 3 tests failed</h1>", "a &lt; b"],
    );
    let human = again("human");
    let finished = |text: &str| text.lines().filter(|line| line.contains("::a::")).count();
    assert_eq!(finished(&human), finished(&output.stdout));
    contains(&human, &["a < b", "3 tests: 1 failed, 1 passed, 1 skipped"]);
    let file = repo.path().join("out/run.tap");
    let output = file.to_str().unwrap();
    let output = repo.run(&["report", "1", "--format", "tap", "--output", output]);
    assert_eq!((output.code, output.stdout.as_str()), (0, ""));
    assert_eq!(std::fs::read_to_string(file).unwrap(), written);
}

#[test]
fn events_are_stored_in_order() {
    let Some(arch) = arch() else { return };
    let repo = repo();
    let (_, events) = repo.events(&arch, &["--seed=7"]);
    let kept = std::fs::read_to_string(repo.runs().join("1/events.jsonl")).unwrap();
    let kept: Vec<Value> = kept
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(kept, events);
}

#[test]
fn missing_or_unreadable_run_is_refused() {
    let repo = TestRepo::with(&[]);
    let output = repo.run(&["report"]);
    assert_eq!(output.code, 4);
    contains(
        &output.stderr,
        &["error: no run in `", "help: cargo xtask test"],
    );
    let old = repo.runs().join("3");
    std::fs::create_dir_all(&old).unwrap();
    std::fs::write(old.join("report.json"), r#"{"seed": 7, "tests": []}"#).unwrap();
    let output = repo.run(&["report"]);
    assert_eq!(output.code, 2);
    contains(
        &output.stderr,
        &["unsupported schema 1 of `", "report.json`: expected 2 to 3"],
    );
    let output = repo.run(&["report", "5"]);
    contains(
        &output.stderr,
        &["is not a run", "help: expected one of 3, `latest`"],
    );
}

#[test]
fn merged_parts_keep_their_logs() {
    let Some(arch) = arch() else { return };
    let repo = repo();
    for part in ["slice:1/2", "slice:2/2"] {
        test(&repo, &arch, &["--seed=7", "--partition", part]);
    }
    let runs = repo.runs();
    let output = repo.run(&[
        "report",
        "--format",
        "tap",
        "--merge",
        runs.to_str().unwrap(),
    ]);
    assert_eq!(output.code, 100, "{}", output.stderr);
    contains(&output.stdout, &["1..3\n", "fails", "passes", "skips"]);
    contains(&output.stderr, &["merged run: ", "runs/3"]);
    let output = runs.join("3").join(&arch).join("a/passes/output.log");
    assert_eq!(std::fs::read_to_string(output).unwrap(), "fine\n");
    let output = repo.run(&["report", "latest", "--format", "json"]);
    let whole: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(whole["partition"], Value::Null);
    let logs = whole["tests"][0]["log_dir"].as_str().unwrap();
    assert!(logs.starts_with(runs.join("3").to_str().unwrap()), "{logs}");
}

#[test]
fn missing_or_foreign_parts_are_named() {
    let Some(arch) = arch() else { return };
    let repo = repo();
    test(&repo, &arch, &["--seed=7", "--partition=slice:1/2"]);
    let one = repo.runs().join("1");
    let one = one.to_str().unwrap();
    let output = repo.run(&["report", "--merge", one]);
    assert_eq!(output.code, 2);
    contains(
        &output.stderr,
        &["missing report of slice:2/2", "--partition slice:2/2"],
    );
    test(&repo, &arch, &["--seed=8", "--partition=slice:2/2"]);
    let two = repo.runs().join("2");
    let output = repo.run(&["report", "--merge", one, two.to_str().unwrap()]);
    contains(
        &output.stderr,
        &["the seed is `7` and `8`", "the same `--seed`"],
    );
    let output = repo.run(&["report", "--merge", one, one]);
    contains(&output.stderr, &["both have slice:1/2"]);
}

#[test]
fn github_output_is_annotated_and_guarded() {
    let Some(arch) = arch() else { return };
    let says = "# Says.\nin_host() {\n    echo '::error::forged'\n    fail '::error::forged'\n}\n";
    let repo = TestRepo::with(&[("a/says", says)]);
    let summary = repo.path().join("summary");
    std::fs::write(&summary, "before\n").unwrap();
    let mut command = repo.xtask(&["test", "--arch", &arch, "--offline", "--no-capture"]);
    let output = command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", &summary)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    let word = lines
        .next()
        .unwrap()
        .strip_prefix("::stop-commands::")
        .unwrap();
    let end = format!("::{word}::");
    assert!(
        lines.by_ref().any(|line| line == "::error::forged"),
        "{text}"
    );
    assert!(lines.by_ref().any(|line| line == end), "{text}");
    let commands: Vec<&str> = lines.collect();
    let file = "::error file=guest-tests/a/says.sh,line=4,title=";
    assert!(
        commands.len() == 1 && commands[0].starts_with(file),
        "{commands:?}"
    );
    let summary = std::fs::read_to_string(summary).unwrap();
    assert!(
        summary.starts_with("before\n## The test failed\n"),
        "{summary}"
    );
    let output = repo.run(&["report", "--format=markdown"]);
    assert_eq!(format!("before\n{}", output.stdout), summary);
}

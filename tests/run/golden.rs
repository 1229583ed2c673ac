//! Golden output and KTAP. The tests have host scripts only, so no guest boots and QEMU is only
//! probed.

use std::path::PathBuf;

use harness::Output;
use harness::qemu::arch;
use harness::repo::TestRepo;

const PRINTS: &str = "# Prints.\n#: filter = [\"s/took [0-9]+/took N/\"]\nin_host() {\n    \
                      printf 'one\\r\\ntook 17 ms\\n'\n}\n";

fn file(repo: &TestRepo, name: &str) -> PathBuf {
    repo.tests().join("a").join(name)
}

fn run(repo: &TestRepo, arch: &str, args: &[&str]) -> Output {
    repo.run(&[&["test", "--arch", arch, "--offline"], args].concat())
}

#[test]
fn golden_difference_fails_with_diff() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/prints", PRINTS)]);
    std::fs::write(file(&repo, "prints.good"), "one\ntook N ms\n").unwrap();
    assert_eq!(run(&repo, &arch, &[]).code, 0);
    std::fs::write(file(&repo, "prints.good"), "one\ntwo\n").unwrap();
    let output = run(&repo, &arch, &[]);
    assert_eq!(output.code, 100, "{}", output.stderr);
    let expect = [
        "failed: output differs from `prints.good`",
        "--- guest-tests/a/prints.good",
        "-two",
        "+took N ms",
        "--bless",
    ];
    output.stdout_has(expect);
}

#[test]
fn failing_test_keeps_its_own_cause() {
    let Some(arch) = arch() else { return };
    let fails = "# Fails.\nin_host() {\n    echo one\n    fail \"no disk\"\n}\n";
    let repo = TestRepo::with(&[("a/fails", fails)]);
    std::fs::write(file(&repo, "fails.good"), "two\n").unwrap();
    let output = run(&repo, &arch, &[]);
    assert_eq!(output.code, 100);
    output.stdout_has(["failed: no disk", "-two", "+one"]);
    let output = run(&repo, &arch, &["--bless"]);
    output.stderr_has(["is not blessed: it failed"]);
    let kept = std::fs::read_to_string(file(&repo, "fails.good")).unwrap();
    assert_eq!(kept, "two\n");
}

#[test]
fn bless_writes_the_most_specific_file() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/prints", PRINTS), ("a/other", PRINTS)]);
    let own = format!("prints.{arch}.good");
    std::fs::write(file(&repo, "prints.good"), "old\n").unwrap();
    std::fs::write(file(&repo, &own), "old\n").unwrap();
    let output = run(&repo, &arch, &["--bless"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(
        output.stderr.contains(&format!("guest-tests/a/{own}")),
        "{}",
        output.stderr
    );
    let read = |name: &str| std::fs::read_to_string(file(&repo, name)).ok();
    assert_eq!(read(&own).as_deref(), Some("one\ntook N ms\n"));
    assert_eq!(read("prints.good").as_deref(), Some("old\n"));
    assert_eq!(read("other.good"), None);
    run(&repo, &arch, &["--bless", "other"]);
    assert_eq!(read("other.good").as_deref(), Some("one\ntook N ms\n"));
    assert_eq!(run(&repo, &arch, &[]).code, 0);
}

#[test]
fn golden_file_without_test_is_an_error() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/prints", PRINTS)]);
    std::fs::write(file(&repo, "print.good"), "one\n").unwrap();
    let output = run(&repo, &arch, &[]);
    assert_eq!(output.code, 2);
    output.stderr_has(["belongs to no test", "did you mean `prints.good`?"]);
}

#[test]
fn failed_subtest_fails_the_test() {
    let Some(arch) = arch() else { return };
    let ktap = "# Says KTAP.\nin_host() {\n    printf '%s\\n' 'KTAP version 1' 1..2 'ok 1 good' 'not ok 2 bad'\n}\n";
    let short =
        "# Is cut short.\nin_host() {\n    printf '%s\\n' 'KTAP version 1' 1..2 'ok 1 good'\n}\n";
    let repo = TestRepo::with(&[("a/ktap", ktap), ("a/short", short)]);
    let (code, events) = repo.events(&arch, &[]);
    assert_eq!(code, 100);
    let finished = events
        .iter()
        .filter(|event| event["reason"] == "test-finished");
    let causes: Vec<&str> = finished
        .clone()
        .map(|test| test["cause"].as_str().unwrap())
        .collect();
    let expect = [
        "1 of 2 subtests failed, first `bad`",
        "2 subtests were planned, 1 reported",
    ];
    assert!(
        expect.iter().all(|cause| causes.contains(cause)),
        "{causes:?}"
    );
    let subtests = finished.map(|test| test["subtests"].as_array().unwrap().len());
    assert_eq!(subtests.sum::<usize>(), 3);
}

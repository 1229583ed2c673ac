//! Concurrent runs, and runs on a busy host.

use std::process::{Child, Command};

use harness::qemu::arch;
use harness::repo::{TestRepo, spawn_silent};

/// Default of `KILN_REPEATS`, the number of runs.
const REPEATS: usize = 10;

const PASS: &str = "#!/bin/sh\n# Passes.\n\nin_guest() {\n    true\n}\n";

/// A busy loop that ends with the test.
struct Busy(Child);

impl Busy {
    fn start() -> Self {
        let command = Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn();
        Self(command.unwrap())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn trivial_test_passes_on_busy_host() {
    let Some(arch) = arch() else { return };
    let repeats = std::env::var("KILN_REPEATS").map_or(REPEATS, |count| count.parse().unwrap());
    let repo = TestRepo::of_area("evil");
    for number in 0..repeats {
        repo.write(&format!("again/pass-{number}.sh"), PASS);
    }
    let _busy = [Busy::start(), Busy::start()];
    let output = repo.test(&arch, &["again::", "--quiet"]).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    assert!(
        stdout.contains(&format!("{repeats} tests: {repeats} passed")),
        "{stdout}"
    );
    repo.assert_clean("after all");
}

/// Two of these pass only if they run at the same time.
const MEETS: [&str; 2] = [
    "# Meets the other test.\nin_host() {\n    echo hello > @DIR@/pipe\n    touch @DIR@/one\n}\n",
    "# Meets the other test.\nin_host() {\n    read -r line < @DIR@/pipe\n    test \"$line\" = hello\n    touch @DIR@/two\n}\n",
];
/// Passes only after both of them.
const MEASURES: &str =
    "# Measures time.\n#: timing = true\nin_host() {\n    rm @DIR@/one @DIR@/two\n}\n";

#[test]
fn test_that_measures_time_runs_alone() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[
        ("a/measures", MEASURES),
        ("b/one", MEETS[0]),
        ("b/two", MEETS[1]),
    ]);
    let made = Command::new("mkfifo")
        .arg(repo.path().join("pipe"))
        .status();
    assert!(made.unwrap().success());
    // Three threads take the three tests at the same time, in each round.
    let (code, events) = repo.events(&arch, &["-j3", "--repeat=10"]);
    assert_eq!(code, 0, "{events:#?}");
}

#[test]
fn concurrent_runs_share_an_empty_store() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::of_area("evil");
    let run = || spawn_silent(repo.test(&arch, &["evil::floods", "--exact"]));
    for mut run in [run(), run()] {
        assert_eq!(run.wait().unwrap().code(), Some(0));
    }
    for number in ["1", "2"] {
        assert!(repo.runs().join(number).join("report.json").exists());
    }
    repo.assert_clean("after both");
}

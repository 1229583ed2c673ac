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

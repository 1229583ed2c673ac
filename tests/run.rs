//! Whole runs, with QEMU and the images of the repository: that each way to end is named for what it
//! is, that nothing survives a run, and that all of it works offline from an empty store.
//!
//! Where the QEMU of an architecture is not installed, its tests say so and check nothing.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "acts as a user does"
)]

#[path = "run/choices.rs"]
mod choices;
#[path = "run/golden.rs"]
mod golden;
#[path = "run/place.rs"]
mod place;
#[path = "run/repeat.rs"]
mod repeat;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use place::{Place, arch};

#[test]
fn each_way_to_end_is_named_for_what_it_is() {
    let Some(arch) = arch() else { return };
    let place = Place::evil();
    // The time limits of the tests are theirs; only the hang before init has to reach the boot's.
    let args = [
        "test",
        "--offline",
        "--arch",
        &arch,
        "--message-format",
        "json",
        "--timeout-factor",
        "0.5",
    ];
    let output = place.xtask(&args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut ends = BTreeMap::new();
    for line in lines.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        if value["reason"] == "test-finished" {
            let test = value["test"].as_str().unwrap().to_owned();
            let mut end = value["outcome"].as_str().unwrap().to_owned();
            for detail in ["phase", "cause", "signal"] {
                if !value[detail].is_null() && (detail != "cause" || test == "fails") {
                    end = format!("{end} {}", value[detail].to_string().trim_matches('"'));
                }
            }
            ends.insert(test, end);
        }
    }
    let expected = [
        ("fails", "failed two and two are five"),
        ("floods", "passed"),
        ("forges", "failed"),
        ("hang", "timed-out test"),
        ("hang-in-boot", "timed-out boot"),
        ("kills-qemu", "qemu-crashed 11"),
        ("leaves", "lost-guest"),
        ("needs-what-is-not-there", "skipped"),
        ("panic", "guest-panicked"),
        ("skips", "skipped"),
        ("wrong-option", "qemu-did-not-start"),
    ];
    let expected: BTreeMap<String, String> = expected
        .iter()
        .map(|(name, end)| ((*name).to_owned(), (*end).to_owned()))
        .collect();
    assert_eq!(ends, expected, "{stderr}");
    assert_eq!(output.status.code(), Some(100));
    assert_eq!(place.wait_until_quiet(), Vec::<String>::new());
    assert_eq!(
        std::fs::read_dir(place.tmp()).unwrap().count(),
        0,
        "scratch is left behind"
    );
}

#[test]
fn what_a_guest_prints_cannot_drive_a_terminal() {
    let Some(arch) = arch() else { return };
    let place = Place::evil();
    let args = [
        "test",
        "--offline",
        "--arch",
        &arch,
        "floods",
        "--no-capture",
    ];
    let output = place.xtask(&args).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let shown = [output.stdout, output.stderr].concat();
    assert!(!shown.contains(&0x1b) && !shown.contains(&0x07));
    assert!(String::from_utf8_lossy(&shown).contains("owned"));
}

/// Starts a test that would run for a long time, and waits until its QEMU is there.
fn start_long(place: &Place, arch: &str) -> Child {
    let args = [
        "test",
        "--offline",
        "--arch",
        arch,
        "evil::hang",
        "--exact",
        "--timeout-factor",
        "60",
    ];
    let mut child = place
        .xtask(&args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !place
        .processes()
        .iter()
        .any(|line| line.contains("-nodefaults"))
    {
        assert!(Instant::now() < deadline, "no QEMU came");
        assert!(child.try_wait().unwrap().is_none(), "the run ended early");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args([name, &pid])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn an_interrupted_run_leaves_no_process_and_no_directory() {
    let Some(arch) = arch() else { return };
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let place = Place::evil();
        let mut child = start_long(&place, &arch);
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{name}");
        assert_eq!(place.wait_until_quiet(), Vec::<String>::new(), "{name}");
        assert_eq!(std::fs::read_dir(place.tmp()).unwrap().count(), 0, "{name}");
    }
}

#[test]
fn a_killed_run_leaves_no_process() {
    let Some(arch) = arch() else { return };
    let place = Place::evil();
    let mut child = start_long(&place, &arch);
    signal(&child, "-KILL");
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert_eq!(place.wait_until_quiet(), Vec::<String>::new());
}

#[test]
fn two_runs_at_once_share_one_empty_store() {
    let Some(arch) = arch() else { return };
    let place = Place::evil();
    let args = [
        "test",
        "--offline",
        "--arch",
        &arch,
        "evil::floods",
        "--exact",
        "--quiet",
    ];
    let runs: Vec<Child> = (0..2)
        .map(|_| place.xtask(&args).spawn().unwrap())
        .collect();
    for mut run in runs {
        assert_eq!(run.wait().unwrap().code(), Some(0));
    }
}

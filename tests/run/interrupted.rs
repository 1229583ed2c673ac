//! An interrupted run, or one whose reader is gone, ends in order and leaves nothing.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use harness::qemu::arch;
use harness::repo::{TestRepo, signal, spawn_silent, wait_for};

const SIGNALS: [(&str, i32); 3] = [("-INT", 130), ("-TERM", 143), ("-HUP", 129)];

#[test]
fn interrupted_run_leaves_nothing_behind() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::of_area("hung");
    for (name, code) in SIGNALS {
        let mut child = spawn_silent(repo.test(&arch, &[]));
        let qemu = |line: &String| line.contains("-nodefaults");
        wait_for(&mut child, "a QEMU", || repo.processes().iter().any(qemu));
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{name}");
        repo.assert_clean(name);
    }
}

/// Interrupts a test as soon as it has printed a line, with each signal.
fn interrupt_at_first_line(test: &str) {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::of_area("evil");
    for (name, code) in SIGNALS {
        let args = [test, "--exact", "--no-capture", "--timeout-factor=60"];
        let mut command = repo.test(&arch, &args);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "waiting\n", "{name}");
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{name}");
        repo.assert_clean(name);
    }
}

#[test]
fn interrupt_during_guest_test_leaves_nothing() {
    interrupt_at_first_line("evil::hang");
}

#[test]
fn interrupt_during_host_script_leaves_nothing() {
    interrupt_at_first_line("evil::hangs-on-host");
}

#[test]
fn closed_stdout_does_not_change_the_verdict() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::of_area("evil");
    let args = ["evil::fails", "evil::skips", "--exact"];
    let mut command = repo.test(&arch, &args);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(100));
    assert!(repo.runs().join("1/report.json").exists());
    repo.assert_clean("unread");
}

//! Tests the debugging options: gdb, monitor, trace events, system calls.

use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use harness::qemu::arch;
use harness::repo::TestRepo;
use host::wait::{self, Limit};
use serde_json::Value;

const COMES_UP: &str = "# Comes up.\nin_guest() {\n    true\n}\n";

/// The notes of a run.
fn notes(events: &[Value]) -> Vec<String> {
    let notes = events.iter().filter(|event| event["reason"] == "note");
    notes
        .map(|event| event["text"].as_str().unwrap().to_owned())
        .collect()
}

fn connect(path: &str) -> UnixStream {
    let limit = Limit::within(Duration::from_secs(60));
    wait::poll(limit, || UnixStream::connect(path).ok()).unwrap()
}

/// The path of a socket, the last word of a note.
fn path(line: &str, before: &str) -> String {
    let (_, path) = line.rsplit_once(before).unwrap();
    path.trim_matches('\'').to_owned()
}

/// A run whose guest waits for a debugger or monitor.
struct WaitingRun {
    run: Child,
    events: Lines<BufReader<ChildStdout>>,
}

impl WaitingRun {
    /// The limits of a test are far shorter than it waits here.
    fn start(repo: &TestRepo, arch: &str, flags: &[&str]) -> Self {
        let args = ["--message-format=json", "--timeout-factor=0.01"];
        let mut test = repo.test(arch, &[&args, flags].concat());
        let test = test.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut run = test.spawn().unwrap();
        let events = BufReader::new(run.stdout.take().unwrap()).lines();
        Self { run, events }
    }

    /// The next note.
    fn note(&mut self) -> String {
        let events = self.events.by_ref();
        let mut events = events.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        let note = events.find(|event| event["reason"] == "note").unwrap();
        note["text"].as_str().unwrap().to_owned()
    }

    /// Waits for the run and checks that its test passes.
    fn assert_passes(mut self) {
        let rest: String = self.events.map(Result::unwrap).collect();
        assert!(rest.contains(r#""outcome":"passed""#), "{rest}");
        assert_eq!(self.run.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn debugged_guest_waits_and_has_monitor() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/up", COMES_UP)]);
    let mut run = WaitingRun::start(&repo, &arch, &["--gdb", "--monitor=qmp"]);
    let (gdb, monitor) = (run.note(), run.note());
    assert!(
        gdb.starts_with("gdb") && gdb.contains("set architecture "),
        "{gdb}"
    );
    let mut monitor = connect(&path(&monitor, "UNIX-CONNECT:"));
    let ask = b"{\"execute\":\"qmp_capabilities\"}{\"execute\":\"query-status\"}\n";
    monitor.write_all(ask).unwrap();
    let answers = BufReader::new(monitor.try_clone().unwrap()).lines();
    let mut answers = answers.map(Result::unwrap);
    let status = answers.find(|line| line.contains("\"status\"")).unwrap();
    assert!(status.contains("prelaunch"), "{status}");
    let mut debugger = connect(&path(&gdb, "target remote "));
    // gdb's `continue` with its checksum.
    debugger.write_all(b"+$c#63").unwrap();
    run.assert_passes();
    let mut last = Vec::new();
    debugger.read_to_end(&mut last).unwrap();
    assert_eq!(repo.processes_left(), Vec::<String>::new());
}

#[test]
fn guest_waits_for_its_monitor() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/up", COMES_UP)]);
    let mut run = WaitingRun::start(&repo, &arch, &["--monitor"]);
    let mut monitor = connect(&path(&run.note(), "UNIX-CONNECT:"));
    monitor.write_all(b"info status\ncont\n").unwrap();
    let mut seen = Vec::new();
    monitor.read_to_end(&mut seen).unwrap();
    let seen = String::from_utf8_lossy(&seen).into_owned();
    assert!(seen.contains("VM status: paused (prelaunch)"), "{seen}");
    run.assert_passes();
}

#[test]
fn trace_events_and_syscalls_are_logged() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/up", COMES_UP)]);
    let (code, events) = repo.events(&arch, &["--trace", "qmp_enter_*"]);
    assert_eq!(code, 0);
    let log = notes(&events);
    let log = std::fs::read_to_string(path(log.last().unwrap(), ": ")).unwrap();
    assert!(log.contains("qmp_enter_qmp_capabilities"), "{log}");
    // Events of QEMU's own NVMe driver, not of its device model.
    let (code, events) = repo.events(&arch, &["--trace", "nvme_*"]);
    let last = notes(&events).pop().unwrap();
    let expect = "no trace event of `nvme_*` happened: ";
    assert!(code == 0 && last.starts_with(expect), "{code} {last}");
    let trace = |flags: &[&str]| {
        let args = ["test", "--offline", "--arch", &arch, "a::up"];
        repo.run(&[&args[..], flags].concat())
    };
    let wrong = trace(&["--trace", "qmp_enter_qmp_capabilitie"]);
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
    let help = "did you mean `qmp_enter_qmp_capabilities`?";
    assert!(wrong.stderr.contains(help), "{}", wrong.stderr);
}

#[test]
fn missing_strace_is_reported() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/up", COMES_UP)]);
    // A fake strace, because only the way QEMU is started under it matters.
    let tools = repo.path().join("tools");
    let strace = tools.join("strace");
    let script = "echo \"$@\" > \"$4\"\nshift 4\nexec \"$@\"";
    repo.executable(&strace, script);
    let search = std::env::var("PATH").unwrap();
    let run = |path: &str| {
        let args = ["test", "--offline", "--arch", &arch, "--strace-qemu"];
        let mut run = repo.xtask(&args);
        run.env("PATH", path).output().unwrap()
    };
    let done = run(&format!("{}:{search}", tools.display()));
    assert_eq!(done.status.code(), Some(0));
    let log = repo.runs().join("1").join(&arch).join("a/up/strace.log");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(
        log.starts_with("-f -tt -o") && log.contains("qemu-system-"),
        "{log}"
    );
    let here = std::env::split_paths(&search).filter(|path| !path.join("strace").exists());
    let without = tools.with_file_name("without");
    std::fs::create_dir(&without).unwrap();
    let qemu = format!("qemu-system-{arch}");
    let mut found = std::env::split_paths(&search).map(|path| path.join(&qemu));
    let found = found.find(|path| path.exists()).unwrap();
    std::os::unix::fs::symlink(found, without.join(&qemu)).unwrap();
    let path = std::env::join_paths(here.chain([without])).unwrap();
    let done = run(path.to_str().unwrap());
    let message = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(96), "{message}");
    assert!(message.contains("apt-get install strace"), "{message}");
}

#[test]
fn failed_guest_offers_a_shell() {
    let Some(arch) = arch() else { return };
    let fails = "# Fails.\nin_guest() {\n    false\n}\n";
    let repo = TestRepo::with(&[("a/fails", fails)]);
    let args = ["test", "--offline", "--arch", &arch, "--shell-on-fail"];
    // The end of the input ends the shell; a reboot ends the guest.
    for keys in [
        "echo the answer is $((6 * 7))\n",
        "echo the answer is $((6 * 7)); reboot\n",
    ] {
        let mut run = repo.xtask(&args);
        let pipe = std::process::Stdio::piped;
        let mut child = run
            .stdin(pipe())
            .stdout(pipe())
            .stderr(pipe())
            .spawn()
            .unwrap();
        let mut keyboard = child.stdin.take().unwrap();
        keyboard.write_all(keys.as_bytes()).unwrap();
        drop(keyboard);
        let output = child.wait_with_output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(stdout.contains("\nthe answer is 42"), "{stdout}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let cause = "fails.sh:3: `false`: exit status 1\n";
        assert!(stderr.contains(cause), "{stderr}");
        assert_eq!(output.status.code(), Some(100), "{stdout}");
        let cause = "failed: guest-tests/a/fails.sh:3: `false`: exit status 1";
        assert!(stdout.contains(cause), "{stdout}");
    }
}

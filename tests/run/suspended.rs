//! Runs that are stopped in the middle, as by Ctrl-Z or by a host that suspends, and runs with a stopped QEMU.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use harness::qemu::arch;
use harness::repo::{TestRepo, outcomes, wait_for};

/// Creates a file once its guest runs, and ends when the test has removed the file.
const WAITS: &str = r#"# Waits for the end of the stop.
#: timeout = "3s"
in_host() {
    qemu &
    await runs
    touch @DIR@/runs
    while test -e @DIR@/runs; do
        sleep 0.1
    done
    post continue
    wait "$!"
}
in_guest() {
    post runs
    await continue 2
    sleep 0.2
}
"#;

/// Sends a signal to each process of a run, Kiln first, whose name begins so.
fn signal(run: &Child, name: &str, program: &str) {
    const SCRIPT: &str = r#"each() {
        case $(cat "/proc/$1/comm") in
            "$program"*) kill "$signal" "$1" || : ;;
        esac
        for child in $(cat "/proc/$1/task/"*/children); do
            each "$child"
        done
    }
    signal=$1 program=$2
    # A process may end meanwhile.
    each "$3" 2> /dev/null"#;
    let pid = run.id().to_string();
    let mut shell = Command::new("sh");
    let status = shell
        .args(["-c", SCRIPT, "sh", name, program, &pid])
        .status();
    assert!(status.unwrap().success());
}

/// Starts a run with this QEMU start, and waits until its guest runs.
fn started(arch: &str, start: &str) -> (TestRepo, Child, PathBuf) {
    let repo = TestRepo::with(&[("a/waits", WAITS)]);
    let args = [
        "--accel=tcg",
        "--timeout-factor=1",
        "--message-format=json",
        start,
    ];
    let mut command = repo.test(arch, &args);
    command.stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let file = repo.path().join("runs");
    wait_for(&mut child, "a running guest", || file.exists());
    (repo, child, file)
}

/// Lets the guest end, continues the stopped processes, and checks that the run passes.
fn assert_passes((repo, child, file): (TestRepo, Child, PathBuf), program: &str, what: &str) {
    std::fs::remove_file(file).unwrap();
    signal(&child, "-CONT", program);
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{what}: {stdout}");
    repo.assert_clean(what);
}

#[test]
fn stopped_run_continues_to_its_verdict() {
    let Some(arch) = arch() else { return };
    for start in ["--start=cold", "--start=warm"] {
        let run = started(&arch, start);
        signal(&run.1, "-STOP", "");
        // Longer than the time limit of the test.
        std::thread::sleep(Duration::from_secs(6));
        assert_passes(run, "", start);
    }
}

#[test]
fn qemu_that_continues_keeps_its_verdict() {
    let Some(arch) = arch() else { return };
    let run = started(&arch, "--start=cold");
    signal(&run.1, "-STOP", "qemu-system");
    std::thread::sleep(Duration::from_secs(1));
    assert_passes(run, "qemu-system", "after all");
}

#[test]
fn stopped_qemu_is_named_at_the_limit() {
    let Some(arch) = arch() else { return };
    let (repo, child, _) = started(&arch, "--start=cold");
    signal(&child, "-STOP", "qemu-system");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(100));
    let outcome = &outcomes(&output)["waits"];
    assert!(outcome.starts_with("timed-out: "), "{outcome}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let note = "QEMU reached the time limit: a signal has stopped it";
    assert!(stdout.contains(note), "{stdout}");
    repo.assert_clean("after all");
}

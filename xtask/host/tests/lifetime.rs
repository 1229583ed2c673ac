//! Nothing outlives the run: children and directories are removed when it is interrupted, killed or
//! fails.
//!
//! `examples/child.rs` is the run. Cargo builds it next to these tests.

#![expect(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use host::process::{Command, ExitStatus, Running, Stdio};
use host::scratch::Scratch;

const LIMIT: Duration = Duration::from_secs(60);

/// `target/<profile>/examples/child`, from `target/<profile>/deps/lifetime-<hash>`.
fn child() -> PathBuf {
    #[expect(
        clippy::disallowed_methods,
        reason = "the test asks where it was built"
    )]
    let test = std::env::current_exe().expect("a path");
    let profile = test.ancestors().nth(2).expect("a directory");
    profile.join("examples/child")
}

/// A run that holds a command, and what it printed about itself.
struct Held {
    run: Running,
    /// The command's own process and a grandchild.
    processes: Vec<i32>,
    /// Its scratch directory.
    directory: Utf8PathBuf,
    _parent: Scratch,
}

fn hold(script: &str) -> Held {
    hold_as("hold", script)
}

fn hold_as(how: &str, script: &str) -> Held {
    let parent = Scratch::new_in(Utf8Path::new("/tmp"), "lifetime").expect("made");
    let command = Command::new(child()).args([how, parent.path().as_str(), "sh", "-c", script]);
    let mut run = command.stdout(Stdio::Pipe).spawn().expect("starts");
    let mut line = String::new();
    BufReader::new(run.stdout.take().expect("a pipe"))
        .read_line(&mut line)
        .expect("a line");
    let words: Vec<&str> = line.split_whitespace().collect();
    let processes = words[..2]
        .iter()
        .map(|word| word.parse().expect("a process id"))
        .collect();
    Held {
        run,
        processes,
        directory: words[2].into(),
        _parent: parent,
    }
}

/// The process is gone, or is an unreaped zombie.
fn is_dead(process: i32) -> bool {
    let stat = fs_err::read_to_string(format!("/proc/{process}/stat"));
    stat.map_or(true, |stat| {
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" Z"))
    })
}

/// Waits until all processes are dead, because the kernel kills asynchronously.
fn all_die(processes: &[i32]) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while !processes.iter().all(|process| is_dead(*process)) {
        if Instant::now() > end {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

fn signal(run: &Running, signal: rustix::process::Signal) {
    let pid = i32::try_from(run.pid()).expect("small");
    let pid = rustix::process::Pid::from_raw(pid).expect("a process id");
    rustix::process::kill_process(pid, signal).expect("sent");
}

const SLEEPER: &str = "sleep 1000 & echo $!; wait";
const STUBBORN: &str = "trap '' TERM INT; sleep 1000 & echo $!; while :; do wait; done";

#[test]
fn guarded_child_keeps_arguments_and_status() {
    let check = |argv: &[&str], status: i32, stdout: &str| {
        let command = Command::new(child()).arg("run").args(argv);
        let output = command.output(LIMIT).expect("runs");
        assert_eq!(
            output.status,
            ExitStatus::Code(status),
            "{}",
            output.stderr_text()
        );
        assert_eq!(output.stdout_text(), stdout);
    };
    check(&["true"], 0, "");
    check(&["sh", "-c", "exit 77"], 77, "");
    check(&["sh", "-c", "kill -KILL $$"], 137, "");
    check(&["printf", "%s|", "--", "a b", "", "-c"], 0, "--|a b||-c|");
    check(&["sh", "-c", "ulimit -c"], 0, "0\n");
}

#[test]
fn unexecutable_program_exits_with_127() {
    let directory = Scratch::new_in(Utf8Path::new("/tmp"), "guard").expect("made");
    let file = directory.path().join("no-program");
    fs_err::write(&file, "text").expect("written");
    let command = Command::new(child()).args(["run", file.as_str()]);
    let output = command.output(LIMIT).expect("runs");
    assert_eq!(output.status, ExitStatus::Code(127));
    let start = format!("failed to start `{file}`: ");
    assert!(
        output.stderr_text().starts_with(&start),
        "{}",
        output.stderr_text()
    );
}

#[test]
fn child_ends_with_killed_run() {
    // `exec`: the guard becomes the program itself, without a shell in between.
    let held = hold("echo $$; exec sleep 1000");
    signal(&held.run, rustix::process::Signal::KILL);
    assert_eq!(held.run.wait(LIMIT), Some(ExitStatus::Signal(9)));
    assert!(all_die(&held.processes));
}

#[test]
fn interrupted_run_ends_cleanly() {
    use rustix::process::Signal;
    for (sent, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let held = hold(SLEEPER);
        assert!(held.directory.exists());
        signal(&held.run, sent);
        assert_eq!(held.run.wait(LIMIT), Some(ExitStatus::Code(code)));
        assert!(all_die(&held.processes));
        assert!(!held.directory.exists());
    }
}

#[test]
fn child_ignoring_interrupt_is_killed() {
    let held = hold(STUBBORN);
    signal(&held.run, rustix::process::Signal::INT);
    assert_eq!(held.run.wait(LIMIT), Some(ExitStatus::Code(130)));
    assert!(all_die(&held.processes));
    assert!(!held.directory.exists());
}

#[test]
fn second_interrupt_ends_run_immediately() {
    let held = hold(STUBBORN);
    let start = Instant::now();
    signal(&held.run, rustix::process::Signal::INT);
    // Two pending signals of one kind are merged: the second must follow after the first was
    // handled.
    while held.run.wait(Duration::from_millis(50)).is_none() {
        signal(&held.run, rustix::process::Signal::TERM);
    }
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(held.run.try_wait(), Some(ExitStatus::Code(130)));
    assert!(all_die(&held.processes));
    assert!(!held.directory.exists());
}

/// Prints the process id of a process that left the group and lost its parent.
const DEPARTED: &str = "echo $( (setsid sh -c 'echo $$; exec sleep 1000 > /dev/null' &) )";

#[test]
fn escaped_process_ends_with_its_family() {
    let held = hold_as("hold-family", &format!("{DEPARTED}; exit 5"));
    assert_eq!(held.run.wait(LIMIT), Some(ExitStatus::Code(5)));
    assert!(all_die(&held.processes));
}

#[test]
fn escaped_process_ends_with_the_run() {
    use rustix::process::Signal;
    let script = format!("{DEPARTED}; exec sleep 1000");
    for (sent, end) in [
        (Signal::KILL, ExitStatus::Signal(9)),
        (Signal::TERM, ExitStatus::Code(143)),
    ] {
        let held = hold_as("hold-family", &script);
        signal(&held.run, sent);
        assert_eq!(held.run.wait(LIMIT), Some(end));
        assert!(all_die(&held.processes), "{sent:?}");
    }
}

/// Each process leaves its group, starts the next one and ends, so that every list of them is soon
/// outdated.
const FLIGHT: &str = "test $1 -gt 0 || exit; setsid sh \"$0\" $(($1 - 1)) & sleep 0.01";

#[test]
fn escaping_descendants_end_with_the_run() {
    let parent = Scratch::new_in(Utf8Path::new("/tmp"), "flight").expect("made");
    let file = parent.path().join("flight");
    fs_err::write(&file, FLIGHT).expect("written");
    let held = hold_as(
        "hold-family",
        &format!("sh {file} 3000 & echo $!; sleep 0.2"),
    );
    assert_eq!(held.run.wait(LIMIT), Some(ExitStatus::Code(0)));
    let fled = || {
        let look = Command::new("pgrep").args(["-f", file.as_str()]);
        look.output(LIMIT).expect("runs").stdout_text()
    };
    let end = Instant::now() + Duration::from_secs(10);
    while !fled().is_empty() && Instant::now() < end {
        std::thread::yield_now();
    }
    assert_eq!(fled(), "");
}

#[test]
fn scratch_is_private_under_every_umask() {
    let check = |umask: &str, others_file: &str| {
        let parent = Scratch::new_in(Utf8Path::new("/tmp"), "umask").expect("made");
        let script = "umask \"$1\"; shift; exec \"$@\"";
        let command = Command::new("sh").args(["-c", script, "sh", umask]);
        let command = command.arg(child()).args(["modes", parent.path().as_str()]);
        let said = command.output(LIMIT).expect("runs").stdout_text();
        assert_eq!(said, format!("700 600 {others_file}\n"), "umask {umask}");
    };
    check("000", "664");
    check("002", "664");
    check("022", "644");
    check("077", "600");
    check("177", "600");
}

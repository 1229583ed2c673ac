//! Tests `cargo xtask shell`, `monitor` and `gdb`, which attach to guests that other commands run.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use harness::output::Output;
use harness::qemu::arch;
use harness::repo::{TestRepo, spawn_silent};
use host::wait::{self, Limit};

/// Runs until a user ends it.
const WAITS: &str = "# Waits for a user.\nin_guest() {\n    until test -e /tmp/go; do\n        \
                     usleep 50000\n    done\n}\n";
const ENDS: &str = "# Ends at once.\nin_guest() {\n    true\n}\n";

/// Runs a command with this input until it no longer fails because the guest does not run yet.
fn attach(repo: &TestRepo, args: &[&str], input: &str) -> Output {
    let limit = Limit::within(Duration::from_secs(120));
    let attached = wait::poll(limit, || {
        let output = once(repo, args, input);
        let is_early = ["no guest is running", "no guest matches"];
        let is_early = is_early.iter().any(|text| output.stderr.contains(text));
        (!is_early).then_some(output)
    });
    attached.unwrap()
}

fn once(repo: &TestRepo, args: &[&str], input: &str) -> Output {
    let mut command = repo.xtask(args);
    let pipe = Stdio::piped;
    let command = command.stdin(pipe()).stdout(pipe()).stderr(pipe());
    let mut child = command.spawn().unwrap();
    let mut keys = child.stdin.take().unwrap();
    // A command that is refused reads nothing.
    let _ = keys.write_all(input.as_bytes());
    drop(keys);
    Output::from(child.wait_with_output().unwrap())
}

fn assert_passed(mut run: Child) {
    assert_eq!(run.wait().unwrap().code(), Some(0));
}

#[test]
fn users_open_shells_in_a_running_guest() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/waits", WAITS)]);
    let run = spawn_silent(repo.test(&arch, &["--shell"]));
    let first = "echo the answer is $((6 * 7)); stty size\n";
    let shell = attach(&repo, &["shell"], first);
    assert_eq!(shell.code, 0, "{}", shell.stderr);
    let expect = "1.1 ".to_owned() + &arch + " a::waits: ";
    assert!(shell.stderr.contains(&expect), "{}", shell.stderr);
    assert!(
        shell.stdout.contains("the answer is 42\r\n24 80\r\n"),
        "{}",
        shell.stdout
    );
    // The shell of the first user has ended, and the next user gets another one.
    let second = once(&repo, &["shell", "a::waits"], "echo again $((7 * 6))\n");
    assert_eq!(second.code, 0, "{}", second.stderr);
    second.stdout_has(["again 42\r\n"]);
    // The end of the test ends a shell. Its last output may be lost with the guest.
    let last = once(&repo, &["shell"], "touch /tmp/go; sleep 1000\n");
    assert_eq!(last.code, 101, "{}", last.stderr);
    last.stderr_has(["error: the guest has ended"]);
    assert_passed(run);
    repo.assert_clean("shell");
    let links = repo.repository().join("target/kiln/attach");
    assert_eq!(std::fs::read_dir(links).unwrap().count(), 0);
}

#[test]
fn monitor_and_gdb_attach_to_any_guest() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/ends", ENDS), ("a/waits", WAITS)]);
    // Without options: `monitor` and `gdb` need none.
    let mut run = spawn_silent(repo.test(&arch, &["-j1", "--start=cold"]));
    let status = attach(&repo, &["monitor", "a::waits"], "info status\n");
    let hmp = |input: &str| once(&repo, &["monitor", "1.2"], input);
    assert_eq!(status.stdout, "VM status: running\n", "{}", status.stderr);
    let wrong = hmp("no-such-command\ninfo version\n");
    assert!(
        wrong
            .stdout
            .starts_with("unknown command: 'no-such-command'\n"),
        "{}",
        wrong.stdout
    );
    let qmp = [
        r#"{"execute": "qmp_capabilities"}"#,
        r#"{"execute": "query-name", "id": 7}"#,
        "{}",
    ];
    let qmp = once(
        &repo,
        &["monitor", "--protocol=qmp"],
        &(qmp.join("\n") + "\n"),
    );
    let lines: Vec<&str> = qmp.stdout.lines().collect();
    assert!(lines[0].starts_with(r#"{"QMP":{"#), "{}", qmp.stdout);
    let error = r#"{"error":{"class":"GenericError","desc":"expected an object with `execute`"}}"#;
    assert_eq!(
        lines[1..],
        [r#"{"return":{}}"#, r#"{"id":7,"return":{}}"#, error]
    );

    let ended = once(&repo, &["shell", "a::ends"], "");
    let expect = format!("error: the guest 1.1 {arch} a::ends has ended\n");
    assert!(
        ended.code == 2 && ended.stderr.starts_with(&expect),
        "{}",
        ended.stderr
    );
    let unknown = once(&repo, &["gdb", "nonsense"], "");
    let expect = format!(
        "error: no guest matches `nonsense`; running:\n  1.2 {arch} a::waits\n\
         help: cargo xtask gdb 1.2\n"
    );
    assert_eq!((unknown.code, unknown.stderr), (2, expect));
    let refused = once(&repo, &["shell"], "");
    let expect = "error: this run offers no shell: add `--shell`\n";
    assert!(
        refused.code == 2 && refused.stderr.ends_with(expect),
        "{}",
        refused.stderr
    );

    let gdb = once(&repo, &["gdb", "--print"], "");
    let (_, socket) = gdb.stdout.trim().rsplit_once("target remote ").unwrap();
    let mut debugger = UnixStream::connect(socket.trim_matches('\'')).unwrap();
    let mut send = |packet: &[u8], end: &str| {
        debugger.write_all(packet).unwrap();
        let (mut reply, mut byte) = (String::new(), [0]);
        while !reply.ends_with(end) {
            debugger.read_exact(&mut byte).unwrap();
            reply.push(byte[0].into());
        }
    };
    // A debugger that attaches stops the guest. `?` asks for the reason.
    send(b"+$?#3f", "$T05");
    assert_eq!(hmp("info status\n").stdout, "VM status: paused\n");
    // The guest continues when the debugger leaves.
    send(b"+$D#44", "$OK#9a");
    assert_eq!(hmp("info status\n").stdout, "VM status: running\n");
    // A test passes only if its guest reports that.
    hmp("stop\nquit\n");
    assert_eq!(run.wait().unwrap().code(), Some(100));
    repo.assert_clean("monitor");
}

#[test]
fn gdb_is_started_and_missing_gdb_is_reported() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/waits", WAITS)]);
    let run = spawn_silent(repo.test(&arch, &["--shell"]));
    let status = attach(&repo, &["monitor"], "info status\n");
    assert_eq!(status.code, 0, "{}", status.stderr);
    let tools = repo.path().join("tools");
    repo.executable(
        &tools.join("gdb-multiarch"),
        "for word; do echo \"$word\"; done",
    );
    let search = std::env::var("PATH").unwrap();
    let gdb = |path: String| {
        let mut gdb = repo.xtask(&["gdb"]);
        Output::of(gdb.env("PATH", path).stdin(Stdio::null()))
    };
    let started = gdb(format!("{}:{search}", tools.display()));
    assert_eq!(started.code, 0, "{}", started.stderr);
    assert!(
        started.stdout.contains("\ntarget remote /"),
        "{}",
        started.stdout
    );
    let here = std::env::split_paths(&search);
    let has_gdb = |path: &std::path::PathBuf| {
        ["gdb", "gdb-multiarch"]
            .iter()
            .any(|name| path.join(name).exists())
    };
    let without = std::env::join_paths(here.filter(|path| !has_gdb(path))).unwrap();
    let missing = gdb(without.into_string().unwrap());
    let expect = "error: `gdb` is not installed\nhelp: apt-get install gdb-multiarch\n";
    assert_eq!((missing.code, missing.stderr.as_str()), (96, expect));
    attach(&repo, &["shell"], "touch /tmp/go\n");
    assert_passed(run);
}

#[test]
fn attaching_needs_a_running_guest() {
    let repo = TestRepo::with(&[("a/waits", WAITS)]);
    let links = repo.repository().join("target/kiln/attach");
    std::fs::create_dir_all(&links).unwrap();
    // A killed command has left it.
    let left = links.join("kiln-run-abcdef");
    std::os::unix::fs::symlink(repo.tmp().join("gone"), &left).unwrap();
    for command in ["shell", "monitor", "gdb"] {
        let output = once(&repo, &[command], "");
        let expect = "error: no guest is running in this checkout\n\
                      help: start one: cargo xtask test --shell NAME, or cargo xtask boot\n";
        assert_eq!(
            (output.code, output.stderr.as_str()),
            (2, expect),
            "{command}"
        );
    }
    assert!(left.symlink_metadata().is_err());
}

#[test]
fn monitor_attaches_to_boot() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/ends", ENDS)]);
    let mut boot = repo.xtask(&["boot", "--offline", "--arch", &arch]);
    let pipe = Stdio::piped;
    let boot = boot
        .stdin(pipe())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut boot = boot.spawn().unwrap();
    let status = attach(&repo, &["monitor", "boot"], "info status\n");
    assert_eq!(status.stdout, "VM status: running\n", "{}", status.stderr);
    let shell = once(&repo, &["shell"], "");
    let expect = "error: the shell of this guest is in the terminal of `boot`\n";
    assert!(
        shell.code == 2 && shell.stderr.ends_with(expect),
        "{}",
        shell.stderr
    );
    once(&repo, &["monitor"], "quit\n");
    assert_eq!(boot.wait().unwrap().code(), Some(0));
    repo.assert_clean("boot");
}

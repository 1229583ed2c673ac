//! With `--offline`, no socket is opened that leaves the host. strace checks this, in a network
//! namespace without devices if the host allows one.

use std::path::Path;
use std::process::Command;

use harness::parts;
use harness::store::{command, has};

/// Runs the program offline. Returns its exit code, its output, and the calls for any sockets
/// except those between processes of this host.
fn traced(home: &Path, args: &[&str]) -> (i32, String, Vec<String>) {
    let trace = home.join("trace");
    let inner = command(&home.join("store"), args);
    let alone = Command::new("unshare").args(["-rn", "true"]).status();
    let alone = alone.is_ok_and(|status| status.success());
    let mut outer = Command::new(if alone { "unshare" } else { "strace" });
    outer.args(alone.then_some(["-rn", "strace"]).into_iter().flatten());
    outer.args(["-f", "--seccomp-bpf", "-qq", "-o", trace.to_str().unwrap()]);
    outer.args(["-e", "trace=socket,connect,bind", "--"]);
    outer.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    let (code, out, err) = parts(outer.output().unwrap());
    let calls = std::fs::read_to_string(trace).unwrap();
    let calls = calls
        .lines()
        .filter(|line| line.contains("AF_") && !line.contains("AF_UNIX"));
    (code, out + &err, calls.map(str::to_owned).collect())
}

#[test]
fn offline_opens_no_socket_leaving_the_host() {
    if !has("strace", "-V") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let arch = std::env::consts::ARCH;
    let none = Vec::<String>::new();
    let check = |args: &[&str], expected: i32, says: &str| {
        let (code, message, calls) = traced(home.path(), args);
        assert_eq!((code, &calls), (expected, &none), "{args:?}: {message}");
        assert!(message.contains(says), "{args:?}: {message}");
    };
    check(&["images", "--arch", arch], 0, "");
    let all = "help: with a network: cargo xtask fetch --sources";
    check(&["images", "--no-prebuilt", "--arch", "ppc64"], 102, all);
    check(&["fetch", "--sources"], 102, all);
    if has(&format!("qemu-system-{arch}"), "--version") {
        let test = [
            "test",
            "--timeout-factor=10",
            "--arch",
            arch,
            "boot::uname",
            "--exact",
        ];
        check(&test, 0, "1 passed");
    }
}

#[test]
fn socket_that_leaves_the_host_is_detected() {
    if !has("strace", "-V") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut online = command(&home.path().join("store"), &[]);
    let online = online.args([
        "fetch",
        "--sources",
        "--debian-mirror",
        "http://127.0.0.1:9",
    ]);
    let trace = home.path().join("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "--seccomp-bpf", "-qq", "-o", trace.to_str().unwrap()]);
    strace
        .args(["-e", "trace=socket,connect,bind", "--"])
        .arg(online.get_program());
    strace.args([
        "fetch",
        "--sources",
        "--debian-mirror",
        "http://127.0.0.1:9",
    ]);
    harness::program::isolate(&mut strace);
    strace.env("KILN_STORE", home.path().join("store"));
    let mut child = strace.stderr(std::process::Stdio::null()).spawn().unwrap();
    while !std::fs::read_to_string(&trace).is_ok_and(|calls| calls.contains("AF_INET")) {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended without a socket"
        );
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

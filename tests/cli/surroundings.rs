//! Tests the influence of the environment, the working directory and the output streams.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

use harness::parts;

use crate::{copy_of_the_recipes, xtask};

const LIST: [&str; 4] = ["test", "--list", "--arch", "x86_64"];

#[test]
fn invalid_environment_variable_is_refused() {
    let store = tempfile::tempdir().unwrap();
    let check = |name: &str, value: &[u8], expect: &str| {
        let mut command = xtask(store.path());
        command.env(name, OsStr::from_bytes(value)).args(LIST);
        let (code, stdout, stderr) = parts(command.output().unwrap());
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        let expect =
            format!("error: invalid environment variable `{name}`: {expect}\nhelp: unset {name}\n");
        assert_eq!(stderr, expect);
    };
    check(
        "KILN_STORE",
        b"/tmp/\xff",
        "expected UTF-8, found other bytes",
    );
    check(
        "KILN_QEMU",
        b"/tmp/\xff",
        "expected UTF-8, found other bytes",
    );
    check(
        "XDG_CONFIG_HOME",
        b"/tmp/\xff",
        "expected UTF-8, found other bytes",
    );
    check(
        "CARGO_NET_OFFLINE",
        b"perhaps",
        "expected `true` or `false`, found `perhaps`",
    );
}

#[test]
fn checkout_around_the_working_directory_is_used() {
    let copy = copy_of_the_recipes();
    let tests = copy.path().join("guest-tests");
    std::fs::remove_dir_all(&tests).unwrap();
    std::fs::create_dir_all(tests.join("own")).unwrap();
    std::fs::write(tests.join("own/test.sh"), "# Own.\nin_guest() { true; }\n").unwrap();
    let store = tempfile::tempdir().unwrap();
    let listed = |directory| {
        let mut command = xtask(store.path());
        let command = command.current_dir(copy.path().join(directory)).args(LIST);
        parts(command.output().unwrap())
    };
    for directory in ["", "guest-tests/own"] {
        let expect = (0, "x86_64::own::test\n".to_owned(), String::new());
        assert_eq!(listed(directory), expect);
    }
    std::fs::write(
        copy.path().join("Cargo.toml"),
        "[workspace.package]\nversion = \"0.0.1\"\n",
    )
    .unwrap();
    let (code, stdout, stderr) = listed("");
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(
        stderr.starts_with("error: expected Kiln 0.0.1, as in the checkout `"),
        "{stderr}"
    );

    let elsewhere = xtask(store.path()).current_dir("/").args(LIST).output();
    // Elsewhere, the checkout that contains the program is used.
    let (code, stdout, stderr) = parts(elsewhere.unwrap());
    assert!(
        code == 0 && stdout.contains("x86_64::boot::true\n"),
        "{code} {stderr}"
    );
}

#[test]
fn lost_output_is_an_error() {
    let store = tempfile::tempdir().unwrap();
    for args in [
        &LIST[..],
        &["test", "--list", "--message-format", "json"],
        &["images", "--plan"],
        &["completions", "bash"],
        &["--help"],
        &["--version"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = xtask(store.path())
            .args(args)
            .stdout(full)
            .output()
            .unwrap();
        let (code, _, stderr) = parts(output);
        let expect = "error: failed to write to standard output: No space left on device";
        assert!(
            code == 101 && stderr.contains(expect),
            "{args:?}: {code} {stderr}"
        );
    }
}

#[test]
fn closed_stdout_is_not_an_error() {
    let store = tempfile::tempdir().unwrap();
    let mut child = xtask(store.path())
        .args(LIST)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let (code, _, stderr) = parts(child.wait_with_output().unwrap());
    assert_eq!((code, stderr.as_str()), (0, ""));
}

#[test]
fn git_bisect_stops_at_a_wrong_command_line() {
    let store = tempfile::tempdir().unwrap();
    for args in [
        &["test", "boot::true", "--bisect"][..],
        &["test", "--bisect", "--qemu", "/usr", "--no-such-flag"],
        &["test", "--bisect", "--qemu", "/usr", "no-such-test"],
        &["test", "--bisect", "--qemu", "/usr", "-E", "("],
        &["test", "--bisect", "--qemu", "/usr", "--seed", "x"],
    ] {
        let (code, _, stderr) = parts(xtask(store.path()).args(args).output().unwrap());
        assert!(code >= 128, "{args:?}: {code} {stderr}");
    }
    let (code, _, stderr) = parts(
        xtask(store.path())
            .env("CARGO_NET_OFFLINE", "perhaps")
            .args(["test", "--bisect", "--qemu", "/usr"])
            .output()
            .unwrap(),
    );
    assert_eq!(code, 128, "{stderr}");
    // A request for help is not an error.
    let help = xtask(store.path())
        .args(["test", "--bisect", "--help"])
        .output();
    let (code, _, _) = parts(help.unwrap());
    assert_eq!(code, 0);
}

//! Tests full disks: a file system of a few pages, mounted in a separate namespace.

use std::path::Path;
use std::process::{Command, Output};

use harness::qemu::arch;
use harness::repo::TestRepo;
use harness::skip;

/// Exit status of the script below if scratch files are left.
const LEFT: i32 = 8;

/// Runs two tests with a file system of this size in kilobytes at a folder. `None` if mounts are
/// not permitted.
fn run(repo: &TestRepo, folder: &Path, kilobytes: u32) -> Option<Output> {
    run_tests(
        repo,
        folder,
        kilobytes,
        &["evil::fills", "evil::floods", "--exact"],
    )
}

/// The same with these arguments of `test`.
fn run_tests(repo: &TestRepo, folder: &Path, kilobytes: u32, args: &[&str]) -> Option<Output> {
    let arch = arch()?;
    let id = Command::new("id").arg("-u").output().unwrap().stdout;
    let own = if id == b"0\n" { "-m" } else { "-rm" };
    let mut possible = Command::new("unshare");
    let possible = possible
        .args([own, "mount", "-t", "tmpfs", "none", "/mnt"])
        .output();
    if !possible.is_ok_and(|output| output.status.success()) {
        skip("no file system may be mounted, not even in a user namespace");
        return None;
    }
    std::fs::create_dir_all(folder).unwrap();
    let script = format!(
        "exec unshare {own} sh -c '
            mount -t tmpfs -o size={kilobytes}k none \"$FOLDER\"
            \"$@\"
            status=$?
            test -z \"$(ls \"$TMPDIR\")\" || exit {LEFT}
            exit $status' sh \"$@\""
    );
    let mut command = repo.test_in_script(&script, &arch, args);
    let output = command.env("FOLDER", folder).output().unwrap();
    repo.assert_clean("without room");
    Some(output)
}

#[test]
fn failure_on_full_disk_is_setup_error() {
    let repo = TestRepo::of_area("evil");
    let Some(output) = run(&repo, &repo.tmp(), 64) else {
        return;
    };
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(96), "{shown}");
    let cause = "no space left in `TMPDIR`, so the result does not count: \
        failed: guest-tests/evil/fills.sh:5: ";
    assert!(shown.contains(cause), "{shown}");
    // The other test is not affected.
    assert!(shown.contains("2 tests: 1 not run, 1 passed"), "{shown}");
}

#[test]
fn guest_that_cannot_be_saved_boots() {
    let repo = TestRepo::with(&[("a/true", "# Passes.\nin_guest() {\n    true\n}\n")]);
    let args = ["--start=warm", "--accel=tcg", "--message-format=json"];
    let Some(arch) = arch() else { return };
    // Extracts the image, which needs more room than the file system has.
    let (code, events) = repo.events(&arch, &["--start=cold", "--accel=tcg"]);
    assert_eq!(code, 0, "{events:#?}");
    let work = repo.path().join("store/v1/tmp");
    let Some(output) = run_tests(&repo, &work, 8 << 10, &args) else {
        return;
    };
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("failed to make a template: "), "{shown}");
    let templates = std::fs::read_dir(repo.path().join("store/v1/templates")).unwrap();
    assert_eq!(templates.count(), 0);
}

#[test]
fn report_without_disk_space_is_setup_error() {
    let repo = TestRepo::of_area("evil");
    let Some(output) = run(&repo, &repo.runs(), 8) else {
        return;
    };
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(
        shown.contains("NOT RUN") && shown.contains("no space left in `--runs`"),
        "{shown}"
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(96), "{stderr}");
    assert!(
        stderr.contains("failed to keep the files of the run in `"),
        "{stderr}"
    );
    assert!(stderr.contains("help: free some space"), "{stderr}");
}

#[test]
fn unusable_directories_are_named_setup_errors() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::of_area("evil");
    let missing = repo.path().join("missing");
    let file = repo.path().join("file");
    std::fs::write(&file, "").unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let check = |args: &[&str], temporary: &Path, option: &str| {
        let mut command = repo.test(&arch, &[&["evil::floods"], args].concat());
        let output = command.env("TMPDIR", temporary).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(96), "{stderr}");
        assert!(stderr.contains(&format!("(`{option}`)")), "{stderr}");
        assert!(stderr.contains("help: use another directory: "), "{stderr}");
    };
    check(&[], &missing, "TMPDIR");
    check(&[], &file, "TMPDIR");
    check(&["--runs", &path(&file)], &repo.tmp(), "--runs");
    check(
        &["--runs", &path(&file.join("runs"))],
        &repo.tmp(),
        "--runs",
    );
    repo.assert_clean("without directories");
}

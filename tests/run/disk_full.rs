//! A disk without room: a file system of a few pages, mounted where only the run sees it.

use std::path::Path;
use std::process::{Command, Output};

use crate::place::{Place, arch};
use crate::skip::skip;

/// Status of the script below where scratch is left.
const LEFT: i32 = 8;

/// Runs two tests with a file system of so many kilobytes in a folder; `None` where this host lets
/// nobody mount one.
fn run(place: &Place, folder: &Path, kilobytes: u32) -> Option<Output> {
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
    let tests = ["evil::fills", "evil::floods", "--exact"];
    let mut command = place.test_in_script(&script, &arch, &tests);
    let output = command.env("FOLDER", folder).output().unwrap();
    place.is_clean("without room");
    Some(output)
}

#[test]
fn host_script_filling_disk_harms_no_other_test() {
    let place = Place::new("evil");
    let Some(output) = run(&place, &place.tmp(), 64) else {
        return;
    };
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(100), "{shown}");
    let cause = shown.lines().find(|line| line.contains("cause")).unwrap();
    assert!(cause.contains("failed: in_host: exit status 1"), "{cause}");
    assert!(cause.contains("No space left on device"), "{cause}");
    assert!(shown.contains("2 tests: 1 failed, 1 passed"), "{shown}");
}

#[test]
fn report_without_disk_space_is_setup_error() {
    let place = Place::new("evil");
    let Some(output) = run(&place, &place.runs(), 8) else {
        return;
    };
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(
        shown.contains("PASS") && shown.contains("evil::floods"),
        "{shown}"
    );
    assert!(
        shown.contains("ERROR") && shown.contains("cause harness error: "),
        "{shown}"
    );
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(101), "{told}");
    assert!(
        told.contains("failed to keep the files of the run"),
        "{told}"
    );
    assert!(told.contains("help: free some space"), "{told}");
}

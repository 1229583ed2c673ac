//! Stores on full and read-only file systems, which are mounted in a separate namespace.

use std::path::Path;
use std::process::{Command, Output};

use harness::store::act;
use harness::{parts, skip, xtask_path};

/// Runs a script that may mount, with the path for a store as `$STORE`, and with the commands `act`
/// and `xtask`. `None` if mounts are not permitted.
fn mounted(home: &Path, script: &str) -> Option<Output> {
    let id = Command::new("id").arg("-u").output().unwrap().stdout;
    let own = if id == b"0\n" { "-m" } else { "-rm" };
    let mut possible = Command::new("unshare");
    let possible = possible.args([own, "mount", "-t", "tmpfs", "none", "/mnt"]);
    if !possible
        .output()
        .is_ok_and(|output| output.status.success())
    {
        skip("no file system may be mounted, not even in a user namespace");
        return None;
    }
    let store = home.join("place/store");
    std::fs::create_dir_all(home.join("place")).unwrap();
    let script = format!(
        "act() {{ \"$ACT\" \"$KILN_STORE\" \"$@\"; }}
        xtask() {{ \"$XTASK\" --offline \"$@\"; }}
        cd \"$(dirname \"$KILN_STORE\")\" || exit 9
        {script}"
    );
    let mut command = Command::new("unshare");
    harness::program::isolate(&mut command);
    let command = command.args([own, "sh", "-c", &script]).env("ACT", act());
    command.env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"));
    let command = command.env("KILN_STORE", store).env("XTASK", xtask_path());
    Some(command.output().unwrap())
}

#[test]
fn full_disk_is_reported_and_store_usable() {
    let home = tempfile::tempdir().unwrap();
    let script = "
        mount -t tmpfs -o size=400k none . && cd . && cd \"$PWD\" || exit 9
        act image 1 && act keep 1 || exit 8
        # Its bytes come from outside; they are all that there is room for.
        mkdir ../outside && act bytes ../outside/2 2 && ln -s ../outside/2 store.2.bytes || exit 8
        cat /dev/zero > fill 2>/dev/null
        truncate -s -16384 fill
        act keep 2 && exit 7
        cat /dev/zero >> fill 2>/dev/null
        : > more; : > inode 2>/dev/null
        act look 3 || exit 6
        act keep 2 && exit 5
        rm fill && act keep 2 && act look 3 || exit 4
        find store -type f -size 0 -name '[0-9a-f]*' ! -name '*.lock'";
    let Some(output) = mounted(home.path(), script) else {
        return;
    };
    let (code, out, err) = parts(output);
    assert_eq!(code, 0, "{out}{err}");
    let store = home.path().join("place/store");
    let lacks = format!("error: no space left in `{}`", store.display());
    assert_eq!(err.matches(&lacks).count(), 2, "{err}");
    assert!(
        err.contains("` for 70200 bytes\nhelp: free space there"),
        "{err}"
    );
    let has = "has blob 1\nhas image 1\n";
    assert_eq!(out.matches(has).count(), 2, "{out}");
    assert!(out.ends_with("has blob 2\nhas root 0\ndone\n"), "{out}");
}

#[test]
fn image_without_room_leaves_no_partial_entry() {
    let home = tempfile::tempdir().unwrap();
    let script = "
        mount -t tmpfs -o size=8M none . && cd \"$PWD\" || exit 9
        xtask images --arch aarch64
        status=$?
        ls store/v1/entries store/v1/tmp
        exit $status";
    let Some(output) = mounted(home.path(), script) else {
        return;
    };
    let (code, out, err) = parts(output);
    assert_eq!(code, 96, "{out}{err}");
    assert_eq!(out, "store/v1/entries:\n\nstore/v1/tmp:\n", "{out}{err}");
    let store = home.path().join("place/store");
    let lacks = format!("no space left in `{}` for ", store.display());
    assert!(
        err.contains(&lacks) && err.contains("help: free space"),
        "{err}"
    );
}

#[test]
fn read_only_store_remains_usable() {
    let home = tempfile::tempdir().unwrap();
    let script = "
        xtask images --arch aarch64 && xtask store path aarch64 > path || exit 8
        cp -r store before
        mount --bind store store && mount -o remount,bind,ro store || exit 9
        test \"$(xtask store path aarch64)\" = \"$(cat path)\" || exit 7
        xtask images --arch aarch64 && xtask store list && xtask store verify && xtask store du ||
            exit 6
        xtask store gc --yes
        test $? = 96 || exit 5
        # The image of another architecture has no place to go to.
        xtask images
        test $? = 96 || exit 4
        diff -r store before";
    let Some(output) = mounted(home.path(), script) else {
        return;
    };
    let (code, out, err) = parts(output);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("none corrupt"), "{out}");
    let store = home.path().join("place/store");
    let lacks = format!(
        "the store `{}` is read-only and lacks the requested entry",
        store.display()
    );
    assert_eq!(err.matches(&lacks).count(), 2, "{err}");
    assert!(
        err.contains("help: use a directory that you can write to: export KILN_STORE"),
        "{err}"
    );
}

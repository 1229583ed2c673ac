//! Tests targets as a whole: a new one, `--arch all`, and the table of all targets.

use std::os::unix::fs::symlink;

use harness::parts;

use crate::{copy_of_the_recipes, in_copy, xtask};

const PLAN: [&str; 5] = ["images", "--plan", "--no-prebuilt", "--arch", "beta"];

#[test]
fn new_target_can_be_planned() {
    let copy = copy_of_the_recipes();
    let new =
        |name: &str, from: &str| in_copy(copy.path(), &["target", "new", name, "--from", from]);
    assert_eq!(in_copy(copy.path(), &PLAN).0, 2);
    let (code, stdout, stderr) = new("beta", "aarch64");
    assert_eq!(code, 0, "{stderr}");
    let written = [
        "wrote images/beta/linux.config\n",
        "wrote images/beta/linux.fragment\n",
        "wrote images/beta.toml\n",
    ];
    assert_eq!(stdout, written.concat());
    assert!(stderr.contains("cargo xtask images --refreeze --arch beta"));
    let (code, stdout, stderr) = in_copy(copy.path(), &PLAN);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("image of beta: source"), "{stdout}");
    let (_, matrix, _) = in_copy(copy.path(), &["images", "--matrix"]);
    assert!(
        matrix.contains("\n| beta | virt | little | 64 | "),
        "{matrix}"
    );
    let refused = [
        ("beta", "aarch64", "error: target `beta` already exists\n"),
        ("gamma", "arch64", "help: did you mean `aarch64`? targets: "),
        ("all", "aarch64", "error: `all` is not a name: "),
        ("../x", "aarch64", "error: `../x` is not a name: "),
    ];
    for (name, from, expect) in refused {
        let (code, stdout, stderr) = new(name, from);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains(expect), "{stderr}");
    }
}

/// Other programs of the host are not on PATH, because `cargo xtask test --list` needs none.
#[test]
fn all_leaves_out_targets_without_a_qemu() {
    let (store, programs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    symlink("/bin/true", programs.path().join("qemu-system-x86_64")).unwrap();
    let mut command = xtask(store.path());
    let words = ["test", "--list", "--arch", "all", "boot::true"];
    command.env("PATH", programs.path()).args(words);
    let (code, stdout, stderr) = parts(command.output().unwrap());
    assert_eq!(
        (code, stdout.as_str()),
        (0, "x86_64::boot::true\n"),
        "{stderr}"
    );
    let skipped = "aarch64: skipped, `qemu-system-aarch64` is not installed\n";
    assert!(stderr.contains(skipped), "{stderr}");
}

//! The program as a person meets it: what it prints, what it exits with, what it leaves behind.
//! No test here needs QEMU, a network or a built image.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "acts from outside, as a user does"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const XTASK: &str = env!("CARGO_BIN_EXE_xtask");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// A command with a store of its own and without the caller's settings.
fn xtask(store: &Path) -> Command {
    let mut command = Command::new(XTASK);
    for name in [
        "CARGO_MANIFEST_DIR",
        "KILN_MIRROR",
        "KILN_QEMU",
        "CARGO_TERM_COLOR",
        "CI",
    ] {
        command.env_remove(name);
    }
    command.env("KILN_STORE", store).env("NO_COLOR", "1");
    command
}

/// A copy of what a plan is made from, to be spoilt.
fn copy_of_the_recipes() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for folder in ["recipes", "images", "guest-tests"] {
        let from = root().join(folder);
        let status = Command::new("cp")
            .arg("-r")
            .arg(from)
            .arg(copy.path())
            .status()
            .unwrap();
        assert!(status.success());
    }
    copy
}

/// Runs in a copy, as `cargo run` would.
fn in_copy(copy: &Path, args: &[&str]) -> (i32, String, String) {
    let store = tempfile::tempdir().unwrap();
    let manifest = copy.join("xtask");
    told(
        xtask(store.path())
            .env("CARGO_MANIFEST_DIR", manifest)
            .args(args)
            .output()
            .unwrap(),
    )
}

fn told(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap_or(-1),
        text(output.stdout),
        text(output.stderr),
    )
}

fn spoil(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "`{}` has no `{from}`", file.display());
    std::fs::write(file, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn what_a_command_line_gives() {
    trycmd::TestCases::new()
        .register_bin("xtask", Path::new(XTASK))
        .env("NO_COLOR", "1")
        .env("KILN_STORE", "/proc/kiln-has-no-store-here")
        .case("../tests/cmd/*.trycmd");
}

#[test]
fn a_misspelt_key_of_a_recipe_is_drawn_with_the_right_one() {
    let copy = copy_of_the_recipes();
    spoil(
        &copy.path().join("recipes/musl/recipe.toml"),
        "version =",
        "verison =",
    );
    let (code, stdout, stderr) = in_copy(copy.path(), &["images", "--plan"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    insta::assert_snapshot!(stderr);
}

#[test]
fn a_wrong_hash_a_missing_patch_and_an_unknown_input_are_told_together() {
    let copy = copy_of_the_recipes();
    let recipes = copy.path().join("recipes");
    spoil(
        &recipes.join("musl/recipe.toml"),
        "sha256 = \"a9",
        "sha256 = \"xy",
    );
    spoil(
        &recipes.join("gcc/recipe.toml"),
        "recipe = \"binutils\"",
        "recipe = \"binutil\"",
    );
    let patches = recipes.join("gmp/patches");
    std::fs::remove_dir_all(patches).unwrap();
    let (code, stdout, stderr) = in_copy(copy.path(), &["images", "--plan"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    insta::assert_snapshot!(stderr);
}

#[test]
fn a_variable_that_a_template_does_not_have_is_drawn() {
    let copy = copy_of_the_recipes();
    spoil(
        &copy.path().join("recipes/musl/build.sh.hbs"),
        "{{triple}}",
        "{{tripel}}",
    );
    let (code, _, stderr) = in_copy(copy.path(), &["images", "--plan"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(stderr);
}

#[test]
fn a_broken_test_header_is_drawn_and_nothing_is_run() {
    let copy = copy_of_the_recipes();
    let test = "#!/bin/sh\n# Says nothing.\n#: memry = \"1G\"\n\nin_guest() {\n    true\n}\n";
    std::fs::write(copy.path().join("guest-tests/boot/broken.sh"), test).unwrap();
    std::fs::write(
        copy.path().join("guest-tests/boot/empty.sh"),
        "#!/bin/sh\n# No half.\n",
    )
    .unwrap();
    let (code, stdout, stderr) = in_copy(copy.path(), &["test", "--list"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    let stderr = stderr.replace(copy.path().to_str().unwrap(), "COPY");
    insta::assert_snapshot!(stderr);
}

#[test]
fn the_plan_is_the_same_every_time_and_touches_no_store_entry() {
    let store = tempfile::tempdir().unwrap();
    let plan = || {
        told(
            xtask(store.path())
                .args(["images", "--plan", "--offline"])
                .output()
                .unwrap(),
        )
    };
    let (code, first, _) = plan();
    assert_eq!(code, 0);
    assert!(first.contains("gcc") && first.contains("image"), "{first}");
    assert_eq!(plan().1, first);
    let entries = store.path().join("v1/entries");
    assert_eq!(std::fs::read_dir(entries).unwrap().count(), 0);
}

#[test]
fn a_plan_as_json_is_one_object_a_line_with_a_reason() {
    let store = tempfile::tempdir().unwrap();
    let args = ["images", "--plan", "--message-format", "json"];
    let (code, stdout, _) = told(xtask(store.path()).args(args).output().unwrap());
    assert_eq!(code, 0);
    assert!(stdout.lines().count() > 10);
    for line in stdout.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(value["reason"].is_string(), "{line}");
    }
}

#[test]
fn a_store_that_cannot_be_written_is_named_with_what_to_do() {
    let (code, stdout, stderr) = told(
        xtask(Path::new("/proc/no/store"))
            .arg("images")
            .output()
            .unwrap(),
    );
    assert_eq!((code, stdout.as_str()), (96, ""));
    assert!(
        stderr.contains("/proc/no/store") && stderr.contains("KILN_STORE"),
        "{stderr}"
    );
}

#[test]
fn a_missing_qemu_is_a_matter_of_setup_and_found_before_anything_is_unpacked() {
    let store = tempfile::tempdir().unwrap();
    let empty = tempfile::tempdir().unwrap();
    let output = xtask(store.path())
        .env("PATH", empty.path())
        .args(["test", "boot::true"])
        .output();
    let (code, _, stderr) = told(output.unwrap());
    assert_eq!(code, 96, "{stderr}");
    assert!(
        stderr.contains("qemu-system-") && stderr.contains("cargo xtask setup"),
        "{stderr}"
    );
    assert_eq!(
        std::fs::read_dir(store.path().join("v1/entries"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn what_is_missing_offline_is_listed_with_the_command_that_fetches_it() {
    let store = tempfile::tempdir().unwrap();
    let args = ["images", "--from-source", "--offline", "--arch", "x86_64"];
    let (code, _, stderr) = told(xtask(store.path()).args(args).output().unwrap());
    assert_eq!(code, 102, "{stderr}");
    for file in ["linux_", "gcc-14_", "musl_", "cargo xtask fetch"] {
        assert!(stderr.contains(file), "no `{file}` in: {stderr}");
    }
}

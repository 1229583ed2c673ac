//! Tests the program itself: it accepts the whole command line, including the commands of `xtask`.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a black-box test starts the program that it tests"
)]

use std::path::Path;
use std::process::{Command, Output};

fn builder(args: &[&str], store: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_builder"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("KILN_STORE", store)
        .output()
        .unwrap()
}

#[test]
fn commands_of_xtask_are_available() {
    let store = tempfile::tempdir().unwrap();
    let output = builder(&["store", "path"], store.path());
    assert!(output.status.success(), "{output:?}");
    let path = String::from_utf8(output.stdout).unwrap();
    assert_eq!(Path::new(path.trim()), store.path());
}

#[test]
fn wrong_flags_are_usage_errors() {
    let store = tempfile::tempdir().unwrap();
    let output = builder(&["images", "--no-such-flag"], store.path());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

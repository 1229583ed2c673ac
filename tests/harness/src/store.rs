//! The program and the tests' helper with a store.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::{parts, root, skip, xtask, xtask_path};

/// `xtask --offline` with a store.
pub fn command(store: &Path, args: &[&str]) -> Command {
    let mut command = xtask();
    command.env("KILN_STORE", store).arg("--offline").args(args);
    command
}

/// Runs the program to its end. Returns exit code, stdout and stderr.
pub fn offline(store: &Path, args: &[&str]) -> (i32, String, String) {
    parts(command(store, args).output().unwrap())
}

/// The helper `target/<profile>/examples/store-act`, whose source is `tests/store/act.rs`. It is
/// built here, because `cargo test --test store` does not rebuild examples.
pub fn act() -> &'static Path {
    static ACT: OnceLock<PathBuf> = OnceLock::new();
    ACT.get_or_init(|| {
        let profile = xtask_path().parent().unwrap();
        let name = profile.file_name().unwrap().to_str().unwrap();
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--offline", "--example", "store-act"])
            .args(["--profile", if name == "debug" { "dev" } else { name }])
            .arg("--target-dir")
            .arg(profile.parent().unwrap())
            .current_dir(root().join("xtask"))
            .status();
        assert!(built.unwrap().success());
        profile.join("examples/store-act")
    })
}

/// Whether a program is installed. Without it, the calling test is skipped.
pub fn has(program: &str, version: &str) -> bool {
    let found = Command::new(program).arg(version).output().is_ok();
    if !found {
        skip(&format!("missing program `{program}`"));
    }
    found
}

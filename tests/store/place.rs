//! The programs that the tests of the store start, and what they print.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::skip::skip;
use crate::told::told;

/// The program under test.
pub(crate) const XTASK: &str = env!("CARGO_BIN_EXE_xtask");

/// `xtask --offline` over a store, in an environment that says nothing else.
pub(crate) fn command(store: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(XTASK);
    for name in ["CARGO_MANIFEST_DIR", "KILN_MIRROR", "CARGO_TERM_COLOR"] {
        command.env_remove(name);
    }
    command
        .env("KILN_STORE", store)
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("NO_COLOR", "1")
        .arg("--offline")
        .args(args);
    command
}

/// Runs it to its end: exit code, stdout, stderr.
pub(crate) fn xtask(store: &Path, args: &[&str]) -> (i32, String, String) {
    told(command(store, args).output().unwrap())
}

/// `target/<profile>/examples/store-act`, from `target/<profile>/deps/store-<hash>`. Cargo is asked for
/// it here: with `--test store` alone it would be as old as it happens to be.
pub(crate) fn act() -> &'static Path {
    static ACT: OnceLock<PathBuf> = OnceLock::new();
    ACT.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).unwrap();
        let name = profile.file_name().unwrap().to_str().unwrap();
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--offline", "--example", "store-act"])
            .args(["--profile", if name == "debug" { "dev" } else { name }])
            .arg("--target-dir")
            .arg(profile.parent().unwrap())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.unwrap().success());
        profile.join("examples/store-act")
    })
}

/// Whether a program is there. Where it is not, the test that asks checks nothing.
pub(crate) fn has(program: &str, version: &str) -> bool {
    let found = Command::new(program).arg(version).output().is_ok();
    if !found {
        skip(&format!("there is no `{program}`"));
    }
    found
}

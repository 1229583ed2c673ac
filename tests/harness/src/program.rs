//! The program under test, without the settings of the user who runs the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Variables that the program or its libraries read, in addition to those with the prefix `KILN_`.
const SETTINGS: &[&str] = &[
    "CARGO_HTTP_TIMEOUT",
    "CARGO_MANIFEST_DIR",
    "CARGO_NET_OFFLINE",
    "CARGO_TERM_COLOR",
    "CI",
    "GITHUB_ACTIONS",
    "RUST_LOG",
    "SSL_CERT_FILE",
    "XDG_RUNTIME_DIR",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// The repository that contains these tests.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap().to_owned()
}

/// The program: `target/<profile>/xtask`, next to the directory of the running test. Cargo builds
/// it with the tests of its package.
pub fn xtask_path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let path = test.ancestors().nth(2).unwrap().join("xtask");
        assert!(path.is_file(), "build it: cargo build --package xtask");
        path
    })
}

/// The program in a clean environment. A test adds its store and its repository.
pub fn xtask() -> Command {
    let mut command = Command::new(xtask_path());
    isolate(&mut command);
    command
}

/// Removes the caller's settings from the environment of a command.
pub fn isolate(command: &mut Command) {
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.to_string_lossy().starts_with("KILN_")) {
        command.env_remove(name);
    }
    for name in SETTINGS {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("NO_COLOR", "1");
}

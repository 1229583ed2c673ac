//! Shared code of the black-box tests: the program in a clean environment, small repositories to
//! run
//! it in, and its output.
//!
//! | module | subject |
//! |---|---|
//! | [`program`] | the program under test, without the caller's settings |
//! | [`output`] | the exit status and output of a command |
//! | [`skip`] | tests that cannot run on this host |
//! | [`repo`] | [`repo::TestRepo`]: the real images with guest tests of the test's own |
//! | [`small`] | [`small::SmallRepo`]: one architecture whose image is made of a few source files |
//! | [`checkout`] | [`checkout::Checkout`]: a checkout that can be published |
//! | [`release`] | [`release::Release`]: a published release that is rebuilt in a second |
//! | [`store`] | the program and the tests' helper with a store |
//! | [`qemu`] | the QEMU binaries of this host |
//! | [`clock`] | a clock for tests of time limits |
//! | [`lock`] | the text of `images/images.lock` |
//!
//! Misbehaving servers are in `tests/faults`.

#![expect(
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::unwrap_used,
    reason = "acts from outside, as a user does; a test that cannot continue panics"
)]

pub mod checkout;
pub mod clock;
pub mod lock;
pub mod output;
pub mod program;
pub mod qemu;
pub mod release;
pub mod repo;
pub mod skip;
pub mod small;
pub mod store;

use std::path::Path;
use std::process::Command;

pub use output::{Output, parts};
pub use program::{root, xtask, xtask_path};
pub use skip::{skip, unsuited};

/// Copies a file or directory and creates its parent.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    run(Command::new("cp").arg("-r").arg(from).arg(to));
}

/// Writes a file and creates its parent.
pub fn write(path: &Path, content: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// Runs a tool that must succeed. Returns its stdout.
pub fn run(command: &mut Command) -> String {
    let Output {
        code,
        stdout,
        stderr,
    } = Output::of(command);
    assert_eq!(code, 0, "{command:?}: {stdout}{stderr}");
    stdout
}

/// Runs `git` in a directory, with a user name and email address.
pub fn git(directory: &Path, args: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]);
    run(git.args(args).current_dir(directory))
}

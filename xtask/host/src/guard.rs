//! `exec-guard`: the hidden subcommand through which children start, so that they die with us.
//!
//! A parent-death signal can only be asked for by the child itself, between its start and its
//! program, and that place is out of reach without unsafe code. So the child starts as this very
//! executable, asks for the signal, forbids core dumps and then becomes the program.
//! The main function of the executable calls [`run_if_asked`] before anything else.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, Signal};

/// The hidden subcommand: `exec-guard <parent pid> -- <program> <argument>…`.
pub const SUBCOMMAND: &str = "exec-guard";

/// Status of a child whose program could not be started, as a shell has it.
pub const CANNOT_EXECUTE: i32 = 127;

static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();

/// From now on children start through this executable, whose main calls [`run_if_asked`].
///
/// Without this call children start plainly: they still have a group of their own and are killed by
/// `Drop`, but they survive a SIGKILL of ours.
pub fn set_executable(path: impl AsRef<Path>) {
    // The first one stays: there is one executable.
    let _ = EXECUTABLE.set(path.as_ref().to_owned());
}

/// Becomes the guarded program, when the command line asks for it; otherwise returns at once and
/// makes this executable the guard of all children.
pub fn run_if_asked() {
    #[expect(
        clippy::disallowed_methods,
        reason = "before clap: the program's own arguments follow"
    )]
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == SUBCOMMAND) {
        let message = become_program(args);
        #[expect(
            clippy::print_stderr,
            reason = "this process is nothing but a failed exec"
        )]
        {
            eprintln!("{message}");
        }
        #[expect(
            clippy::disallowed_methods,
            clippy::exit,
            reason = "the program was not started"
        )]
        std::process::exit(CANNOT_EXECUTE);
    }
    // This link stays good when the file is replaced by a new build during the run.
    let own = Path::new("/proc/self/exe");
    if own.exists() {
        set_executable(own);
    }
}

/// The executable that guards children, once it is known.
pub(crate) fn executable() -> Option<&'static Path> {
    EXECUTABLE.get().map(PathBuf::as_path)
}

/// What comes before the program on the guard's command line.
pub(crate) fn arguments() -> [OsString; 3] {
    [
        SUBCOMMAND.into(),
        std::process::id().to_string().into(),
        "--".into(),
    ]
}

/// Does the guard's work; returns only with the reason why it could not.
fn become_program(mut args: impl Iterator<Item = OsString>) -> String {
    let parent = args
        .next()
        .and_then(|pid| pid.to_str()?.parse::<i32>().ok());
    let separator = args.next();
    let (Some(parent), Some(program)) = (parent, args.next()) else {
        return format!("usage: {SUBCOMMAND} PARENT -- PROGRAM [ARGUMENT]...");
    };
    if separator.as_deref() != Some(OsStr::new("--")) {
        return format!("usage: {SUBCOMMAND} PARENT -- PROGRAM [ARGUMENT]...");
    }
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        return format!(
            "cannot tie `{}` to its parent: {error}",
            program.to_string_lossy()
        );
    }
    // The parent may have died before the signal was asked for.
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if now != Some(parent) {
        return format!("the parent of `{}` is gone", program.to_string_lossy());
    }
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // A refusal leaves core dumps possible, which is no reason not to run.
    let _ = rustix::process::setrlimit(Resource::Core, none);
    #[expect(
        clippy::disallowed_methods,
        reason = "becomes the program, starts no child"
    )]
    let error = std::process::Command::new(&program).args(args).exec();
    format!("cannot start `{}`: {error}", program.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_that_is_no_guards_is_refused_without_any_effect() {
        let check = |args: &[&str]| {
            let message = become_program(args.iter().map(OsString::from));
            assert_eq!(message, "usage: exec-guard PARENT -- PROGRAM [ARGUMENT]...");
        };
        check(&[]);
        check(&["12"]);
        check(&["12", "--"]);
        check(&["twelve", "--", "true"]);
        check(&["12", "true", "true"]);
    }
}

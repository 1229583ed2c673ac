//! `exec-guard`, the hidden subcommand through which children start, so that they die with this
//! process.
//!
//! Only the child itself can request a parent-death signal, between fork and exec, and safe code
//! cannot run there. Therefore the child starts as this executable, requests the signal, disables
//! core dumps and then executes the program. The main function of the executable calls
//! [`run_if_asked`] before anything else.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, Signal};

use crate::family;

/// The hidden subcommand: `exec-guard <parent pid> -- <program> <argument>…`.
pub const SUBCOMMAND: &str = "exec-guard";

/// The hidden subcommand for a child that ends together with all its descendants.
pub const FAMILY: &str = "exec-family";

/// The exit status of a child whose program could not be started, as in a shell.
pub const CANNOT_EXECUTE: i32 = 127;

static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();

/// Makes children start through this executable, whose main function calls [`run_if_asked`].
///
/// Without this call children start directly. They still have their own process group and are
/// killed by `Drop`, but they survive a SIGKILL of this process.
pub fn set_executable(path: impl AsRef<Path>) {
    // The first call wins: the process has one executable.
    let _ = EXECUTABLE.set(path.as_ref().to_owned());
}

/// Executes the guarded program if the command line requests it. Otherwise makes this executable
/// the guard of all children and returns.
pub fn run_if_asked() {
    #[expect(
        clippy::disallowed_methods,
        reason = "before clap: the program's own arguments follow"
    )]
    let mut args = std::env::args_os().skip(1);
    let first = args.next();
    let refused = match first.as_deref().and_then(OsStr::to_str) {
        Some(SUBCOMMAND) => Some(become_program(args)),
        Some(FAMILY) => Some(supervise_family(args)),
        _ => None,
    };
    if let Some(message) = refused {
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
    // This link stays valid if a new build replaces the file during the run.
    let own = Path::new("/proc/self/exe");
    if own.exists() {
        set_executable(own);
    }
}

/// The executable that guards children, if it was set.
pub(crate) fn executable() -> Option<&'static Path> {
    EXECUTABLE.get().map(PathBuf::as_path)
}

/// The arguments before the program on the guard's command line.
pub(crate) fn arguments(subcommand: &str) -> [OsString; 3] {
    [
        subcommand.into(),
        std::process::id().to_string().into(),
        "--".into(),
    ]
}

/// A limit under which a child writes no core dump, unless it raises the limit itself.
pub(crate) fn no_core_dump(present: Rlimit) -> Rlimit {
    Rlimit {
        current: Some(0),
        ..present
    }
}

/// Replaces this process by another program with the same arguments, streams and environment.
/// Returns only if that fails.
#[must_use]
pub fn replace_with(program: &camino::Utf8Path) -> std::io::Error {
    #[expect(
        clippy::disallowed_methods,
        reason = "becomes the program, starts no child"
    )]
    std::process::Command::new(program)
        .args(std::env::args_os().skip(1))
        .exec()
}

/// Replaces this process by the program of a command line, which keeps `fd` open. Returns only if that
/// fails.
#[must_use]
pub fn replace_by(words: &[String], fd: OwnedFd) -> std::io::Error {
    let Some((program, args)) = words.split_first() else {
        return std::io::ErrorKind::InvalidInput.into();
    };
    if let Err(error) = rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::empty()) {
        return error.into();
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "becomes the program, starts no child"
    )]
    let error = std::process::Command::new(program).args(args).exec();
    drop(fd);
    error
}

fn become_program(args: impl Iterator<Item = OsString>) -> String {
    let (parent, program, args) = match read(SUBCOMMAND, args) {
        Ok(read) => read,
        Err(usage) => return usage,
    };
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        return format!(
            "cannot tie `{}` to its parent: {error}",
            program.to_string_lossy()
        );
    }
    // The parent may have ended before the signal was requested.
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if now != Some(parent) {
        return format!("the parent of `{}` is gone", program.to_string_lossy());
    }
    // The hard limit stays, for a caller that wants a dump. A failure does not prevent the start.
    let none = no_core_dump(rustix::process::getrlimit(Resource::Core));
    let _ = rustix::process::setrlimit(Resource::Core, none);
    #[expect(
        clippy::disallowed_methods,
        reason = "becomes the program, starts no child"
    )]
    let error = std::process::Command::new(&program).args(args).exec();
    format!("failed to start `{}`: {error}", program.to_string_lossy())
}

/// Supervises a whole family. Returns only the reason of a failure.
fn supervise_family(args: impl Iterator<Item = OsString>) -> String {
    let (parent, program, args) = match read(FAMILY, args) {
        Ok(read) => read,
        Err(usage) => return usage,
    };
    let label = program.to_string_lossy().into_owned();
    match family::supervise(parent, SUBCOMMAND, &program, args) {
        Ok(status) =>
        {
            #[expect(
                clippy::disallowed_methods,
                clippy::exit,
                reason = "the family's end is this process's"
            )]
            std::process::exit(status.unwrap_or(CANNOT_EXECUTE))
        }
        Err(error) => format!("failed to start `{label}`: {error}"),
    }
}

/// Parses the parent, the program and its arguments. The error is the expected command line.
fn read<I: Iterator<Item = OsString>>(
    subcommand: &str,
    mut args: I,
) -> Result<(i32, OsString, I), String> {
    let parent = args
        .next()
        .and_then(|pid| pid.to_str()?.parse::<i32>().ok());
    let separator = args.next();
    match (parent, separator.as_deref(), args.next()) {
        (Some(parent), Some(separator), Some(program)) if separator == OsStr::new("--") => {
            Ok((parent, program, args))
        }
        _ => Err(format!(
            "usage: {subcommand} PARENT -- PROGRAM [ARGUMENT]..."
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_guard_command_has_no_effect() {
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

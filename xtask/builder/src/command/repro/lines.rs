//! The command lines of the second build: for the child process, and for the user.

use host::process::command::quote_line;

use xtask::cli::repro::{RebuildArgs, ReproArgs};
use xtask::context::Context;

/// The command line of the child.
pub(super) fn child(context: &Context, varied: &RebuildArgs, jobs: usize) -> Vec<String> {
    let mut words = vec![context.env.executable.to_string(), "--offline".to_owned()];
    words.push(format!("--jobs={jobs}"));
    if context.global.quiet {
        words.push("--quiet".to_owned());
    }
    words.extend((0..context.global.verbose).map(|_| "--verbose".to_owned()));
    words.push("rebuild".to_owned());
    words.extend(varied.flags());
    words
}

/// The command that repeats both builds and keeps the second.
pub(super) fn rerun(context: &Context, args: &ReproArgs, seed: u64) -> String {
    let mut words = context.env.arguments.clone();
    if args.seed.is_none() {
        words.extend(["--seed".to_owned(), seed.to_string()]);
    }
    if !args.keep {
        words.push("--keep".to_owned());
    }
    format!("cargo xtask {}", quote_line(&words))
}

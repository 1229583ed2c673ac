//! Gathers the origin of a run for its report.

use std::time::Duration;

use host::process::Command;
use verdict::origin::{Origin, Scope};

use crate::context::Context;

/// Time limit for git to print the commit.
const LIMIT: Duration = Duration::from_secs(5);

/// Determines the origin while other work is done, because git takes a while to read a checkout.
pub(crate) fn gather_during<T>(
    context: &Context,
    partition: Option<&str>,
    scope: Scope,
    work: impl FnOnce() -> T,
) -> (Origin, T) {
    std::thread::scope(|threads| {
        let origin = threads.spawn(|| gather(context, partition, scope));
        let result = work();
        let origin = origin.join();
        let origin = origin.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (origin, result)
    })
}

/// The origin: this command line, now, in this checkout.
pub(crate) fn gather(context: &Context, partition: Option<&str>, scope: Scope) -> Origin {
    // A checkout that was downloaded without history has no commit.
    let git = Command::new("git")
        .args([
            "describe",
            "--always",
            "--dirty",
            "--abbrev=40",
            "--exclude=*",
        ])
        .current_dir(&context.root);
    let commit = git.read(LIMIT).ok().map(|text| text.trim().to_owned());
    Origin {
        kiln: env!("CARGO_PKG_VERSION").to_owned(),
        commit: commit.filter(|commit| !commit.is_empty()),
        started: host::clock::rfc3339(host::clock::seconds()),
        argv: context.env.arguments.clone(),
        partition: partition.map(str::to_owned),
        scope: Some(scope),
    }
}

//! Runs the parts of continuous integration one by one and records their results.

use std::time::Duration;

use host::clock::monotonic;
use host::process::{Command, Stdio};

use super::servers;
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output::{self, Color};
use crate::render::quantity;

/// Time limit of a part, which is that of the whole run.
const LIMIT: Duration = Duration::from_secs(80 * 60);

/// The parts of a run so far.
pub(super) struct Parts<'a> {
    context: &'a Context,
    passed: usize,
    /// The failed parts and their exit codes.
    failed: Vec<(&'static str, Exit)>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        Self {
            context,
            passed: 0,
            failed: Vec::new(),
        }
    }

    /// Runs a command with inherited output.
    pub(super) fn run(&mut self, name: &'static str, argv: &[&str]) -> Result<(), Failure> {
        let context = self.context;
        self.own(name, || {
            let command = Command::from_argv(argv)
                .current_dir(&context.root)
                // A test whose program is not installed then fails instead of being skipped.
                .env("KILN_NO_SKIP", "1")
                .stdout(Stdio::Inherit)
                .stderr(Stdio::Inherit);
            let status = command.run(LIMIT).map_err(|error| {
                let hint = error
                    .hint()
                    .or(Some("cargo xtask setup --yes --for ci".to_owned()));
                Failure::new(Exit::SetupMissing, error).hint(hint)
            })?;
            Ok(if status.success() {
                Exit::Success
            } else {
                Exit::Failed
            })
        })
    }

    /// Runs a part in this process.
    pub(super) fn own(
        &mut self,
        name: &'static str,
        part: impl FnOnce() -> CommandResult,
    ) -> Result<(), Failure> {
        let style = self.context.style;
        output::note(format!("{} {name}", style.paint(Color::Bold, "==>")));
        let start = monotonic();
        let outcome = part();
        host::interrupt::check().map_err(|error| Failure::new(Exit::Interrupted, error))?;
        let time = quantity::time(start.elapsed());
        match outcome {
            Ok(exit) if exit.is_success() => {
                self.passed += 1;
                output::note(format!(
                    "{} {name} in {time}",
                    style.paint(Color::Green, "ok")
                ));
            }
            Ok(exit) => self.failed.push((name, exit)),
            Err(failure) => {
                failure.explain(self.context.style);
                self.failed.push((name, failure.exit));
            }
        }
        Ok(())
    }

    /// Prints the failed and skipped parts. The exit code is that of the first failure.
    pub(super) fn close(self, deny: bool) -> Exit {
        let style = self.context.style;
        output::note("skipped: builds from source (cargo xtask images --from-source --verify)");
        if !deny {
            output::note("skipped: cargo deny check (not installed, or offline)");
        }
        let servers = servers::missing(self.context).join(", ");
        if !servers.is_empty() {
            output::note(format!(
                "skipped: publishing to servers (not installed: {servers})"
            ));
        }
        let failed: Vec<&str> = self.failed.iter().map(|(name, _)| *name).collect();
        if !failed.is_empty() {
            let failed = failed.join(", ");
            output::note(format!("{}: {failed}", style.paint(Color::Red, "failed")));
        }
        output::result(format!(
            "checks: {} passed, {} failed",
            self.passed,
            failed.len()
        ));
        self.failed.first().map_or(Exit::Success, |(_, exit)| *exit)
    }
}

//! Runs the tests of a configuration and shows the progress.

use std::sync::mpsc;

use runner::{Config, ExhaustiveError, RunError};
use start::platform::ArchRun;
use suite::{Filter, Pattern, Suite};
use verdict::event::{RunEvent, RunReport};
use verdict::report;
use verdict::runs::journal::Journal;

use super::config::config;
use super::shell;
use crate::cli::MessageFormat;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::github::StoppedCommands;
use crate::output;
use crate::render::test::TestProgress;

/// Runs the tests whose name contains `pattern` without output, for benchmarks.
pub fn quietly(
    context: &Context,
    suite: &Suite,
    arches: Vec<ArchRun>,
    pattern: &str,
    jobs: usize,
) -> Result<RunReport, Failure> {
    let config = Config {
        jobs,
        ..named(context, suite, arches, pattern)
    };
    measured(context, config)
}

/// The configuration of a run of the tests whose name contains `pattern`.
#[must_use]
pub fn named(context: &Context, suite: &Suite, arches: Vec<ArchRun>, pattern: &str) -> Config {
    let filter = Filter {
        patterns: vec![Pattern::Part(pattern.to_owned())],
        ..Filter::default()
    };
    config(context, suite.clone(), filter, arches)
}

/// Runs without output.
pub fn measured(context: &Context, mut config: Config) -> Result<RunReport, Failure> {
    // The logs of a benchmark must not displace those of a user's runs.
    let scratch = context.scratch("bench")?;
    scratch.path().clone_into(&mut config.directories.runs);
    let (sender, _events) = mpsc::channel();
    runner::run(&config, &sender).map_err(|error| refused(context, error))
}

/// Runs and shows the progress.
pub(crate) fn perform(
    context: &Context,
    config: &Config,
    keys: Option<mpsc::Sender<Vec<u8>>>,
) -> Result<RunReport, Failure> {
    let (sender, events) = mpsc::channel::<RunEvent>();
    let global = &context.global;
    let json = global.message_format == MessageFormat::Json;
    let mut progress = TestProgress::new(context.style, global.quiet, global.verbose > 0);
    let mut journal = Journal::default();
    let hush = (!json).then(|| StoppedCommands::suspend(&context.env));
    let report = std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut shell = shell::Shell::new(keys);
            for event in events {
                // Output before a shell needs the terminal in its normal mode.
                let opens = matches!(event, RunEvent::ShellOpened { .. });
                if !opens {
                    shell.follow(&event);
                }
                if let Err(error) = journal.take(&event) {
                    output::note(format!("failed to write the events of the run: {error}"));
                }
                if json {
                    output::result(report::json::line(&event));
                } else {
                    progress.show(&event);
                }
                if opens {
                    shell.follow(&event);
                }
            }
        });
        let report = runner::run(config, &sender);
        drop(sender);
        report
    });
    drop(hush);
    report.map_err(|error| refused(context, error))
}

/// Why a run did not start. Shows the line of a test that is at fault.
pub(super) fn refused(context: &Context, error: RunError) -> Failure {
    match error {
        RunError::Exhaustive(ExhaustiveError::Uncountable(found)) => {
            context.draw(&found, "in choices of tests")
        }
        RunError::Exhaustive(error) => {
            let hint = error.hint();
            Failure::new(Exit::Usage, error).hint(hint)
        }
        RunError::RunDir(error) => {
            let hint = error.hint();
            Failure::new(Exit::SetupMissing, error).hint(hint)
        }
        error @ RunError::Tests(_) => Failure::new(Exit::SetupMissing, error),
    }
}

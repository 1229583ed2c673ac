//! Integration with GitHub Actions: prevents guests from issuing workflow commands, and writes
//! annotations and a summary.

use host::env::Env;
use verdict::event::RunReport;
use verdict::report::{github, markdown};

use crate::cli::MessageFormat;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output;

/// While this is held, GitHub executes no printed workflow command. Guest output is arbitrary, but
/// the token that ends the suspension is secret.
pub(crate) struct StoppedCommands {
    end: Option<String>,
}

impl StoppedCommands {
    /// Suspends commands on GitHub Actions, and does nothing elsewhere.
    pub(crate) fn suspend(env: &Env) -> Self {
        let word = || {
            let [one, other] = [(), ()].map(|()| host::random::seed());
            format!("kiln-{one:08x}{other:08x}")
        };
        let word = env.github_actions.then(word);
        if let Some(word) = &word {
            output::result(format!("::stop-commands::{word}"));
        }
        let end = word.map(|word| format!("::{word}::"));
        Self { end }
    }
}

impl Drop for StoppedCommands {
    fn drop(&mut self) {
        if let Some(end) = &self.end {
            // The forwarded output may have ended within a line.
            output::result(format!("\n{end}"));
        }
    }
}

/// Annotates failures, and extends the summary of the step.
pub(crate) fn report_run(context: &Context, run: &RunReport) -> Result<(), Failure> {
    let env = &context.env;
    if env.github_actions && context.global.message_format == MessageFormat::Human {
        output::raw(github::annotations(run).as_bytes());
    }
    match &env.github_step_summary {
        Some(file) if env.github_actions => {
            host::files::append(file, markdown::render(run).as_bytes())
                .map_err(|error| Failure::new(Exit::Failed, error))
        }
        _ => Ok(()),
    }
}

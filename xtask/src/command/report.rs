//! `cargo xtask report`: converts a finished run to another format, and merges partial runs.

use camino::{Utf8Path, Utf8PathBuf};
use verdict::event::RunReport;
use verdict::report::{self, merge};
use verdict::runs::joined;
use verdict::runs::stored::{self, StoredRunError};

use crate::cli::report::{ReportArgs, ReportFormat};
use crate::command::test::RUNS;
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure, hinted};
use crate::github::StoppedCommands;
use crate::output::{self, Style};
use crate::render;

pub(crate) fn run(context: &Context, args: &ReportArgs) -> CommandResult {
    let runs = context.root.join(RUNS);
    if !args.merge.is_empty() {
        return join(context, args, &runs);
    }
    let dir = stored::find(&runs, &args.run, &context.env.current_dir).map_err(refused)?;
    let run = stored::read(&dir).map_err(refused)?;
    if let Some(missing) = run.missing() {
        output::note(missing);
    }
    match &args.output {
        Some(file) => write(context, args.format, &run, file)?,
        None => print(context, args.format, &run)?,
    }
    Ok(Exit::Success)
}

/// Writes a run to a file.
pub(crate) fn write(
    context: &Context,
    format: ReportFormat,
    run: &RunReport,
    file: &Utf8Path,
) -> Result<(), Failure> {
    let plain = Style {
        color: false,
        interactive: false,
    };
    let text = text(context, plain, format, run)?;
    host::files::write_output(&context.env.absolute(file), text.as_bytes())
        .map_err(|error| Failure::new(Exit::Failed, error))
}

fn print(context: &Context, format: ReportFormat, run: &RunReport) -> Result<(), Failure> {
    let text = text(context, context.style, format, run)?;
    let _hush = (format == ReportFormat::Human).then(|| StoppedCommands::suspend(&context.env));
    output::raw(text.as_bytes());
    Ok(())
}

fn text(
    context: &Context,
    style: Style,
    format: ReportFormat,
    run: &RunReport,
) -> Result<String, Failure> {
    match format.writer() {
        None => Ok(render::test::finished_run(
            style,
            context.global.verbose > 0,
            run,
        )),
        Some(writer) => {
            report::render(writer, run).map_err(|error| Failure::new(Exit::Failed, error))
        }
    }
}

/// Merges parts, stores the result, and exits like the merged run.
fn join(context: &Context, args: &ReportArgs, runs: &Utf8Path) -> CommandResult {
    let mut parts = Vec::new();
    for dir in &args.merge {
        let dir = context.env.absolute(dir);
        for folder in stored::below(&dir).map_err(refused)? {
            parts.push(stored::read(&folder).map_err(refused)?);
        }
    }
    let whole =
        merge::merge(&parts, &args.arch, &context.env.arguments).map_err(hinted!(Exit::Usage))?;
    let output: Option<Utf8PathBuf> = args.output.as_ref().map(|dir| context.env.absolute(dir));
    if let Some(missing) = whole.missing() {
        output::note(missing);
    }
    let whole = joined::store_merged(whole, &parts, output.as_deref(), runs).map_err(refused)?;
    print(context, args.format, &whole)?;
    output::note(format!("merged run: {}", whole.run_dir));
    Ok(Exit::Child(whole.exit_code()))
}

fn refused(error: StoredRunError) -> Failure {
    let exit = match error {
        StoredRunError::NoRun(_) => Exit::NoTests,
        StoredRunError::Io(_) => Exit::Failed,
        _ => Exit::Usage,
    };
    let hint = error.hint();
    Failure::new(exit, error).hint(hint)
}

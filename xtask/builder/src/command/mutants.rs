//! `cargo xtask mutants`: compiles QEMU with the mutants, runs their tests and prints which mutants
//! were detected. The logic is in the crate `mutants`.

use camino::Utf8PathBuf;
use mutants::measure::{self, Event, MeasureError};
use mutants::report::{self, Report};
use mutants::set::{self, Selection};
use mutants::trial::Runner;

use xtask::cli::MessageFormat;
use xtask::cli::mutants::MutantsArgs;
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit, Failure};
use xtask::output;

mod compile;

pub(crate) fn run(context: &Context, args: &MutantsArgs) -> CommandResult {
    let selection = Selection {
        areas: args.area.clone(),
        names: args.filters.clone(),
    };
    let selected = set::read(&context.root, &selection).map_err(failure(Exit::Usage))?;
    if args.check {
        return compile::check(context, args, &selected);
    }
    let arches = context.arches(&context.project()?, &args.arch)?;
    let directory = match &args.build_dir {
        Some(directory) => context.env.absolute(directory),
        None => context.root.join("target/kiln/mutants"),
    };
    let left_out = compile::compile(context, args, &directory, &arches)?;
    let trials = directory.join("trials");
    fs_err::create_dir_all(&trials).map_err(failure(Exit::Failed))?;
    let source = context.env.absolute(&args.qemu_src);
    let version = fs_err::read_to_string(source.join("VERSION")).map_err(failure(Exit::Usage))?;
    let runner = Runner {
        xtask: &context.env.executable.with_file_name("xtask"),
        root: &context.root,
        qemu: &directory.join("build"),
        directory: &trials,
        flags: &flags(context),
        seed: args.seed,
        all_tests: args.all_tests,
        filter: args.filter_expr.as_deref(),
        resume: args.resume,
    };
    let report = |trials: &[_]| Report::new(version.trim(), args.seed, trials.to_vec());
    let mut unwritten = None;
    let mut notify = |event: Event<'_>| match event {
        Event::ControlStarted { arch, tests } => {
            context.note(format!("control run of {tests} tests on {arch}"));
        }
        Event::ControlPassed { arch, tests } => {
            context.note(format!("{tests} tests pass without a mutant on {arch}"));
        }
        Event::Tried(trials) => {
            if let Some(trial) = trials.last() {
                context.note(report::line(trial));
            }
            // Writes the results so far, because a run takes hours and may be interrupted.
            unwritten = write(context, args, &report(trials)).err();
        }
    };
    let mutants = (&selected[..], &left_out);
    let measured = measure::measure(&runner, &arches, mutants, context.jobs(), &mut notify);
    let report = report(&measured.map_err(|error| {
        let exit = match error {
            MeasureError::NotGreen { .. } => Exit::TestFailed,
            MeasureError::Trial(_) => Exit::Failed,
        };
        failure(exit)(error)
    })?);
    write(context, args, &report)?;
    output::result(match context.global.message_format {
        MessageFormat::Human => report.table(),
        MessageFormat::Json => report.json().map_err(failure(Exit::Failed))?,
    });
    unwritten.map_or(Ok(Exit::Success), Err)
}

/// The options of the test runs: only the mutant may affect the outcome.
fn flags(context: &Context) -> Vec<String> {
    let mut flags: Vec<String> = ["--accel=tcg", "--retries=0", "--quiet"]
        .map(str::to_owned)
        .into();
    flags.extend(context.global.offline.then(|| "--offline".to_owned()));
    flags.extend(
        context
            .global
            .profile
            .as_ref()
            .map(|name| format!("--profile={name}")),
    );
    flags
}

fn write(context: &Context, args: &MutantsArgs, report: &Report) -> Result<(), Failure> {
    let put = |file: &Option<Utf8PathBuf>, text: String| match file {
        Some(file) => host::files::write_output(&context.env.absolute(file), text.as_bytes())
            .map_err(failure(Exit::Failed)),
        None => Ok(()),
    };
    put(&args.json, report.json().map_err(failure(Exit::Failed))?)?;
    put(&args.html, report.html().map_err(failure(Exit::Failed))?)
}

fn failure<E: Into<anyhow::Error>>(exit: Exit) -> impl Fn(E) -> Failure {
    move |error| Failure::new(exit, error)
}

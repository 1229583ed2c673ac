//! `cargo xtask test`: runs guest tests and says what came of them.

mod bisect;
pub(crate) mod closer;
mod coverage;
mod select;
mod shell;
mod standalone;

use std::collections::BTreeMap;
use std::sync::mpsc;

use guest::debug::Debug;
use guest::event::{RunEvent, RunReport};
use guest::golden::bless::Blessing;
use guest::origin::Origin;
use guest::report;
use guest::runner::{self, ArchRun, Config, ExhaustiveError, Extent, Rounds, RunError};
use guest::suite::{Filter, Suite, SuiteError};
use host::scratch::Scratch;

use crate::cli::{AccelChoice, MessageFormat, Purpose, SetupArgs, SourceArgs, TestArgs};
use crate::command::setup;
use crate::context::Context;
use crate::exit::{Exit, Failure, Outcome, hinted};
use crate::guests;
use crate::origin;
use crate::output;
use crate::render::test::TestProgress;
use crate::supply::Supply;

/// How many runs are kept below `target/kiln/runs`.
const KEEP_RUNS: usize = 20;

pub(crate) fn run(context: &Context, args: &TestArgs) -> Outcome {
    match run_tests(context, args) {
        Err(failure) if args.debug.bisect => Ok(bisect::explain(context, &failure)),
        outcome => outcome,
    }
}

fn run_tests(context: &Context, args: &TestArgs) -> Outcome {
    // A QEMU that was named is not the package manager's business.
    if args.setup && args.guest.qemu.is_none() {
        setup::run(
            context,
            &SetupArgs {
                arch: args.source.arch.clone(),
                yes: true,
                purpose: Purpose::Test,
            },
        )?;
    }
    let project = context.project()?;
    let mut arches = Context::arches(&project, &args.source.arch)?;
    if args.source.arch.is_empty() && !args.list {
        guests::keep_built(context, &project, &args.guest, &mut arches);
    }
    let known: Vec<String> = project.arches.keys().cloned().collect();
    let suite = load(context, &known)?;
    let filter = select::filter(context, &project, args)?;
    let selected = select::select(context, &suite, &filter, &arches, args)?;
    if args.list {
        select::list(context, &selected);
        if args.debug.device_coverage {
            coverage::declared(context, &arches, (&args.source, &args.guest), &selected)?;
        }
        return Ok(Exit::Success);
    }
    closer::check(args, &selected)?;
    let source = SourceArgs {
        arch: arches,
        ..args.source.clone()
    };
    let supply = Supply::open(context, &source)?;
    let runs = guests::prepare(&supply, &args.guest)?;
    let (keyboard, keys) = shell::keyboard(args);
    let debug = closer::debug(&supply, args, &runs, keyboard)?;
    let config = Config {
        jobs: if args.no_capture || args.debug.shell_on_fail {
            1
        } else {
            context.jobs()
        },
        rounds: args.repeat.rounds(),
        extent: args.repeat.extent(),
        retries: args.repeat.retries,
        max_fail: args.repeat.max_fail(),
        seed: args.seed.unwrap_or_else(host::clock::random_seed),
        timeout_factor: args.timeout_factor,
        no_capture: args.no_capture,
        kernel_log: context.global.verbose > 0,
        choices: choices(&args.choose)?,
        debug,
        reproduce: reproduce(args),
        bless: args.reports.blessing(!args.filters.is_empty()),
        origin: origin::gather(context, args.partition.as_deref()),
        ..config(context, suite, filter, runs)
    };
    let report = perform(context, &config, keys)?;
    if let Some(path) = &args.reports.junit {
        let path = context.env.absolute(path);
        let text =
            report::junit::render(&report).map_err(|error| Failure::new(Exit::Failed, error))?;
        host::files::write(&path, text.as_bytes())
            .map_err(|error| Failure::new(Exit::Failed, error))?;
    }
    if args.debug.device_coverage {
        coverage::of_run(context, &config.arches, &report);
    }
    if let Some(outcome) = standalone::write(context, args, &config, &report) {
        return outcome;
    }
    if args.debug.bisect {
        return Ok(bisect::judge(&report));
    }
    Ok(Exit::Child(report.exit_code()))
}

/// A run without wishes of its own.
fn config(context: &Context, suite: Suite, filter: Filter, arches: Vec<ArchRun>) -> Config {
    Config {
        suite,
        filter,
        arches,
        jobs: 1,
        rounds: Rounds::default(),
        extent: Extent::default(),
        retries: 0,
        max_fail: None,
        seed: 0,
        choices: BTreeMap::new(),
        timeout_factor: 1.0,
        kernel_log: false,
        no_capture: false,
        runs_dir: context.root.join("target/kiln/runs"),
        keep_runs: KEEP_RUNS,
        temp_dir: runner::temp_dir(&context.env),
        kiln: context.env.own_program(),
        path: context.env.path.clone(),
        debug: Debug::default(),
        reproduce: Vec::new(),
        bless: Blessing::No,
        origin: Origin::default(),
    }
}

/// Runs the tests whose name contains `pattern` without showing anything: a benchmark's unit.
pub(crate) fn quietly(
    context: &Context,
    suite: &Suite,
    arches: Vec<ArchRun>,
    pattern: &str,
    jobs: usize,
) -> Result<RunReport, Failure> {
    let filter = Filter {
        patterns: vec![pattern.to_owned()],
        ..Filter::default()
    };
    // The logs of a benchmark are not worth the room of a person's runs.
    let scratch = Scratch::new_in(&runner::temp_dir(&context.env), "bench")
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    let config = Config {
        jobs,
        runs_dir: scratch.path().to_owned(),
        ..config(context, suite.clone(), filter, arches)
    };
    let (sender, _events) = mpsc::channel();
    runner::run(&config, &sender).map_err(hinted!(Exit::Failed))
}

/// Runs, and shows it as it goes.
fn perform(
    context: &Context,
    config: &Config,
    keys: Option<mpsc::Sender<Vec<u8>>>,
) -> Result<RunReport, Failure> {
    let (sender, events) = mpsc::channel::<RunEvent>();
    let global = &context.global;
    let json = global.message_format == MessageFormat::Json;
    let mut progress = TestProgress::new(context.style, global.quiet, global.verbose > 0);
    let report = std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut shell = shell::Shell::new(keys);
            for event in events {
                shell.follow(&event);
                if json {
                    output::result(report::json::line(&event));
                } else {
                    progress.show(&event);
                }
            }
        });
        let report = runner::run(config, &sender);
        drop(sender);
        report
    });
    report.map_err(|error| refused(context, error))
}

/// Why there is no run at all: a line of a test that is in the way is drawn.
fn refused(context: &Context, error: RunError) -> Failure {
    match error {
        RunError::Exhaustive(ExhaustiveError::Uncountable(found)) => {
            context.draw(&found, "in what tests choose")
        }
        error => {
            let exit = match error {
                RunError::Exhaustive(_) => Exit::Usage,
                RunError::Prepare(_) => Exit::Failed,
            };
            let hint = error.hint();
            Failure::new(exit, error).hint(hint)
        }
    }
}

/// Reads the suite; wrong headers are drawn.
pub(crate) fn load(context: &Context, arches: &[String]) -> Result<Suite, Failure> {
    Suite::load(&context.root.join("guest-tests"), arches).map_err(|error| match error {
        SuiteError::Headers(diagnostics) => context.draw(&diagnostics, "in guest tests"),
        error @ SuiteError::Io(_) => Failure::new(Exit::Failed, error),
    })
}

/// `--choose NAME=WORD`: choices that are made whatever the seed says.
fn choices(asked: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| {
        let (name, word) = text.split_once('=')?;
        Some((name.to_owned(), word.to_owned()))
    };
    let refused = |text: &String| {
        let error = anyhow::anyhow!("`{text}` is no choice");
        Failure::new(Exit::Usage, error).hint(Some("--choose nic=e1000".to_owned()))
    };
    asked
        .iter()
        .map(|text| pair(text).ok_or_else(|| refused(text)))
        .collect()
}

/// The flags that a command line needs to repeat a test of this run.
fn reproduce(args: &TestArgs) -> Vec<String> {
    let mut flags = Vec::new();
    if let Some(qemu) = &args.guest.qemu {
        flags.extend(["--qemu".to_owned(), qemu.to_string()]);
    }
    match args.guest.accel {
        AccelChoice::Auto => {}
        AccelChoice::Tcg => flags.push("--accel=tcg".to_owned()),
        AccelChoice::Kvm => flags.push("--accel=kvm".to_owned()),
    }
    if (args.timeout_factor - 1.0).abs() > f64::EPSILON {
        flags.push(format!("--timeout-factor={}", args.timeout_factor));
    }
    flags
}

//! `cargo xtask test`: runs guest tests and says what came of them.

mod bisect;
pub(crate) mod closer;
mod compare;
mod coverage;
mod rerun;
mod scripts;
mod select;
mod shell;
mod skips;
mod standalone;
mod unselected;
mod wanted;

use std::collections::BTreeMap;
use std::sync::mpsc;

use camino::Utf8PathBuf;
use guest::config::CaseConfig;
use guest::debug::Debug;
use guest::platform::ArchRun;
use host::scratch::Scratch;
use runner::{Config, ExhaustiveError, Extent, Rounds, RunError};
use suite::{Filter, Pattern, Suite};
use verdict::event::{RunEvent, RunReport};
use verdict::golden::bless::Blessing;
use verdict::origin::Origin;
use verdict::report;
use verdict::runs::journal::Journal;
use verdict::runs::place::temp_dir;

use crate::cli::{MessageFormat, Purpose, SetupArgs, SourceArgs, TestArgs};
use crate::command::{self, setup};
use crate::context::Context;
use crate::exit::{Exit, Failure, Outcome, hinted};
use crate::github::{self, Hush};
use crate::guests;
use crate::output;
use crate::render::test::TestProgress;
use crate::supply::{self, Supply};
use rerun::Rerun;
use wanted::{Wanted, configure};

/// Where runs are kept, in the repository.
pub(crate) const RUNS: &str = "target/kiln/runs";
/// The tests, in the repository.
const TESTS: &str = "guest-tests";
/// How many of them.
const KEEP_RUNS: usize = 20;

pub(crate) fn run(context: &Context, args: &TestArgs) -> Outcome {
    match run_tests(context, args) {
        Err(failure) if args.debug.bisect => Ok(bisect::explain(context, &failure)),
        outcome => outcome,
    }
}

fn run_tests(context: &Context, args: &TestArgs) -> Outcome {
    let rerun = Rerun::read(context, args)?;
    let completed = rerun.as_ref().map(|rerun| rerun.complete(args));
    let args = &on_qemu(context, completed.as_ref().unwrap_or(args));
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
    supply::check_mirrors(context, &args.source)?;
    let project = context.project()?;
    let mut arches = Context::arches(&project, &args.source.arch)?;
    if args.source.arch.is_empty() && !args.list {
        let sides = compare::sides(args).map_or_else(|| vec![args.guest.clone()], Vec::from);
        for guest in &sides {
            guests::keep_built(context, &project, guest, &mut arches);
        }
    }
    let known: Vec<String> = project.arches.keys().cloned().collect();
    let suite = load(context, &known)?;
    let filter = select::filter(context, &project, &suite, args)?;
    let mut selected = select::select(context, &suite, &filter, &arches, args)?;
    select::check_choices(&wanted::choices(&args.choose)?, &selected)?;
    let mut extent = args.repeat.extent();
    let mut scope = rerun::scope(context, args);
    if let Some(rerun) = &rerun {
        let rest = rerun.rest(context, &project, &suite, &arches)?;
        selected = rerun.select(&rest, selected)?;
        scope = rerun.scope(args);
        extent = Extent::Again(rest);
    }
    if args.list {
        let skips = if args.skips {
            skips::reasons(context, &project, args, &selected)?
        } else {
            BTreeMap::new()
        };
        select::list(context, &selected, &skips);
        if args.debug.device_coverage {
            coverage::declared(context, &arches, (&args.source, &args.guest), &selected)?;
        }
        return Ok(Exit::Success);
    }
    scripts::check(context, &selected)?;
    closer::check(args, &selected)?;
    let source = SourceArgs {
        arch: arches,
        ..args.source.clone()
    };
    let supply = Supply::open(context, &source)?;
    let wanted = Wanted {
        suite,
        filter,
        extent,
        scope,
        seed: args.seed.unwrap_or_else(host::clock::random_seed),
    };
    if let Some([old, new]) = compare::sides(args) {
        let side = |guest| configure(&supply, args, guest, wanted.clone());
        return compare::run(context, &[side(old)?, side(new)?]);
    }
    let mut config = configure(&supply, args, args.guest.clone(), wanted)?;
    let (keyboard, keys) = shell::keyboard(args);
    config.case.debug = closer::debug(&supply, args, &config.arches, keyboard)?;
    let report = perform(context, &config, keys)?;
    github::tell(context, &report)?;
    for (format, file) in args.reports.all() {
        command::report::write(context, format, &report, &file)?;
    }
    if args.debug.device_coverage {
        coverage::of_run(context, &report);
    }
    if let Some(outcome) = standalone::write(context, args, &config, &report) {
        return outcome;
    }
    if args.debug.bisect {
        return Ok(bisect::judge(&report));
    }
    Ok(Exit::Child(report.exit_code()))
}

/// With the QEMU of the environment as a named one: a repetition of the run needs it too.
fn on_qemu(context: &Context, args: &TestArgs) -> TestArgs {
    let mut args = args.clone();
    if args.debug.compare_qemu.is_none() && args.guest.qemu.is_none() {
        args.guest.qemu.clone_from(&context.env.kiln_qemu);
    }
    args
}

/// Where runs are kept.
fn runs_dir(context: &Context, args: &TestArgs) -> Utf8PathBuf {
    match &args.runs {
        Some(dir) => context.env.absolute(dir),
        None => context.root.join(RUNS),
    }
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
        case: case_config(context),
        runs_dir: context.root.join(RUNS),
        keep_runs: KEEP_RUNS,
        temp_dir: temp_dir(&context.env),
        device_coverage: false,
        origin: Origin::default(),
    }
}

/// What each test is run with where nothing else is asked for.
fn case_config(context: &Context) -> CaseConfig {
    CaseConfig {
        suite: context.root.join(TESTS),
        timeout_factor: 1.0,
        kernel_log: false,
        no_capture: false,
        kiln: context.env.own_program(),
        path: context.env.path.clone(),
        debug: Debug::default(),
        reproduce: Vec::new(),
        bless: Blessing::No,
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
        patterns: vec![Pattern::Part(pattern.to_owned())],
        ..Filter::default()
    };
    // The logs of a benchmark are not worth the room of a person's runs.
    let scratch = Scratch::new_in(&temp_dir(&context.env), "bench")
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
    let mut journal = Journal::default();
    let hush = (!json).then(|| Hush::begin(&context.env));
    let report = std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut shell = shell::Shell::new(keys);
            for event in events {
                // What is printed before a shell still needs the terminal as it was.
                let opens = matches!(event, RunEvent::ShellOpened { .. });
                if !opens {
                    shell.follow(&event);
                }
                if let Err(error) = journal.take(&event) {
                    output::note(format!("the run's events are not kept: {error}"));
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

/// Reads the suite; what is wrong with a test counts where it is selected.
pub(crate) fn load(context: &Context, arches: &[String]) -> Result<Suite, Failure> {
    Suite::load(&context.root.join(TESTS), arches)
        .map_err(|error| Failure::new(Exit::Failed, error))
}

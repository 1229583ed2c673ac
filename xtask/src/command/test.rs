//! `cargo xtask test`: runs guest tests and says what came of them.

use std::collections::BTreeMap;
use std::sync::mpsc;

use guest::event::{RunEvent, RunReport};
use guest::golden::bless::Blessing;
use guest::origin::Origin;
use guest::report;
use guest::runner::{self, ArchRun, Config, ExhaustiveError, Extent, Rounds, RunError};
use guest::suite::{Filter, Partition, Suite, SuiteError};
use host::scratch::Scratch;
use serde_json::json;

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
    let partition = args
        .partition
        .as_deref()
        .map(str::parse::<Partition>)
        .transpose();
    let partition = partition.map_err(|error| Failure::new(Exit::Usage, error))?;
    let filter = Filter {
        patterns: args.filters.clone(),
        exact: args.exact,
        groups: args.group.clone(),
        partition,
    };
    let selected = suite.select(&filter, &arches);
    if selected.is_empty() {
        return nothing_selected(&suite, args);
    }
    if args.list {
        for test in &selected {
            match context.global.message_format {
                MessageFormat::Human => output::result(test.name()),
                MessageFormat::Json => output::result(
                    json!({
                        "reason": "test", "name": test.name(), "arch": test.arch,
                        "description": test.test.header.description, "path": test.test.path,
                        "groups": test.test.header.groups,
                    })
                    .to_string(),
                ),
            }
        }
        return Ok(Exit::Success);
    }
    let source = SourceArgs {
        arch: arches,
        ..args.source.clone()
    };
    let supply = Supply::open(context, &source)?;
    let config = Config {
        jobs: if args.no_capture { 1 } else { context.jobs() },
        rounds: args.repeat.rounds(),
        extent: args.repeat.extent(),
        retries: args.repeat.retries,
        max_fail: args.repeat.max_fail(),
        seed: args.seed.unwrap_or_else(host::clock::random_seed),
        timeout_factor: args.timeout_factor,
        no_capture: args.no_capture,
        kernel_log: context.global.verbose > 0,
        choices: choices(&args.choose)?,
        reproduce: reproduce(args),
        bless: args.reports.blessing(!args.filters.is_empty()),
        origin: origin::gather(context, args.partition.as_deref()),
        ..config(
            context,
            suite,
            filter,
            guests::prepare(&supply, &args.guest)?,
        )
    };
    let report = perform(context, &config)?;
    if let Some(path) = &args.reports.junit {
        let path = context.env.absolute(path);
        let text =
            report::junit::render(&report).map_err(|error| Failure::new(Exit::Failed, error))?;
        host::files::write(&path, text.as_bytes())
            .map_err(|error| Failure::new(Exit::Failed, error))?;
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
    let scratch = Scratch::new_in(&runner::temp_dir(&context.env), "kiln-bench-")
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
fn perform(context: &Context, config: &Config) -> Result<RunReport, Failure> {
    let (sender, events) = mpsc::channel::<RunEvent>();
    let global = &context.global;
    let json = global.message_format == MessageFormat::Json;
    let mut progress = TestProgress::new(context.style, global.quiet, global.verbose > 0);
    let report = std::thread::scope(|scope| {
        scope.spawn(move || {
            for event in events {
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

/// A filter that selects nothing is not success: the nearest name is offered.
fn nothing_selected(suite: &Suite, args: &TestArgs) -> Outcome {
    let names: Vec<&str> = suite.tests.iter().map(|test| test.test.as_str()).collect();
    let hint = args
        .filters
        .iter()
        .find_map(|filter| {
            let last = filter.rsplit("::").next().unwrap_or(filter);
            plan::suggest::closest(last, names.iter().copied())
        })
        .map_or_else(
            || "cargo xtask test --list".to_owned(),
            |name| format!("did you mean `{name}`? `cargo xtask test --list` lists all"),
        );
    let error = match &args.filters[..] {
        _ if args.partition.is_some() => anyhow::anyhow!("no test is selected in this partition"),
        [] => anyhow::anyhow!("no test is selected"),
        filters => anyhow::anyhow!("no test is selected by `{}`", filters.join("`, `")),
    };
    Err(Failure::new(Exit::NoTests, error).hint(Some(hint)))
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

//! `cargo xtask bench load`: compares the outcomes of tests on a busy host with those on an idle one.

use std::sync::Arc;
use std::time::Duration;

use host::process::{Command, ProcessError, Running};
use runner::Config;
use serde_json::json;
use start::decision::StartPolicy;
use suite::{Filter, Pattern};
use verdict::comparison::{CompareEvent, Comparison, Pair, Verdict, json as compared};
use verdict::event::RunReport;

use crate::cli::MessageFormat;
use crate::cli::bench::BenchLoadArgs;
use crate::command::test;
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output;
use crate::platforms::{self, Guests};
use crate::render::compare;
use crate::supply::Supply;

/// The names of the sides.
const SIDES: [&str; 2] = ["idle", "busy"];

pub(super) fn run(context: &Context, args: &BenchLoadArgs) -> CommandResult {
    let supply = Supply::open(context, &args.source)?;
    let suite = test::load(context, &supply.known_arches())?;
    let runs = platforms::prepare(&supply, &args.guest, &Guests::booting(&supply.arches))?;
    let patterns = args.filters.iter().cloned().map(Pattern::Part);
    let filter = Filter {
        patterns: patterns.collect(),
        ..Filter::default()
    };
    let mut config = test::config(context, suite, filter, runs);
    config.jobs = context.jobs();
    config.case.start = StartPolicy::Auto;
    config.case.templates = Some(test::templates(&supply));
    let idle = perform(context, &config)?;
    if idle.interrupted.is_some() || idle.tests.is_empty() {
        return Ok(Exit::Child(idle.exit_code()));
    }
    let loops = usize::from(args.loops) * host::clock::cpu_count();
    let loops = busy_loops(loops).map_err(|error| Failure::new(Exit::Failed, error))?;
    let busy = perform(context, &config)?;
    let count = loops.len();
    drop(loops);
    Ok(report(context, idle, busy, count))
}

/// Runs the tests. What the first run learnt about the host does not count in the second.
fn perform(context: &Context, config: &Config) -> Result<RunReport, Failure> {
    let mut config = config.clone();
    config.case.speed = Arc::default();
    test::perform(context, &config, None)
}

/// Starts programs that compute until they are dropped.
fn busy_loops(count: usize) -> Result<Vec<Running>, ProcessError> {
    let start = |_| {
        let script = ["-c", "while :; do :; done"];
        Command::new("sh").args(script).spawn()
    };
    (0..count).map(start).collect()
}

fn report(context: &Context, idle: RunReport, busy: RunReport, loops: usize) -> Exit {
    let times = [idle.duration_ms, busy.duration_ms];
    let pairs = idle.tests.into_iter().zip(busy.tests);
    let comparison = Comparison {
        pairs: pairs.map(|(old, new)| Pair { old, new }).collect(),
        run_dir: busy.run_dir,
        duration_ms: times.iter().sum(),
        interrupted: busy.interrupted,
    };
    match context.global.message_format {
        MessageFormat::Human => {
            let changed = comparison.pairs.iter();
            for pair in changed.filter(|pair| pair.verdict() != Verdict::Same) {
                output::result(compare::lines(context.style, SIDES, pair));
            }
            let summary = compare::summary(context.style, &comparison);
            let [idle, busy] = times.map(|time| Duration::from_millis(time).as_secs_f64());
            output::result(format!(
                "{summary}\nidle {idle:.1} s, next to {loops} busy loops {busy:.1} s: {:.1} times as long",
                busy / idle.max(0.001)
            ));
        }
        MessageFormat::Json => {
            for pair in &comparison.pairs {
                let pair = CompareEvent::Paired(Box::new(pair.clone()));
                output::result(compared::line(&pair));
            }
            let verdicts = comparison.verdicts();
            let count = |wanted| {
                verdicts
                    .values()
                    .filter(|verdict| **verdict == wanted)
                    .count()
            };
            let line = json!({
                "reason": "bench-load", "loops": loops, "tests": verdicts.len(),
                "same": count(Verdict::Same), "worse": count(Verdict::Worse), "better": count(Verdict::Better),
                "changed": count(Verdict::Changed), "idle_ms": times[0], "busy_ms": times[1],
            });
            output::result(line.to_string());
        }
    }
    Exit::Child(comparison.exit_code())
}

//! `cargo xtask bench warm`: compares the cost of a restored guest with that of a booted one,
//! alternately, with the same QEMU.

use std::sync::Arc;
use std::time::Duration;

use runner::Rounds;
use runner::bench::{median, tests_per_minute};
use serde_json::json;
use start::decision::StartPolicy;
use start::platform::ArchRun;
use start::template::Templates;
use suite::Suite;
use verdict::event::RunReport;

use crate::cli::MessageFormat;
use crate::cli::bench::BenchBootArgs;
use crate::command::test;
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output;
use crate::platforms::{self, Guests};
use crate::supply::Supply;

/// A test without devices, and one with a disk and a network card.
const TESTS: [&str; 2] = ["boot::true", "pci::disk-and-nic"];

/// Cold and warm.
const STARTS: [StartPolicy; 2] = [StartPolicy::COLD, StartPolicy::Warm];

/// The parameters of the measurement.
struct Bench<'a> {
    context: &'a Context,
    suite: &'a Suite,
    run: &'a ArchRun,
    templates: Arc<Templates>,
}

pub(super) fn run(context: &Context, args: &BenchBootArgs) -> CommandResult {
    let supply = Supply::open(context, &args.source)?;
    let suite = test::load(context, &supply.known_arches())?;
    let templates = test::templates(&supply);
    for run in &platforms::prepare(&supply, &args.guest, &Guests::booting(&supply.arches))? {
        let bench = Bench {
            context,
            suite: &suite,
            run,
            templates: Arc::clone(&templates),
        };
        for test in TESTS {
            bench.compare(test, args.runs)?;
        }
        bench.compare_rates(u32::from(args.runs))?;
    }
    Ok(Exit::Success)
}

impl Bench<'_> {
    /// CPU time and time to the verdict of one test.
    fn compare(&self, test: &str, runs: u16) -> Result<(), Failure> {
        let mut sides = [Vec::new(), Vec::new()];
        // The first round does not count: it creates the template and fills the page cache.
        for round in 0..=runs {
            for (start, side) in STARTS.into_iter().zip(&mut sides) {
                let before = host::clock::cpu_of_children();
                let report = self.perform(test, start, 1, 1)?;
                let cpu = host::clock::cpu_of_children().saturating_sub(before);
                if round > 0 {
                    let wall = report.tests.iter().map(|test| test.times.duration_ms).sum();
                    let wall = Duration::from_millis(wall);
                    side.push([cpu, wall].map(|time| time.as_secs_f64() * 1000.0));
                }
            }
        }
        let side =
            |all: &[[f64; 2]]| [0, 1].map(|i| median(all.iter().map(|one| one[i]).collect()));
        self.print_test(test, side(&sides[0]), side(&sides[1]), runs);
        Ok(())
    }

    /// Tests per second with two jobs.
    fn compare_rates(&self, rounds: u32) -> Result<(), Failure> {
        let rate = |start| -> Result<f64, Failure> {
            let report = self.perform(TESTS[0], start, 2, rounds)?;
            Ok(tests_per_minute(&report) / 60.0)
        };
        let (cold, warm) = (rate(STARTS[0])?, rate(STARTS[1])?);
        let (arch, ratio) = (&self.run.arch.name, warm / cold);
        output::result(match self.context.global.message_format {
            MessageFormat::Human => format!(
                "{arch:>8}: {warm:.1} tests per second with restored guests, {cold:.1} with guests that boot: \
                 {ratio:.1} times as many ({rounds} tests, -j 2)"
            ),
            MessageFormat::Json => json!({
                "reason": "bench-warm-rate", "arch": arch, "rounds": rounds, "jobs": 2,
                "cold_per_second": cold, "warm_per_second": warm, "ratio": ratio,
            })
            .to_string(),
        });
        Ok(())
    }

    fn perform(
        &self,
        test: &str,
        start: StartPolicy,
        jobs: usize,
        rounds: u32,
    ) -> Result<RunReport, Failure> {
        let mut config = test::named(self.context, self.suite, vec![self.run.clone()], test);
        config.jobs = jobs;
        config.limits.rounds = Rounds {
            count: Some(rounds),
            ..Rounds::default()
        };
        config.case.start = start;
        config.case.templates = Some(Arc::clone(&self.templates));
        let report = test::measured(self.context, config)?;
        let is_warm = start == StartPolicy::Warm;
        let wrong = report.tests.iter().find(|test| test.is_warm() != is_warm);
        let failed = match wrong {
            _ if report.exit_code() != 0 => "did not pass".to_owned(),
            Some(test) => format!("started otherwise: {:?}", test.setup.starts),
            None => return Ok(report),
        };
        let error = anyhow::anyhow!("`{}::{test}` {failed}", self.run.arch.name);
        Err(Failure::new(Exit::TestFailed, error))
    }

    fn print_test(&self, test: &str, cold: [f64; 2], warm: [f64; 2], runs: u16) {
        let arch = &self.run.arch.name;
        let ([cold_cpu, cold], [warm_cpu, warm]) = (cold, warm);
        let (cpu, wall) = (warm_cpu / cold_cpu, warm / cold);
        output::result(match self.context.global.message_format {
            MessageFormat::Human => format!(
                "{arch:>8}: {test} restored {warm_cpu:.0} ms of CPU time, booted {cold_cpu:.0} ms: {cpu:.2}; \
                 to the verdict {warm:.0} ms, {cold:.0} ms: {wall:.2} (medians of {runs})"
            ),
            MessageFormat::Json => json!({
                "reason": "bench-warm", "arch": arch, "test": test, "runs": runs, "ratio": wall,
                "cold_cpu_ms": cold_cpu, "warm_cpu_ms": warm_cpu, "cpu_ratio": cpu,
                "cold_ms": cold, "warm_ms": warm,
            })
            .to_string(),
        });
    }
}

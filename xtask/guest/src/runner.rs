//! A run: the selected tests, side by side, each in a directory of its own.
//!
//! What a single test does is in `case`; this module plans the run, spreads it over threads and
//! keeps its reports.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use camino::Utf8PathBuf;
use host::clock::monotonic;
use plan::arch::Arch;
use qemu::{Accel, BootFiles, Facts};

use crate::case;
use crate::coverage::Coverage;
use crate::debug::Debug;
use crate::event::{RunEvent, RunReport, SCHEMA, TestReport};
use crate::golden::bless::Blessing;
use crate::origin::{Origin, Platform};
use crate::suite::{Filter, Selected, Suite};

mod bench;
mod bless;
mod compare;
mod error;
mod exhaustive;
mod job;
pub(crate) mod place;
mod queue;

use bench::Bench;
pub use compare::compare;
pub use error::RunError;
pub use exhaustive::ExhaustiveError;
pub use job::Again;
pub(crate) use job::Job;
pub use place::temp_dir;
pub use queue::Rounds;

/// What to run and how.
#[derive(Debug, Clone)]
pub struct Config {
    /// All tests.
    pub suite: Suite,
    /// Which of them.
    pub filter: Filter,
    /// The architectures of the run, in order.
    pub arches: Vec<ArchRun>,
    /// How many tests run at once.
    pub jobs: usize,
    /// How often the tests are run.
    pub rounds: Rounds,
    /// Which jobs the selected tests become.
    pub extent: Extent,
    /// How often a test that failed is tried again.
    pub retries: u32,
    /// So many failures end the run.
    pub max_fail: Option<usize>,
    /// Of all choices.
    pub seed: u64,
    /// Choices that are made whatever the seed says.
    pub choices: BTreeMap<String, String>,
    /// All limits are multiplied by it.
    pub timeout_factor: f64,
    /// Lets the guest's kernel say everything on the console, not only warnings and worse.
    pub kernel_log: bool,
    /// Sends what tests print as events.
    pub no_capture: bool,
    /// Whether golden output is compared or written.
    pub bless: Blessing,
    /// Counts the devices that passed tests had.
    pub device_coverage: bool,
    /// What the report says about where the run comes from.
    pub origin: Origin,
    /// Where runs are kept, each in a numbered folder: `target/kiln/runs`.
    pub runs_dir: Utf8PathBuf,
    /// How many runs are kept there.
    pub keep_runs: usize,
    /// For sockets and scratch files, see [`temp_dir`].
    pub temp_dir: Utf8PathBuf,
    /// This program, which host halves call for their words.
    pub kiln: Utf8PathBuf,
    /// Where programs are looked for.
    pub path: Vec<Utf8PathBuf>,
    /// For somebody who looks closer.
    pub debug: Debug,
    /// Flags that a reproducing command line needs besides test, architecture and seed.
    pub reproduce: Vec<String>,
}

/// Which jobs the selected tests become.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Extent {
    /// One each, whose choices the seed makes.
    #[default]
    Seeded,
    /// Those of an earlier run.
    Again(Vec<Again>),
    /// One for each combination of all choices, but no more than `limit` in all.
    Exhaustive {
        /// The most jobs.
        limit: usize,
    },
}

/// An architecture of a run with what it boots.
#[derive(Debug, Clone)]
pub struct ArchRun {
    /// The architecture's file.
    pub arch: Arch,
    /// Kernel and initramfs.
    pub boot: BootFiles,
    /// The QEMU binary.
    pub binary: Utf8PathBuf,
    /// What it can do.
    pub facts: Facts,
    /// The accelerator.
    pub accel: Accel,
    /// The image's name, which is a hash of all that it is made from.
    pub image: String,
}

impl ArchRun {
    fn platform(&self) -> Platform {
        Platform {
            arch: self.arch.name.clone(),
            image: self.image.clone(),
            binary: self.binary.clone(),
            qemu: self.facts.version.to_string(),
            accel: self.accel.as_str().to_owned(),
        }
    }
}

/// Runs what the configuration selects. Every selected test is in the report, in order.
pub fn run(config: &Config, events: &Sender<RunEvent>) -> Result<RunReport, RunError> {
    let started = monotonic();
    let arches: Vec<_> = config
        .arches
        .iter()
        .map(|run| run.arch.name.clone())
        .collect();
    let (jobs, notes) = jobs(config, &arches)?;
    let place = place::Place::prepare(&config.runs_dir, &config.temp_dir, config.keep_runs)?;
    let library = case::Library::read(&config.suite.dir)?;
    let run_dir = place.run_dir.clone();
    let total = jobs.len() * config.rounds.count.unwrap_or(1) as usize;
    send(
        events,
        RunEvent::RunStarted {
            seed: config.seed,
            total,
            run_dir: run_dir.clone(),
        },
    );
    for text in notes {
        send(events, RunEvent::Note { text });
    }
    let limits = queue::Limits {
        rounds: config.rounds,
        max_fail: config.max_fail,
    };
    let bench = Bench {
        config,
        place: &place,
        library: &library,
        logs: run_dir.clone(),
        numbered: is_numbered(config, &jobs),
    };
    let queue = queue::Queue::new(jobs, limits);
    let mut reports = spread(config.jobs.clamp(1, total.max(1)), events, &bench, &queue);

    let (rest, why) = queue.rest();
    let rest = rest.into_iter();
    reports.extend(rest.map(|(place, job)| (place, case::not_run(config, &job, &why))));
    reports.sort_by_key(|(place, _)| *place);
    let tests: Vec<_> = reports.into_iter().map(|(_, report)| report).collect();
    for text in bless::perform(config, &tests)? {
        send(events, RunEvent::Note { text });
    }
    let report = report(config, tests, started, run_dir);
    // What came of the tests is told even where the disk is full.
    send(events, RunEvent::RunFinished(Box::new(report.clone())));
    place::keep(&report)?;
    Ok(report)
}

/// What came of a run that ends now.
fn report(
    config: &Config,
    tests: Vec<TestReport>,
    started: Instant,
    dir: Utf8PathBuf,
) -> RunReport {
    let counted = |run: &ArchRun| Coverage::of_run(&run.arch.name, &run.facts, &tests);
    let coverage = config
        .device_coverage
        .then(|| config.arches.iter().map(counted).collect());
    RunReport {
        schema: SCHEMA,
        origin: config.origin.clone(),
        platforms: config.arches.iter().map(ArchRun::platform).collect(),
        seed: config.seed,
        tests,
        duration_ms: millis(started.elapsed()),
        interrupted: host::interrupt::received().map(|signal| signal.0),
        run_dir: dir,
        coverage,
    }
}

/// Whether a test runs more than once, and so needs a folder for each round.
fn is_numbered(config: &Config, jobs: &[Job<'_>]) -> bool {
    config.rounds.repeats() || jobs.windows(2).any(|pair| pair[0].test == pair[1].test)
}

/// The jobs of the first round, in the order of the report, with what a person should know of them.
fn jobs<'a>(
    config: &'a Config,
    arches: &'a [String],
) -> Result<(Vec<Job<'a>>, Vec<String>), RunError> {
    let selected = config.suite.select(&config.filter, arches);
    let seeded = |test| Job {
        test,
        round: 0,
        seed: config.seed,
        forced: config.choices.clone(),
    };
    match &config.extent {
        Extent::Seeded => Ok((selected.into_iter().map(seeded).collect(), Vec::new())),
        Extent::Again(again) => {
            let named = |test: &Selected<'_>| {
                let name = test.name();
                again.iter().filter(move |again| again.name == name)
            };
            let jobs = selected
                .into_iter()
                .flat_map(|test| named(&test).map(move |again| (test, again)))
                .map(|(test, again)| again.job(test, &config.choices));
            Ok((jobs.collect(), Vec::new()))
        }
        Extent::Exhaustive { limit } => {
            let seeded = selected.into_iter().map(seeded).collect();
            Ok(exhaustive::expand(config, seeded, *limit)?)
        }
    }
}

/// Runs the jobs of a queue on some threads.
fn spread(
    threads: usize,
    events: &Sender<RunEvent>,
    bench: &Bench<'_>,
    queue: &queue::Queue<'_>,
) -> Vec<(queue::Place, TestReport)> {
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (events, reports) = (events.clone(), &reports);
            scope.spawn(move || {
                while let Some((place, job)) = queue.next() {
                    let name = job.test.name();
                    send(&events, RunEvent::TestStarted { name });
                    let mut report = bench.run(&job, &events);
                    if report.is_fatal() {
                        queue.note_failure();
                    }
                    send(&events, RunEvent::TestFinished(Box::new(report.clone())));
                    if bench.numbered && report.outcome.is_success() {
                        // There may be thousands of them.
                        report.console_tail.clear();
                        report.output_tail.clear();
                    }
                    let mut reports = reports.lock().unwrap_or_else(PoisonError::into_inner);
                    reports.push((place, report));
                }
            });
        }
    });
    reports.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever does not listen any more needs no events.
pub(crate) fn send(events: &Sender<RunEvent>, event: RunEvent) {
    let _ = events.send(event);
}

pub(crate) fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

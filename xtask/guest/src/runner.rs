//! A run: the selected tests, side by side, each in a directory of its own.
//!
//! What a single test does is in `case`; this module plans the run, spreads it over threads and
//! keeps its reports.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, PoisonError};

use camino::Utf8PathBuf;
use host::clock::monotonic;
use plan::arch::Arch;
use qemu::{Accel, BootFiles, Facts};

use crate::case;
use crate::event::{RunEvent, RunReport, TestReport};
use crate::suite::{Filter, Selected, Suite};

mod place;

pub use place::temp_dir;

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
    /// Flags that a reproducing command line needs besides test, architecture and seed.
    pub reproduce: Vec<String>,
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
}

/// Why there is no run at all.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The place for logs or scratch files refuses.
    #[error("cannot keep the run's files")]
    Prepare(#[from] std::io::Error),
}

impl RunError {
    /// The command that mends it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let Self::Prepare(error) = self;
        let full = error.kind() == std::io::ErrorKind::StorageFull;
        full.then(|| "free some space: old runs are below `target/kiln/runs`".to_owned())
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
    let selected = config.suite.select(&config.filter, &arches);
    let place = place::Place::prepare(&config.runs_dir, &config.temp_dir, config.keep_runs)?;
    let library = case::Library::read(&config.suite.dir)?;
    let run_dir = place.run_dir.clone();
    let total = selected.len();
    send(
        events,
        RunEvent::RunStarted {
            seed: config.seed,
            total,
            run_dir: run_dir.clone(),
        },
    );

    let reports: Mutex<Vec<Option<TestReport>>> = Mutex::new(vec![None; total]);
    let next = AtomicUsize::new(0);
    let jobs = config.jobs.clamp(1, total.max(1));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (events, place, library) = (events.clone(), &place, &library);
            let (selected, reports, next) = (&selected, &reports, &next);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    let Some(test) = selected.get(index) else {
                        break;
                    };
                    if host::interrupt::received().is_some() {
                        break;
                    }
                    let report = run_one(config, *test, index, place, library, &events);
                    let mut reports = reports.lock().unwrap_or_else(PoisonError::into_inner);
                    reports[index] = Some(report);
                }
            });
        }
    });

    let interrupted = host::interrupt::received().map(|signal| signal.0);
    let reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    let tests = reports.into_iter().zip(&selected).map(|(report, test)| {
        report.unwrap_or_else(|| case::not_run(config, *test, "interrupted"))
    });
    let report = RunReport {
        seed: config.seed,
        tests: tests.collect(),
        duration_ms: millis(started.elapsed()),
        interrupted,
        run_dir,
    };
    // What came of the tests is told even where the disk is full.
    send(events, RunEvent::RunFinished(report.clone()));
    place.keep(&report)?;
    Ok(report)
}

fn run_one(
    config: &Config,
    test: Selected<'_>,
    index: usize,
    place: &place::Place,
    library: &case::Library,
    events: &Sender<RunEvent>,
) -> TestReport {
    send(events, RunEvent::TestStarted { name: test.name() });
    let arch = config.arches.iter().find(|run| run.arch.name == test.arch);
    let report = match arch {
        Some(arch) => {
            let logs = place
                .run_dir
                .join(test.arch)
                .join(&test.test.area)
                .join(&test.test.test);
            let scratch = place.scratch().join(index.to_string());
            let setting = case::Setting {
                config,
                arch,
                test,
                library,
                logs,
                scratch,
                events,
            };
            case::run(&setting)
        }
        None => case::not_run(config, test, "its architecture is not part of the run"),
    };
    send(events, RunEvent::TestFinished(Box::new(report.clone())));
    report
}

/// Whoever does not listen any more needs no events.
pub(crate) fn send(events: &Sender<RunEvent>, event: RunEvent) {
    let _ = events.send(event);
}

pub(crate) fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

//! Runs the selected tests concurrently, each in a separate directory.
//!
//! `case` runs a single test. This module plans the run, distributes it to threads and stores its
//! reports.

use std::io;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use attach::LiveGuests;
use camino::{Utf8Path, Utf8PathBuf};
use guest::case;
use guest::job::Job;
use host::clock::monotonic;
use start::platform::ArchRun;
use suite::Selected;
use suite::overrides::Changes;
use verdict::coverage::Coverage;
use verdict::event::{RunEvent, RunReport, SCHEMA, TestReport, millis, passed_devices, send};
use verdict::runs::run_dir::{self, RunDir};

use crate::config::{Config, Extent};
use crate::error::RunError;
use crate::queue::Rounds;
use crate::worker::Worker;
use crate::{bless, exhaustive, queue};

/// Runs the tests that the configuration selects. Every selected test is in the report, in order.
pub fn run(config: &Config, events: &Sender<RunEvent>) -> Result<RunReport, RunError> {
    let started = monotonic();
    let arches: Vec<_> = config
        .arches
        .iter()
        .map(|run| run.arch.name.clone())
        .collect();
    let (jobs, notes) = jobs(config, &arches)?;
    let place = config.directories.prepare()?;
    let library = case::Library::read(&config.suite.dir)?;
    let run_dir = place.run_dir.clone();
    let attached = attached(
        config.directories.links.as_deref(),
        &config.case.live,
        &place,
    );
    let total = jobs.len() * config.limits.rounds.count.unwrap_or(1) as usize;
    send(
        events,
        RunEvent::RunStarted {
            seed: config.seed,
            total,
            run_dir: run_dir.clone(),
            platforms: config.arches.iter().map(ArchRun::platform).collect(),
        },
    );
    let refused = attached.as_ref().err();
    let refused = refused.map(|error| format!("other commands cannot attach to guests: {error}"));
    for text in notes.into_iter().chain(refused) {
        send(events, RunEvent::Note { text });
    }
    let worker = Worker {
        config,
        place: &place,
        library: &library,
        logs: run_dir.clone(),
        numbered: is_numbered(config.limits.rounds, &jobs),
        confirms: true,
    };
    let queue = queue::Queue::new(jobs, config.limits);
    let mut reports = spread(config.jobs.clamp(1, total.max(1)), events, &worker, &queue);

    let (rest, why) = queue.rest();
    let rest = rest.into_iter();
    reports.extend(rest.map(|(place, job)| {
        (
            place,
            case::not_run(&config.case, config.run_for(&job), &job, &why),
        )
    }));
    reports.sort_by_key(|(place, _)| *place);
    let tests: Vec<_> = reports.into_iter().map(|(_, report)| report).collect();
    for text in bless::perform(config, &tests)? {
        send(events, RunEvent::Note { text });
    }
    let report = report(config, tests, started, run_dir);
    // The results are reported even if the disk is full.
    send(events, RunEvent::RunFinished(Box::new(report.clone())));
    run_dir::write_report(&report)?;
    Ok(report)
}

/// Lets other commands attach to the guests of the run.
fn attached(
    links: Option<&Utf8Path>,
    live: &Arc<LiveGuests>,
    place: &RunDir,
) -> io::Result<Option<attach::Server>> {
    let name = place.run_dir.file_name().unwrap_or_default();
    let start = |links| attach::Server::start(live, name, place.scratch(), links);
    links.map(start).transpose()
}

/// The report of a run that ends now.
pub(super) fn report(
    config: &Config,
    tests: Vec<TestReport>,
    started: Instant,
    dir: Utf8PathBuf,
) -> RunReport {
    let counted = |run: &ArchRun| {
        let arch = &run.arch.name;
        Coverage::new(arch, &run.facts, passed_devices(arch, &tests))
    };
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

/// Whether a test runs more than once, and so needs a folder per round.
pub(super) fn is_numbered(rounds: Rounds, jobs: &[Job<'_>]) -> bool {
    rounds.repeats() || jobs.windows(2).any(|pair| pair[0].test == pair[1].test)
}

/// The jobs of the first round, in the order of the report, with notes for the user.
pub(super) fn jobs<'a>(
    config: &'a Config,
    arches: &'a [String],
) -> Result<(Vec<Job<'a>>, Vec<String>), RunError> {
    let selected = config.suite.select(&config.filter, arches);
    let seeded = |test| Job {
        test,
        round: 0,
        seed: config.seed,
        forced: config.choices.clone(),
        changes: Changes::default(),
        start: None,
    };
    let (mut jobs, notes) = match &config.extent {
        Extent::Seeded => (selected.into_iter().map(seeded).collect(), Vec::new()),
        Extent::Rerun(left) => {
            let named = |test: &Selected<'_>| {
                let name = test.name();
                left.iter().filter(move |left| left.name == name)
            };
            let jobs = selected
                .into_iter()
                .flat_map(|test| named(&test).map(move |left| (test, left)))
                .map(|(test, left)| left.job(test, &config.choices, config.case.start));
            (jobs.collect(), Vec::new())
        }
        Extent::Exhaustive { limit } => {
            let seeded = selected.into_iter().map(seeded).collect();
            exhaustive::expand(config, seeded, *limit)?
        }
    };
    for job in &mut jobs {
        let name = job.test.name();
        let subject = config.filter.subject(&job.test, &name);
        job.changes = Changes::of(&config.overrides, &subject);
        if job.changes.skip.is_none() {
            job.changes.skip = config.filter.passes_over(&job.test);
        }
    }
    Ok((jobs, notes))
}

/// Runs the jobs of a queue in several threads.
fn spread(
    threads: usize,
    events: &Sender<RunEvent>,
    worker: &Worker<'_>,
    queue: &queue::Queue<'_>,
) -> Vec<(queue::Slot, TestReport)> {
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (events, reports) = (events.clone(), &reports);
            scope.spawn(move || {
                while let Some(turn) = queue.next() {
                    let name = turn.job.test.name();
                    send(&events, RunEvent::TestStarted { name });
                    let mut report = worker.run(&turn.job, &events);
                    if report.is_fatal() {
                        queue.note_failure();
                    }
                    send(&events, RunEvent::TestFinished(Box::new(report.clone())));
                    if worker.numbered && report.outcome.is_success() {
                        // A run may have thousands of them.
                        report.evidence.console_tail.clear();
                        report.evidence.output_tail.clear();
                    }
                    let mut reports = reports.lock().unwrap_or_else(PoisonError::into_inner);
                    reports.push((turn.slot, report));
                }
            });
        }
    });
    reports.into_inner().unwrap_or_else(PoisonError::into_inner)
}

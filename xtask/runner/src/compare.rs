//! Runs each test in two configurations alternately, with two QEMUs or with cold and warm starts,
//! so that other load on the host affects both.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};

use guest::case;
use guest::job::Job;
use host::clock::monotonic;
use start::platform::ArchRun;
use verdict::comparison::{CompareEvent, Comparison, Pair, Verdict};
use verdict::event::{TestReport, millis};
use verdict::outcome::Outcome;
use verdict::runs::run_dir;

use crate::config::Config;
use crate::error::RunError;
use crate::queue;
use crate::run::{is_numbered, jobs, report};
use crate::worker::Worker;

/// The folders of the two sides below the run's.
const SIDES: [&str; 2] = ["old", "new"];

/// Runs the tests that the old configuration selects. The new one differs only in its QEMUs, or in
/// how guests start.
pub fn compare(
    old: &Config,
    new: &Config,
    events: &Sender<CompareEvent>,
) -> Result<Comparison, RunError> {
    let started = monotonic();
    let arches: Vec<_> = old.arches.iter().map(|run| run.arch.name.clone()).collect();
    let (jobs, _) = jobs(old, &arches)?;
    let place = old.directories.prepare()?;
    let library = case::Library::read(&old.suite.dir)?;
    let total = jobs.len() * old.limits.rounds.count.unwrap_or(1) as usize;
    let run_dir = place.run_dir.clone();
    let _ = events.send(CompareEvent::Started {
        seed: old.seed,
        total,
        run_dir: run_dir.clone(),
        by_start: old.case.start != new.case.start,
        old: versions(&old.arches),
        new: versions(&new.arches),
        platforms: [old, new].map(|it| it.arches.iter().map(ArchRun::platform).collect()),
    });
    let worker = |config, side| Worker {
        config,
        place: &place,
        library: &library,
        logs: run_dir.join(side),
        numbered: is_numbered(old.limits.rounds, &jobs),
        confirms: old.case.start == new.case.start,
    };
    let workers = [worker(old, SIDES[0]), worker(new, SIDES[1])];
    let threads = old.jobs.clamp(1, total.max(1));
    let queue = queue::Queue::new(jobs, old.limits);
    let pairs = spread(threads, &workers, &queue, events);
    let interrupted = host::interrupt::received().map(|signal| signal.0);
    for (side, config) in SIDES.into_iter().zip([old, new]) {
        let tests = pairs.iter().map(|pair| match side {
            "old" => pair.old.clone(),
            _ => pair.new.clone(),
        });
        let dir = run_dir.join(side);
        run_dir::write_report(&report(config, tests.collect(), started, dir))?;
    }
    let comparison = Comparison {
        pairs,
        run_dir,
        duration_ms: millis(started.elapsed()),
        interrupted,
    };
    let _ = events.send(CompareEvent::Finished(Box::new(comparison.clone())));
    Ok(comparison)
}

fn versions(arches: &[ArchRun]) -> BTreeMap<String, String> {
    let version = |run: &ArchRun| (run.arch.name.clone(), run.facts.version.to_string());
    arches.iter().map(version).collect()
}

fn spread(
    threads: usize,
    workers: &[Worker<'_>; 2],
    queue: &queue::Queue<'_>,
    events: &Sender<CompareEvent>,
) -> Vec<Pair> {
    let pairs = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (events, pairs) = (events.clone(), &pairs);
            scope.spawn(move || {
                while let Some(turn) = queue.next() {
                    let (slot, job) = (turn.slot, &turn.job);
                    let pair = if workers[1].confirms {
                        both(workers, job, slot.0 % 2 == 1)
                    } else {
                        both_starts(workers, job)
                    };
                    let Some(pair) = pair else {
                        continue;
                    };
                    if pair.verdict() == Verdict::Worse && pair.new.unstable.is_none() {
                        queue.note_failure();
                    }
                    let _ = events.send(CompareEvent::Paired(Box::new(pair.clone())));
                    let mut pairs = pairs.lock().unwrap_or_else(PoisonError::into_inner);
                    pairs.push((slot, pair));
                }
            });
        }
    });
    let mut pairs = pairs.into_inner().unwrap_or_else(PoisonError::into_inner);
    pairs.sort_by_key(|(place, _)| *place);
    pairs.into_iter().map(|(_, pair)| pair).collect()
}

/// Runs both sides. The first one has a cold cache, so they take turns.
fn both(workers: &[Worker<'_>; 2], job: &Job<'_>, new_first: bool) -> Option<Pair> {
    let (old, new) = if new_first {
        let new = run(&workers[1], job);
        (run(&workers[0], job), new)
    } else {
        (run(&workers[0], job), run(&workers[1], job))
    };
    pair(old, new)
}

/// A test whose guests were not restored has nothing to compare.
fn both_starts(workers: &[Worker<'_>; 2], job: &Job<'_>) -> Option<Pair> {
    let warm = run(&workers[1], job);
    let cold = if warm.is_warm() {
        run(&workers[0], job)
    } else {
        warm.clone()
    };
    pair(cold, warm)
}

/// Events of the test itself are not forwarded.
fn run(worker: &Worker<'_>, job: &Job<'_>) -> TestReport {
    let (events, _) = mpsc::channel();
    worker.run(job, &events)
}

/// A pair of reports, or `None` if an interruption left only half of it.
fn pair(old: TestReport, new: TestReport) -> Option<Pair> {
    let ran = |report: &TestReport| !matches!(report.outcome, Outcome::NotRun { .. });
    (ran(&old) && ran(&new)).then_some(Pair { old, new })
}

//! Chooses the next job: slow tests first and tests that measure time last, round by round, until there is a reason to
//! stop. While a test measures time, no other one runs.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use guest::job::Job;
use host::clock::monotonic;
use host::wait::{self, Limit};
use plan::duration;

/// The rounds of the selected tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounds {
    /// Maximum number of rounds, or `None` for no limit.
    pub count: Option<u32>,
    /// After this time no round begins, and no test of a later round starts.
    pub time: Option<Duration>,
    /// Stops after the first failure.
    pub until_fail: bool,
}

impl Default for Rounds {
    fn default() -> Self {
        Self {
            count: Some(1),
            time: None,
            until_fail: false,
        }
    }
}

impl Rounds {
    /// Whether a test may run more than once.
    #[must_use]
    pub fn repeats(&self) -> bool {
        self.count != Some(1)
    }
}

/// The rounds of the tests, and when the run stops early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// The rounds.
    pub rounds: Rounds,
    /// Number of failures that ends the run.
    pub max_fail: Option<usize>,
    /// No test starts after this time.
    pub time: Option<Duration>,
}

/// The jobs of a run, distributed to its threads.
#[derive(Debug)]
pub(super) struct Queue<'a> {
    /// The jobs of the first round, in the order of the report.
    jobs: Vec<Job<'a>>,
    /// Indices of `jobs` in the order of their start.
    order: Vec<usize>,
    limits: Limits,
    started: Instant,
    state: Mutex<State>,
    /// A job has ended.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lap: u32,
    next: usize,
    failed: usize,
    /// Number of jobs that run.
    running: usize,
    /// One of them measures time.
    measuring: bool,
    /// The time is over. Tests that were not started are not reported.
    over: bool,
}

/// What a thread does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Runs the job at this position.
    Run(Slot),
    /// Waits for the end of other jobs.
    Wait,
    /// Ends.
    End,
}

/// A job that runs until this is dropped.
#[derive(Debug)]
pub(super) struct Turn<'q, 'a> {
    queue: &'q Queue<'a>,
    pub(super) slot: Slot,
    pub(super) job: Job<'a>,
}

impl Drop for Turn<'_, '_> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.running -= 1;
        // It ran alone if it measured time.
        state.measuring = false;
        drop(state);
        self.queue.ended.notify_all();
    }
}

/// A position in the report: by round, then in the order of selection.
pub(super) type Slot = (u32, usize);

impl<'a> Queue<'a> {
    pub(super) fn new(jobs: Vec<Job<'a>>, limits: Limits) -> Self {
        let mut order: Vec<usize> = (0..jobs.len()).collect();
        // A slow test would otherwise run alone at the end. While a test measures time, all other threads are idle.
        order.sort_by_key(|&index| {
            let header = &jobs[index].test.test.header;
            (header.timing, !header.slow)
        });
        Self {
            jobs,
            order,
            limits,
            started: monotonic(),
            state: Mutex::default(),
            ended: Condvar::new(),
        }
    }

    /// Starts the next job, or returns `None` at the end of the run. Waits while the job must not start because
    /// it or another one measures time.
    ///
    /// A job that was returned never waits for another one: two tests that wait for each other may both run.
    pub(super) fn next(&self) -> Option<Turn<'_, 'a>> {
        let is_interrupted = || host::interrupt::received().is_some();
        let limit = Limit::unless(&is_interrupted);
        let slot = wait::until(&self.state, &self.ended, limit, |state| {
            match self.choose(state) {
                Next::Wait => None,
                Next::End => Some(None),
                Next::Run(slot) => {
                    self.start(state, slot);
                    Some(Some(slot))
                }
            }
        });
        let slot = slot.ok().flatten()?;
        Some(Turn {
            queue: self,
            slot,
            job: self.job(slot),
        })
    }

    fn choose(&self, state: &mut State) -> Next {
        let is_over = host::interrupt::received().is_some()
            || self.stopped(state.failed).is_some()
            || self.order.is_empty();
        if is_over {
            return Next::End;
        }
        let rounds = self.limits.rounds;
        let time_over = rounds
            .time
            .is_some_and(|time| self.started.elapsed() >= time);
        if time_over && state.lap > 0 {
            state.over = true;
            return Next::End;
        }
        let (lap, next) = if state.next < self.order.len() {
            (state.lap, state.next)
        } else {
            let last = rounds.count.is_some_and(|count| state.lap + 1 >= count);
            if last || time_over {
                return Next::End;
            }
            (state.lap + 1, 0)
        };
        let index = self.order[next];
        let must_wait = state.measuring || (self.measures(index) && state.running > 0);
        if must_wait {
            Next::Wait
        } else {
            Next::Run((lap, index))
        }
    }

    fn start(&self, state: &mut State, (lap, index): Slot) {
        state.next = if lap == state.lap { state.next + 1 } else { 1 };
        state.lap = lap;
        state.running += 1;
        state.measuring = self.measures(index);
    }

    fn measures(&self, index: usize) -> bool {
        self.jobs[index].test.test.header.timing
    }

    /// Records that a job has failed after all retries.
    pub(super) fn note_failure(&self) {
        self.state().failed += 1;
    }

    /// The jobs of started rounds that were never started, and the reason.
    pub(super) fn rest(&self) -> (Vec<(Slot, Job<'a>)>, String) {
        let state = self.state();
        let why = match self.stopped(state.failed) {
            _ if host::interrupt::received().is_some() => "interrupted".to_owned(),
            Some(why) => why,
            None => String::new(),
        };
        let left = if state.over {
            &[]
        } else {
            &self.order[state.next..]
        };
        let jobs = left
            .iter()
            .map(|&index| ((state.lap, index), self.job((state.lap, index))));
        (jobs.collect(), why)
    }

    fn stopped(&self, failed: usize) -> Option<String> {
        match self.limits.max_fail {
            Some(limit) if failed >= limit => Some(format!("--max-fail {limit} was reached")),
            _ if self.limits.rounds.until_fail && failed > 0 => {
                Some("--until-fail has found a failure".to_owned())
            }
            _ => {
                let limit = self.limits.time?;
                let is_over = self.started.elapsed() >= limit;
                is_over.then(|| format!("--job-timeout {} was reached", duration::show(limit)))
            }
        }
    }

    /// The job of a round. Later rounds differ only in the seed.
    fn job(&self, (lap, index): Slot) -> Job<'a> {
        let first = &self.jobs[index];
        Job {
            round: first.round.saturating_add(lap),
            seed: first.seed.wrapping_add(u64::from(lap)),
            ..first.clone()
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use camino::{Utf8Path, Utf8PathBuf};

    use super::*;
    use suite::header::Header;
    use suite::overrides::Changes;
    use suite::{Selected, TestFile};

    fn tests() -> Vec<TestFile> {
        let test = |name: &str, header: &str| {
            let text = format!("{header}\nin_guest() {{ true; }}\n");
            TestFile {
                area: "a".to_owned(),
                test: name.to_owned(),
                path: Utf8PathBuf::from(name),
                header: Header::parse(Utf8Path::new(name), &text).unwrap(),
                golden: Vec::new(),
            }
        };
        vec![
            test("zero", "#: timing = true"),
            test("one", ""),
            test("two", "#: slow = true"),
            test("three", ""),
        ]
    }

    fn jobs(tests: &[TestFile]) -> Vec<Job<'_>> {
        let job = |test| Job {
            test: Selected { arch: "x", test },
            round: 0,
            seed: u64::MAX,
            forced: BTreeMap::new(),
            changes: Changes::default(),
            start: None,
        };
        tests.iter().map(job).collect()
    }

    fn limits(count: Option<u32>) -> Limits {
        let rounds = Rounds {
            count,
            ..Rounds::default()
        };
        Limits {
            rounds,
            max_fail: None,
            time: None,
        }
    }

    /// Takes up to `limit` jobs as `round name`.
    fn taken(queue: &Queue<'_>, limit: usize) -> Vec<String> {
        std::iter::from_fn(|| queue.next())
            .take(limit)
            .map(|turn| format!("{} {}", turn.job.round, turn.job.test.test.test))
            .collect()
    }

    #[test]
    fn slow_tests_start_first_and_measurements_last() {
        let tests = tests();
        let queue = Queue::new(jobs(&tests), limits(Some(2)));
        let expect = [
            "0 two", "0 one", "0 three", "0 zero", "1 two", "1 one", "1 three", "1 zero",
        ];
        assert_eq!(taken(&queue, 10), expect);
        assert_eq!(queue.rest().0, []);
    }

    #[test]
    fn test_that_measures_time_waits_for_all_others() {
        let tests = tests();
        let queue = Queue::new(jobs(&tests), limits(Some(2)));
        let name = |turn: &Turn<'_, '_>| turn.job.test.test.test.clone();
        let mut others: Vec<_> = (0..3).map(|_| queue.next().unwrap()).collect();
        let choose = || queue.choose(&mut queue.state());
        while let Some(other) = others.pop() {
            assert_eq!(choose(), Next::Wait, "{}", name(&other));
        }
        let measures = queue.next().unwrap();
        assert_eq!((name(&measures).as_str(), choose()), ("zero", Next::Wait));
        // The next round has not begun, so none of its tests is reported.
        assert_eq!(queue.rest().0, []);
        let next = std::thread::scope(|scope| {
            let next = scope.spawn(|| queue.next());
            drop(measures);
            next.join().unwrap().unwrap()
        });
        assert_eq!((name(&next).as_str(), next.slot.0), ("two", 1));
        let more = [queue.next().unwrap(), queue.next().unwrap()];
        assert_eq!(more.each_ref().map(name), ["one", "three"]);
    }

    #[test]
    fn round_seed_derives_from_run_and_number() {
        let tests = tests();
        let queue = Queue::new(jobs(&tests[..1]), limits(None));
        let seeds: Vec<u64> = std::iter::from_fn(|| queue.next())
            .take(3)
            .map(|turn| turn.job.seed)
            .collect();
        assert_eq!(seeds, [u64::MAX, 0, 1]);
    }

    #[test]
    fn max_fail_ends_the_run() {
        let tests = tests();
        let mut limits = limits(Some(5));
        limits.max_fail = Some(2);
        let queue = Queue::new(jobs(&tests), limits);
        queue.note_failure();
        assert_eq!(taken(&queue, 2), ["0 two", "0 one"]);
        queue.note_failure();
        assert_eq!(taken(&queue, 9), [""; 0]);
        let (rest, why) = queue.rest();
        let rest: Vec<_> = rest.iter().map(|(place, _)| *place).collect();
        assert_eq!(
            (rest, why.as_str()),
            (vec![(0, 3), (0, 0)], "--max-fail 2 was reached")
        );
    }

    #[test]
    fn no_job_starts_after_the_timeout() {
        let tests = tests();
        let mut limits = limits(Some(2));
        limits.time = Some(Duration::from_secs(3600));
        let queue = Queue::new(jobs(&tests), limits);
        assert_eq!(taken(&queue, 9).len(), 8);
        limits.time = Some(Duration::ZERO);
        let queue = Queue::new(jobs(&tests), limits);
        assert_eq!(taken(&queue, 9), [""; 0]);
        let (rest, why) = queue.rest();
        assert_eq!(
            (rest.len(), why.as_str()),
            (4, "--job-timeout 0.00s was reached")
        );
    }

    #[test]
    fn until_fail_repeats_until_a_failure() {
        let tests = tests();
        let mut limits = limits(None);
        limits.rounds.until_fail = true;
        let queue = Queue::new(jobs(&tests[..1]), limits);
        assert_eq!(taken(&queue, 100).len(), 100);
        queue.note_failure();
        assert_eq!(taken(&queue, 1), [""; 0]);
    }

    #[test]
    fn every_test_runs_once_within_any_time() {
        let tests = tests();
        let mut limits = limits(None);
        limits.rounds.time = Some(Duration::ZERO);
        let queue = Queue::new(jobs(&tests), limits);
        assert_eq!(taken(&queue, 9), ["0 two", "0 one", "0 three", "0 zero"]);
        assert_eq!(queue.rest().0, []);
    }
}

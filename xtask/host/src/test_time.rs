//! Time limits that do not depend on the load of the host.
//!
//! A limit counts *test time*: time in which the processes of the test could run. It stops while
//! one of their threads is runnable but waits for a processor. A computing process is therefore
//! stopped after the processor time of its limit, and a hanging one after the limit itself, however
//! busy the host is. Test time advances at no less than a twentieth of the wall clock, so every
//! wait ends. On a slow host it advances more slowly by a factor, which the caller determines.

mod meter;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::monotonic;
use crate::load::{self, CpuTime};
use crate::wait::{self, Countdown};
use meter::Meter;

/// Minimum interval between measurements of test time.
const RESOLUTION: Duration = Duration::from_millis(10);
/// The maximum interval between two samples. A wait takes one every 50 ms, so a longer interval means that Kiln
/// itself did not run: the whole run was stopped, for example by Ctrl-Z, or the host was suspended. Then the
/// interval does not count.
const LONGEST: Duration = Duration::from_secs(5);
/// The same for waits on threads of Kiln, which are as short as half a second.
const LONGEST_OWN: Duration = Duration::from_millis(250);
/// A wait for hours takes fewer samples: this part of its limit passes between two of them, at most [`RAREST`].
const SAMPLE_SHARE: u32 = 10_000;
const RAREST: Duration = Duration::from_millis(200);

/// A process computes if it was runnable for at least this part of a wait, and is starved if it waited for a
/// processor for this part.
const BUSY_SHARE: f64 = 0.5;

/// The CPU time of the threads of a test, by thread id.
pub type Threads = BTreeMap<u32, CpuTime>;

/// What a clock measures. Tests replace it.
pub trait Source: std::fmt::Debug + Send {
    /// The wall clock since the start.
    fn wall(&mut self) -> Duration;
    /// The threads of these processes and their descendants.
    fn threads(&mut self, processes: &BTreeSet<u32>) -> Threads;
    /// Whether this thread runs or waits for a processor.
    fn is_runnable(&mut self, thread: u32) -> bool;
    /// Whether a signal has stopped one of these processes.
    fn is_stopped(&mut self, processes: &BTreeSet<u32>) -> bool;
}

/// The clock and the accounting of the kernel.
#[derive(Debug)]
struct Kernel {
    started: Instant,
    /// Whether it also measures the threads of Kiln.
    own: bool,
}

impl Source for Kernel {
    fn wall(&mut self) -> Duration {
        monotonic() - self.started
    }

    fn threads(&mut self, processes: &BTreeSet<u32>) -> Threads {
        let mut threads = load::threads(processes.iter().copied());
        if self.own {
            threads.extend(load::own_threads());
        }
        threads
    }

    fn is_runnable(&mut self, thread: u32) -> bool {
        load::is_runnable(thread)
    }

    fn is_stopped(&mut self, processes: &BTreeSet<u32>) -> bool {
        processes.iter().any(|process| load::is_stopped(*process))
    }
}

/// What the processes did during a wait that reached its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// They ran.
    Computing,
    /// They waited for a processor of the host.
    Starved,
    /// They waited for something else.
    Idle,
    /// A signal has stopped one of them.
    Stopped,
}

impl std::fmt::Display for Activity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Computing => "it is computing",
            Self::Starved => "it waits for a CPU of the host",
            Self::Idle => "it uses no CPU time",
            Self::Stopped => "a signal has stopped it",
        })
    }
}

/// The clock of one test. Clones share it.
#[derive(Debug, Clone)]
pub struct TestClock(Arc<Mutex<Clock>>);

#[derive(Debug)]
struct Clock {
    source: Box<dyn Source>,
    /// How much slower than the wall clock it is on this host.
    factor: f64,
    processes: BTreeSet<u32>,
    /// Number of guards that hold the clock.
    holds: usize,
    /// The maximum interval between two samples that counts.
    longest: Duration,
    meter: Meter,
    renewed: Option<RenewedLimit>,
}

/// A time limit that the test has set itself, in place of the one in its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewedLimit {
    /// The test time at which it ends.
    pub end: Duration,
    /// How long it was when it was set.
    pub limit: Duration,
}

impl Clock {
    /// Brings the meter up to date, if the last sample is this old.
    fn sample(&mut self, resolution: Duration) {
        let wall = self.source.wall();
        if wall.saturating_sub(self.meter.wall) < resolution {
            return;
        }
        if wall.saturating_sub(self.meter.wall) > self.longest {
            self.meter.skip_to(wall.saturating_sub(wait::TICK));
        }
        if self.holds > 0 {
            self.meter.hold(wall);
        } else {
            let threads = self.source.threads(&self.processes);
            let Self { meter, source, .. } = self;
            meter.take(wall, &threads, |thread| source.is_runnable(thread));
        }
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new(1.0)
    }
}

impl TestClock {
    /// Starts the clock. The factor is 1 on a reference host.
    #[must_use]
    pub fn new(factor: f64) -> Self {
        let kernel = Kernel {
            started: monotonic(),
            own: false,
        };
        Self::from_source(kernel, factor)
    }

    /// A clock that also stops while a thread of Kiln waits for a processor, or while Kiln is stopped, for waits
    /// on these threads.
    #[must_use]
    pub fn of_own_threads() -> Self {
        let kernel = Kernel {
            started: monotonic(),
            own: true,
        };
        let clock = Self::from_source(kernel, 1.0);
        clock.lock().longest = LONGEST_OWN;
        clock
    }

    /// A clock with another source, which is at its start.
    #[must_use]
    pub fn from_source(source: impl Source + 'static, factor: f64) -> Self {
        Self(Arc::new(Mutex::new(Clock {
            source: Box::new(source),
            factor,
            processes: BTreeSet::new(),
            holds: 0,
            longest: LONGEST,
            meter: Meter::default(),
            renewed: None,
        })))
    }

    /// From now on, the test has this long.
    pub fn renew_limit(&self, limit: Duration) {
        let end = self.now().saturating_add(limit);
        self.lock().renewed = Some(RenewedLimit { end, limit });
    }

    /// The limit that the test has set last.
    #[must_use]
    pub fn renewed_limit(&self) -> Option<RenewedLimit> {
        self.lock().renewed
    }

    /// Holds the clock until the guard is dropped, while Kiln does something that is not a part of the test.
    #[must_use]
    pub fn hold(&self) -> Hold {
        let mut clock = self.lock();
        clock.sample(Duration::ZERO);
        clock.holds += 1;
        Hold(self.clone())
    }

    /// From now on, the clock stops while this process or a descendant waits for a processor.
    pub fn follow(&self, pid: u32) {
        self.lock().processes.insert(pid);
    }

    /// Follows a process until the guard is dropped.
    #[must_use]
    pub fn follow_while(&self, pid: u32) -> Followed {
        self.follow(pid);
        Followed(self.clone(), pid)
    }

    /// Unregisters a process that has ended.
    pub fn forget(&self, pid: u32) {
        self.lock().processes.remove(&pid);
    }

    /// Test time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        let mut clock = self.lock();
        clock.sample(RESOLUTION);
        clock.meter.counted.div_f64(clock.factor)
    }

    /// How long this clock was stopped because the test waited for a processor.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.lock().meter.waited
    }

    /// The deadline of a wait that begins now.
    #[must_use]
    pub fn deadline(&self, limit: Duration) -> Deadline {
        let end = self.now().saturating_add(limit);
        let meter = &self.lock().meter;
        Deadline {
            clock: self.clone(),
            end,
            limit,
            wall: meter.wall,
            busy: meter.busy,
            waited: meter.waited,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Clock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds a clock.
#[derive(Debug)]
pub struct Hold(TestClock);

impl Drop for Hold {
    fn drop(&mut self) {
        let mut clock = self.0.lock();
        clock.sample(Duration::ZERO);
        clock.holds -= 1;
    }
}

/// Follows a process.
#[derive(Debug)]
pub struct Followed(TestClock, u32);

impl Drop for Followed {
    fn drop(&mut self) {
        self.0.forget(self.1);
    }
}

/// A deadline in test time.
#[derive(Debug, Clone)]
pub struct Deadline {
    clock: TestClock,
    end: Duration,
    limit: Duration,
    /// The wall clock at the start of the wait.
    wall: Duration,
    /// How long the busiest thread had been runnable at that time.
    busy: Duration,
    /// How long the clock had been stopped at that time.
    waited: Duration,
}

impl Deadline {
    /// What the processes have done since the wait began.
    #[must_use]
    pub fn activity(&self) -> Activity {
        let mut clock = self.clock.lock();
        clock.sample(Duration::ZERO);
        let Clock {
            source, processes, ..
        } = &mut *clock;
        if source.is_stopped(processes) {
            return Activity::Stopped;
        }
        let passed = clock.meter.wall.saturating_sub(self.wall);
        let is_most = |time: Duration| time >= passed.mul_f64(BUSY_SHARE);
        if is_most(clock.meter.waited.saturating_sub(self.waited)) {
            Activity::Starved
        } else if is_most(clock.meter.busy.saturating_sub(self.busy)) {
            Activity::Computing
        } else {
            Activity::Idle
        }
    }
}

impl Countdown for Deadline {
    fn left(&self) -> Duration {
        self.end.saturating_sub(self.clock.now())
    }

    fn interval(&self) -> Duration {
        (self.limit / SAMPLE_SHARE).clamp(wait::TICK, RAREST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::{GaveUp, Limit};

    /// A source that a test sets.
    #[derive(Debug, Clone, Default)]
    struct Fake(Arc<Mutex<(Duration, CpuTime, bool)>>);

    impl Fake {
        fn pass(&self, wall: f64, ran: f64, waited: f64) {
            let mut state = self.0.lock().unwrap();
            state.0 += seconds(wall);
            state.1.ran += seconds(ran);
            state.1.waited += seconds(waited);
        }
    }

    impl Source for Fake {
        fn wall(&mut self) -> Duration {
            self.0.lock().unwrap().0
        }

        fn threads(&mut self, processes: &BTreeSet<u32>) -> Threads {
            let time = self.0.lock().unwrap().1;
            processes.iter().map(|process| (*process, time)).collect()
        }

        fn is_runnable(&mut self, _: u32) -> bool {
            false
        }

        fn is_stopped(&mut self, _: &BTreeSet<u32>) -> bool {
            self.0.lock().unwrap().2
        }
    }

    fn seconds(number: f64) -> Duration {
        Duration::from_secs_f64(number)
    }

    #[test]
    fn stopped_run_does_not_use_up_its_limit() {
        let source = Fake::default();
        let clock = TestClock::from_source(source.clone(), 1.0);
        let deadline = clock.deadline(seconds(60.0));
        // No sample was taken for an hour.
        source.pass(3600.0, 0.0, 0.0);
        assert_eq!(deadline.left(), seconds(59.95));
        assert_eq!(clock.waited(), Duration::ZERO);
        // With samples, the time counts.
        for _ in 0..15 {
            source.pass(4.0, 0.0, 0.0);
            let _ = clock.now();
        }
        assert_eq!(deadline.left(), Duration::ZERO);
    }

    #[test]
    fn stopped_run_leaves_time_for_its_threads() {
        let source = Fake::default();
        let clock = TestClock::from_source(source.clone(), 1.0);
        clock.lock().longest = LONGEST_OWN;
        let deadline = clock.deadline(seconds(0.5));
        source.pass(3600.0, 0.0, 0.0);
        assert_eq!(deadline.left(), seconds(0.45));
        // A wait takes its samples often enough that all time of a run counts.
        for limit in [0.5, 60.0, 86400.0] {
            let interval = clock.deadline(seconds(limit)).interval();
            assert!(wait::TICK <= interval && interval < LONGEST_OWN, "{limit}");
        }
    }

    #[test]
    fn own_threads_and_processes_are_measured() {
        let command = crate::process::Command::new("sleep").args(["1000"]);
        let running = command.spawn().unwrap();
        let measured = |own| {
            let started = monotonic();
            let threads = Kernel { started, own }.threads(&BTreeSet::from([running.pid()]));
            [std::process::id(), running.pid()].map(|thread| threads.contains_key(&thread))
        };
        assert_eq!(measured(true), [true, true]);
        assert_eq!(measured(false), [false, true]);
    }

    /// Each row is what a process does in four seconds of the wall clock, how many seconds of a limit of 30 s
    /// are left after 80 s, and its activity.
    #[test]
    fn only_time_for_computing_or_hanging_counts() {
        let check = |ran: f64, waited: f64, stopped, left: f64, expect: Activity| {
            let source = Fake::default();
            let clock = TestClock::from_source(source.clone(), 1.0);
            let _followed = clock.follow_while(7);
            let deadline = clock.deadline(seconds(30.0));
            source.0.lock().unwrap().2 = stopped;
            for _ in 0..20 {
                source.pass(4.0, ran, waited);
                let _ = clock.now();
            }
            let found = deadline.left().as_secs_f64();
            assert!((found - left).abs() < 1e-6, "{ran} {waited}: {found}");
            assert_eq!(deadline.activity(), expect, "{ran} {waited}");
        };
        check(4.0, 0.0, false, 0.0, Activity::Computing);
        check(0.0, 0.0, false, 0.0, Activity::Idle);
        check(0.0, 0.0, true, 0.0, Activity::Stopped);
        // The host gives it a quarter of a processor: 20 s of 80 s count.
        check(1.0, 3.0, false, 10.0, Activity::Starved);
        // It gets nearly nothing: a twentieth counts.
        check(0.01, 3.99, false, 26.0, Activity::Starved);
        // It responds to a request each second, and sleeps between them.
        check(0.1, 0.1, false, 0.0, Activity::Idle);
    }

    #[test]
    fn ended_process_is_not_followed() {
        let clock = TestClock::default();
        drop(clock.follow_while(7));
        assert!(clock.lock().processes.is_empty());
    }

    #[test]
    fn clock_is_held_until_last_guard_is_dropped() {
        let clock = TestClock::default();
        let holds = || clock.lock().holds;
        let first = clock.hold();
        let second = clock.hold();
        drop(first);
        assert_eq!(holds(), 1);
        drop(second);
        assert_eq!(holds(), 0);
    }

    #[test]
    fn renewed_limit_begins_when_it_is_set() {
        let clock = TestClock::default();
        assert_eq!(clock.renewed_limit(), None);
        for limit in [seconds(90.0), seconds(5.0)] {
            let before = clock.now();
            clock.renew_limit(limit);
            let found = clock.renewed_limit().unwrap();
            assert_eq!(found.limit, limit);
            assert!(before + limit <= found.end && found.end <= clock.now() + limit);
        }
    }

    #[test]
    fn deadline_passes_faster_with_a_small_factor() {
        let clock = TestClock::new(0.001);
        let deadline = clock.deadline(seconds(3.0));
        assert!(!deadline.left().is_zero());
        let limit = Limit::while_left(&deadline);
        assert_eq!(wait::poll(limit, || None::<()>), Err(GaveUp::Deadline));
        assert!(deadline.left().is_zero());
    }
}

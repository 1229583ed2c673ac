//! Time limits that do not depend on the load of the host.
//!
//! A limit counts *test time*: time in which the guests and the host script of the test could run.
//! It stops while one of their threads is runnable but waits for a processor. A computing guest is
//! therefore stopped after the processor time of its limit, and a hanging guest after the limit
//! itself, however busy the host is. Test time advances at no less than a twentieth of the wall
//! clock, so every wait ends. On a slow host it advances more slowly by a factor, which is the
//! duration of the fastest boot of the run relative to its limit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use host::clock::monotonic;
use host::load::{self, CpuTime};
use host::wait::Countdown;

/// The maximum ratio of the wall clock to test time on a busy host.
const SLOWEST: u32 = 20;
/// Minimum interval between measurements of test time.
const RESOLUTION: Duration = Duration::from_millis(10);
/// The maximum time that counts between two samples. A session takes one every 50 ms, so a longer interval means
/// that Kiln itself did not run: the whole run was stopped, for example by Ctrl-Z, or the host was suspended.
const LONGEST: Duration = Duration::from_secs(5);
/// On a reference host, a boot takes at most this part of its limit.
const BOOT_SHARE: f64 = 0.2;
/// A guest that is ready after less than this part of its limit was restored, not booted.
const RESTORED_SHARE: f64 = 0.01;
/// The maximum factor for slow hosts.
const SLOWEST_HOST: f64 = 10.0;

/// The threads of a test: of its QEMUs, and of its host script with all descendants.
type Threads = BTreeMap<u32, CpuTime>;

/// Test time so far, from samples of the wall clock and of the waiting times of threads.
#[derive(Debug, Default)]
struct Meter {
    wall: Duration,
    counted: Duration,
    /// Waiting time that is not subtracted yet, because the kernel reports a wait when it is over.
    owed: Duration,
    held: Duration,
    /// The part of `held` in which the threads waited for a processor.
    waited: Duration,
    threads: Threads,
}

impl Meter {
    /// Takes a sample `wall` after the start.
    fn take(&mut self, wall: Duration, threads: Threads) {
        let passed = wall.saturating_sub(self.wall);
        let waited = |(thread, now): (&u32, &CpuTime)| {
            let before = self.threads.get(thread).copied().unwrap_or_default();
            now.waited.saturating_sub(before.waited)
        };
        // The thread that waited longest determines the progress of the guest.
        self.owed += threads.iter().map(waited).max().unwrap_or_default();
        let held = self.owed.min(passed.saturating_sub(passed / SLOWEST));
        self.owed -= held;
        self.held += held;
        self.waited += held;
        self.counted += passed.saturating_sub(held);
        self.wall = wall;
        self.threads = threads;
    }

    /// Does not count the time until `wall` after the start.
    fn skip_to(&mut self, wall: Duration) {
        self.held += wall.saturating_sub(self.wall);
        self.wall = self.wall.max(wall);
    }

    /// Takes a sample `wall` after the start, at the end of an interval in which the test could not run.
    fn hold(&mut self, wall: Duration) {
        let passed = wall.saturating_sub(self.wall);
        self.held += passed.saturating_sub(passed / SLOWEST);
        self.counted += passed / SLOWEST;
        self.wall = wall;
    }
}

/// How much slower than the reference a host is, at least 1, from the processor time of a boot.
/// `None` if it was not a boot.
fn slowness(boot: Duration, limit: Duration) -> Option<f64> {
    let share = boot.as_secs_f64() / limit.as_secs_f64();
    (share >= RESTORED_SHARE).then(|| (share / BOOT_SHARE).clamp(1.0, SLOWEST_HOST))
}

/// The speed of the host, from the boots of the run so far.
#[derive(Debug, Default)]
pub struct HostSpeed {
    /// The fastest boot relative to its limit.
    slowness: Mutex<Option<f64>>,
}

impl HostSpeed {
    /// Records the processor time of a boot with this limit. The fastest boot counts, because
    /// others may have had more to do.
    pub fn note(&self, boot: Duration, limit: Duration) {
        let Some(found) = slowness(boot, limit) else {
            return;
        };
        let mut known = self.slowness.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(known.map_or(found, |known| known.min(found)));
    }

    /// The factor for limits, 1 before the first boot.
    #[must_use]
    pub fn factor(&self) -> f64 {
        let known = self.slowness.lock().unwrap_or_else(PoisonError::into_inner);
        known.unwrap_or(1.0)
    }
}

/// The clock of one test. Clones share it.
#[derive(Debug, Clone)]
pub struct TestClock(Arc<Mutex<Clock>>);

#[derive(Debug)]
struct Clock {
    started: Instant,
    /// How much slower than the wall clock it is on this host.
    factor: f64,
    processes: BTreeSet<u32>,
    /// Number of guards that hold the clock.
    holds: usize,
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
        let wall = monotonic() - self.started;
        if wall.saturating_sub(self.meter.wall) < resolution {
            return;
        }
        self.meter.skip_to(wall.saturating_sub(LONGEST));
        if self.holds > 0 {
            self.meter.hold(wall);
        } else {
            let threads = load::threads(self.processes.iter().copied());
            self.meter.take(wall, threads);
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
        Self(Arc::new(Mutex::new(Clock {
            started: monotonic(),
            factor,
            processes: BTreeSet::new(),
            holds: 0,
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
        Deadline {
            clock: self.clone(),
            end: self.now().saturating_add(limit),
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

/// A deadline in test time.
#[derive(Debug, Clone)]
pub struct Deadline {
    clock: TestClock,
    end: Duration,
}

impl Countdown for Deadline {
    fn left(&self) -> Duration {
        self.end.saturating_sub(self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use host::wait::{self, GaveUp, Limit};

    use super::*;

    fn seconds(number: f64) -> Duration {
        Duration::from_secs_f64(number)
    }

    /// Takes one sample per second. Each contains how long the threads of one process waited in
    /// that second.
    fn counted(samples: &[&[f64]]) -> f64 {
        let mut meter = Meter::default();
        let mut threads = Threads::new();
        for (second, waits) in (1_u32..).zip(samples) {
            for (number, wait) in (0..).zip(*waits) {
                threads.entry(number).or_default().waited += seconds(*wait);
            }
            meter.take(Duration::from_secs(second.into()), threads.clone());
        }
        assert_eq!(meter.held + meter.counted, meter.wall);
        meter.counted.as_secs_f64()
    }

    #[test]
    fn test_time_excludes_waits_for_a_processor() {
        let check = |samples: &[&[f64]], expect: f64| {
            let found = counted(samples);
            assert!((found - expect).abs() < 1e-6, "{samples:?}: {found}");
        };
        // Idle host, no QEMU yet, guest asleep.
        check(&[&[], &[], &[]], 3.0);
        check(&[&[0.0], &[0.0], &[0.0]], 3.0);
        // Waits half of the time, then not at all.
        check(&[&[0.5], &[0.5], &[0.0]], 2.0);
        // The thread that waited longest counts, not the sum.
        check(&[&[0.5, 0.25], &[0.25, 0.5]], 1.0);
        // A wait that is reported late is subtracted later.
        check(&[&[0.0], &[1.5], &[0.0]], 1.5);
        // If nothing can run, a twentieth is counted.
        check(&[&[1.0], &[1.0]], 0.1);
        // Four threads report the same wait one after the other, which must not stop the clock.
        check(&[&[1.0], &[1.0, 1.0], &[1.0, 1.0, 1.0]], 0.15);
    }

    #[test]
    fn new_process_starts_with_its_own_waits() {
        let mut meter = Meter::default();
        meter.take(seconds(10.0), Threads::new());
        let waited = CpuTime {
            ran: Duration::ZERO,
            waited: seconds(0.25),
        };
        meter.take(seconds(11.0), Threads::from([(7, waited)]));
        assert_eq!(meter.counted, seconds(10.75));
        // It ends.
        meter.take(seconds(12.0), Threads::new());
        assert_eq!(meter.counted, seconds(11.75));
    }

    #[test]
    fn held_interval_counts_a_twentieth() {
        let mut meter = Meter::default();
        meter.take(seconds(1.0), Threads::new());
        meter.hold(seconds(21.0));
        meter.take(seconds(22.0), Threads::new());
        assert_eq!((meter.counted, meter.held), (seconds(3.0), seconds(19.0)));
        assert_eq!(meter.waited, Duration::ZERO);
    }

    #[test]
    fn stopped_run_does_not_use_up_its_limit() {
        let clock = TestClock::default();
        let deadline = clock.deadline(seconds(60.0));
        let pass = |time: f64| clock.lock().started -= seconds(time);
        // No sample was taken for an hour.
        pass(3600.0);
        assert!(deadline.left() > seconds(50.0), "{:?}", deadline.left());
        assert_eq!(clock.waited(), Duration::ZERO);
        // With samples, the time counts.
        for _ in 0..14 {
            pass(4.0);
            let _ = clock.now();
        }
        assert!(deadline.left().is_zero(), "{:?}", deadline.left());
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
    fn slow_host_has_longer_limits() {
        let check = |boot: f64, limit: f64, expect: Option<f64>| {
            let found = slowness(seconds(boot), seconds(limit));
            let rounded = found.map(|found| (found * 1000.0).round() / 1000.0);
            assert_eq!(rounded, expect, "{boot} of {limit}");
        };
        check(0.1, 20.0, None);
        check(0.5, 20.0, Some(1.0));
        check(4.0, 20.0, Some(1.0));
        check(6.0, 20.0, Some(1.5));
        check(1000.0, 20.0, Some(SLOWEST_HOST));
        check(0.0, 0.0, None);
    }

    #[test]
    fn fastest_boot_gives_the_speed() {
        let speed = HostSpeed::default();
        assert!((speed.factor() - 1.0).abs() < 1e-6);
        let limit = seconds(20.0);
        for (boot, expect) in [(12.0, 3.0), (0.1, 3.0), (8.0, 2.0), (40.0, 2.0), (1.0, 1.0)] {
            speed.note(seconds(boot), limit);
            assert!((speed.factor() - expect).abs() < 1e-6, "{boot}");
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

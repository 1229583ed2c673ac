//! Adds up test time from samples of the wall clock and of the CPU time of threads. Pure.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use super::Threads;
use crate::load::CpuTime;

/// The maximum ratio of the wall clock to test time on a busy host.
const SLOWEST: u32 = 20;
/// A runnable thread without progress for this long waits for a processor. The kernel accounts for
/// the time of a running thread at each tick of its timer, which is every 10 ms or more often.
const STALLED: Duration = Duration::from_millis(40);

/// Test time so far, from samples of the wall clock and of the waiting times of threads.
#[derive(Debug, Default)]
pub(super) struct Meter {
    pub(super) wall: Duration,
    pub(super) counted: Duration,
    /// Waiting time that is not subtracted yet, because the kernel reports a wait when it is over.
    owed: Duration,
    held: Duration,
    /// The part of `held` in which the threads waited for a processor.
    pub(super) waited: Duration,
    /// The part of `wall` in which the busiest thread was runnable.
    pub(super) busy: Duration,
    threads: BTreeMap<u32, Thread>,
}

/// A thread at the last sample.
#[derive(Debug, Clone, Copy, Default)]
struct Thread {
    time: CpuTime,
    /// The waiting time that was subtracted although the kernel has not reported it yet.
    assumed: Duration,
}

/// What a thread did between two samples.
#[derive(Debug, Default)]
struct Spent {
    waited: Duration,
    ran: Duration,
    /// Assumed waiting time before it, in which the thread ran after all.
    refuted: Duration,
}

impl Thread {
    /// Takes a sample after this much time. The kernel reports a wait for a processor when it is over.
    fn take(
        &mut self,
        now: CpuTime,
        passed: Duration,
        is_runnable: impl FnOnce() -> bool,
    ) -> Spent {
        let waited = now.waited.saturating_sub(self.time.waited);
        let ran = now.ran.saturating_sub(self.time.ran);
        self.time = now;
        if waited.is_zero() && ran.is_zero() {
            let waited = if passed >= STALLED && is_runnable() {
                passed
            } else {
                Duration::ZERO
            };
            self.assumed += waited;
            return Spent {
                waited,
                ..Spent::default()
            };
        }
        let assumed = std::mem::take(&mut self.assumed);
        Spent {
            waited: waited.saturating_sub(assumed),
            ran,
            refuted: assumed.saturating_sub(waited),
        }
    }
}

impl Meter {
    /// Takes a sample `wall` after the start.
    pub(super) fn take(
        &mut self,
        wall: Duration,
        threads: &Threads,
        mut is_runnable: impl FnMut(u32) -> bool,
    ) {
        let passed = wall.saturating_sub(self.wall);
        self.threads
            .retain(|thread, _| threads.contains_key(thread));
        // The thread that waited longest determines the progress of the test.
        let (mut waited, mut busy, mut refuted) = Default::default();
        for (&number, &time) in threads {
            let spent = match self.threads.entry(number) {
                Entry::Occupied(known) => {
                    known.into_mut().take(time, passed, || is_runnable(number))
                }
                Entry::Vacant(new) => new.insert(Thread::default()).take(time, passed, || false),
            };
            waited = spent.waited.max(waited);
            busy = (spent.waited + spent.ran).max(busy);
            refuted = spent.refuted.max(refuted);
        }
        self.refute(refuted);
        self.busy += busy;
        self.owed += waited;
        let held = self.owed.min(passed.saturating_sub(passed / SLOWEST));
        self.owed -= held;
        self.held += held;
        self.waited += held;
        self.counted += passed.saturating_sub(held);
        self.wall = wall;
    }

    /// Counts waiting time that was assumed wrongly.
    fn refute(&mut self, time: Duration) {
        let owed = time.min(self.owed);
        self.owed -= owed;
        let held = time.saturating_sub(owed).min(self.waited);
        self.waited -= held;
        self.held -= held;
        self.counted += held;
    }

    /// Does not count the time until `wall` after the start.
    pub(super) fn skip_to(&mut self, wall: Duration) {
        self.held += wall.saturating_sub(self.wall);
        self.wall = self.wall.max(wall);
    }

    /// Takes a sample `wall` after the start, at the end of an interval in which the test could not run.
    pub(super) fn hold(&mut self, wall: Duration) {
        let passed = wall.saturating_sub(self.wall);
        self.held += passed.saturating_sub(passed / SLOWEST);
        self.counted += passed / SLOWEST;
        self.wall = wall;
    }
}

#[cfg(test)]
mod tests {
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
            meter.take(Duration::from_secs(second.into()), &threads, |_| false);
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
        meter.take(seconds(10.0), &Threads::new(), |_| false);
        let waited = CpuTime {
            ran: Duration::ZERO,
            waited: seconds(0.25),
        };
        meter.take(seconds(11.0), &Threads::from([(7, waited)]), |_| false);
        assert_eq!(meter.counted, seconds(10.75));
        // It ends.
        meter.take(seconds(12.0), &Threads::new(), |_| false);
        assert_eq!(meter.counted, seconds(11.75));
    }

    /// The kernel reports nothing about a thread until the fourth second, and then this time on a processor and
    /// this waiting time. Checks the test time after the third and after the fourth second.
    #[test]
    fn wait_in_progress_does_not_count() {
        let check = |runnable: bool, ran: f64, waited: f64, expect: [f64; 2]| {
            let mut meter = Meter::default();
            let mut time = CpuTime::default();
            let mut take = |second: f64, time| {
                meter.take(seconds(second), &Threads::from([(7, time)]), |_| runnable);
                meter.counted.as_secs_f64()
            };
            take(0.0, time);
            let _ = (take(1.0, time), take(2.0, time));
            let third = take(3.0, time);
            time.ran = seconds(ran);
            time.waited = seconds(waited);
            for (found, expect) in [third, take(4.0, time)].into_iter().zip(expect) {
                let close = (found - expect).abs() < 1e-6;
                assert!(close, "{runnable} {ran} {waited}: {found}, not {expect}");
            }
        };
        // It slept.
        check(false, 0.0, 0.0, [3.0, 4.0]);
        // It waited for a processor, and then ran.
        check(true, 1.0, 3.0, [0.15, 1.0]);
        // It waited all the time.
        check(true, 0.01, 3.99, [0.15, 0.2]);
        // It ran all the time, and the kernel did not report that.
        check(true, 4.0, 0.0, [0.15, 4.0]);
    }

    #[test]
    fn held_interval_counts_a_twentieth() {
        let mut meter = Meter::default();
        meter.take(seconds(1.0), &Threads::new(), |_| false);
        meter.hold(seconds(21.0));
        meter.take(seconds(22.0), &Threads::new(), |_| false);
        assert_eq!((meter.counted, meter.held), (seconds(3.0), seconds(19.0)));
        assert_eq!(meter.waited, Duration::ZERO);
    }
}

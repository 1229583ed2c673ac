//! The only wait loop of the workspace: waits for a condition, a deadline or a cancellation.
//!
//! [`until`] waits for shared state with a condition variable, [`receive`] waits for a channel, and
//! [`poll`] waits for something without a notification. Every crate uses it. Processes, files and
//! sockets are the caller's.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Interval at which a wait checks whether it was cancelled.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// The first pause of [`poll`]. Each later one is twice as long, up to [`TICK`].
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// A remaining time, on any clock.
pub trait Countdown {
    /// The remaining time.
    fn left(&self) -> Duration;
    /// Interval at which a wait checks the remaining time.
    fn interval(&self) -> Duration {
        TICK
    }
}

/// When a wait gives up.
#[derive(Clone, Copy, Default)]
pub struct Limit<'a> {
    /// Gives up at this time.
    pub deadline: Option<Instant>,
    /// Gives up when no time is left.
    pub countdown: Option<&'a dyn Countdown>,
    /// Gives up once this returns true.
    pub is_cancelled: Option<&'a dyn Fn() -> bool>,
}

/// Why a wait gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GaveUp {
    /// The deadline has passed.
    #[error("timed out")]
    Deadline,
    /// The caller cancelled the wait.
    #[error("cancelled")]
    Cancelled,
}

/// Why nothing was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReceived {
    /// Nothing was sent in time.
    #[error(transparent)]
    GaveUp(GaveUp),
    /// Every sender is gone.
    #[error("every sender is gone")]
    Closed,
}

impl<'a> Limit<'a> {
    /// Waits until this time.
    #[must_use]
    pub fn until(deadline: Instant) -> Self {
        Self {
            deadline: Some(deadline),
            ..Self::default()
        }
    }

    /// Waits for this long. Without a deadline if the clock cannot express it.
    #[must_use]
    pub fn within(time: Duration) -> Self {
        Self {
            deadline: Instant::now().checked_add(time),
            ..Self::default()
        }
    }

    /// Waits until the countdown has no time left.
    #[must_use]
    pub fn while_left(countdown: &'a dyn Countdown) -> Self {
        Self {
            countdown: Some(countdown),
            ..Self::default()
        }
    }

    /// Waits until this is true, without a deadline.
    #[must_use]
    pub fn unless(is_cancelled: &'a dyn Fn() -> bool) -> Self {
        Self {
            is_cancelled: Some(is_cancelled),
            ..Self::default()
        }
    }

    /// Also gives up once this is true.
    #[must_use]
    pub fn or_if(mut self, is_cancelled: &'a dyn Fn() -> bool) -> Self {
        self.is_cancelled = Some(is_cancelled);
        self
    }

    /// The time left, or `None` without a deadline.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        let until = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        (self.deadline.map(until).into_iter())
            .chain(self.countdown.map(Countdown::left))
            .min()
    }

    /// How long to wait before the next check. `None` means until a notification.
    fn next(&self) -> Result<Option<Duration>, GaveUp> {
        if self.is_cancelled.is_some_and(|is_cancelled| is_cancelled()) {
            return Err(GaveUp::Cancelled);
        }
        let left = self.left();
        if left.is_some_and(|left| left.is_zero()) {
            return Err(GaveUp::Deadline);
        }
        // A countdown may pause and a cancellation notifies no waiter, so both are polled.
        let ticks = (self.is_cancelled.map(|_| TICK).into_iter())
            .chain(self.countdown.map(Countdown::interval));
        Ok(left.into_iter().chain(ticks).min())
    }
}

/// Checks, then waits and checks again. `look` gets the time to wait before it checks, at first
/// none.
fn turns<R>(limit: Limit<'_>, mut look: impl FnMut(Wait) -> Option<R>) -> Result<R, GaveUp> {
    let mut wait = Wait::No;
    loop {
        if let Some(found) = look(wait) {
            return Ok(found);
        }
        wait = limit.next()?.map_or(Wait::Forever, Wait::For);
    }
}

/// How long an iteration waits.
#[derive(Clone, Copy)]
enum Wait {
    No,
    For(Duration),
    Forever,
}

/// Waits until `find` returns something for the state. Threads that change the state notify
/// `changed`.
pub fn until<T, R>(
    state: &Mutex<T>,
    changed: &Condvar,
    limit: Limit<'_>,
    mut find: impl FnMut(&mut T) -> Option<R>,
) -> Result<R, GaveUp> {
    // No lock holder can leave the state inconsistent.
    let mut guard = Some(state.lock().unwrap_or_else(PoisonError::into_inner));
    turns(limit, |wait| {
        let held = guard.take()?;
        let mut held = match wait {
            Wait::No => held,
            Wait::For(time) => {
                let waited = changed.wait_timeout(held, time);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            Wait::Forever => changed.wait(held).unwrap_or_else(PoisonError::into_inner),
        };
        let found = find(&mut held);
        guard = Some(held);
        found
    })
}

/// Receives the next message. A message that has already arrived is received whatever the limit.
pub fn receive<T>(receiver: &Receiver<T>, limit: Limit<'_>) -> Result<T, NotReceived> {
    let outcome = turns(limit, |wait| {
        let item = match wait {
            Wait::No => receiver.recv_timeout(Duration::ZERO),
            Wait::For(time) => receiver.recv_timeout(time),
            Wait::Forever => receiver.recv().map_err(RecvTimeoutError::from),
        };
        match item {
            Ok(item) => Some(Ok(item)),
            Err(RecvTimeoutError::Disconnected) => Some(Err(NotReceived::Closed)),
            Err(RecvTimeoutError::Timeout) => None,
        }
    });
    outcome.map_err(NotReceived::GaveUp)?
}

/// Retries until `attempt` returns something, at first after a millisecond, then less and less
/// often. For events without a notification: a lock of another process, or a socket that does not
/// exist yet.
pub fn poll<R>(limit: Limit<'_>, mut attempt: impl FnMut() -> Option<R>) -> Result<R, GaveUp> {
    let mut pause = FIRST_PAUSE;
    turns(limit, |wait| {
        match wait {
            Wait::No => {}
            Wait::For(time) => sleep(pause.min(time)),
            Wait::Forever => sleep(pause),
        }
        if !matches!(wait, Wait::No) {
            pause = (pause * 2).min(TICK);
        }
        attempt()
    })
}

fn sleep(time: Duration) {
    #[expect(
        clippy::disallowed_methods,
        reason = "at most a tick; then the limit is looked at"
    )]
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn cancelled() -> bool {
        true
    }

    #[test]
    fn condition_is_checked_before_the_limit() {
        let (state, changed) = (Mutex::new(7), Condvar::new());
        let check = |limit: Limit<'_>, expect: Result<i32, GaveUp>, wanted: i32| {
            let found = until(&state, &changed, limit, |state| {
                (*state == wanted).then_some(*state)
            });
            assert_eq!(found, expect);
            let polled = poll(limit, || (wanted == 7).then_some(7));
            assert_eq!(polled, expect);
        };
        let over = Limit::within(Duration::ZERO);
        check(over, Ok(7), 7);
        check(over, Err(GaveUp::Deadline), 8);
        check(Limit::unless(&cancelled), Ok(7), 7);
        check(Limit::unless(&cancelled), Err(GaveUp::Cancelled), 8);
        check(
            Limit::within(LONG).or_if(&cancelled),
            Err(GaveUp::Cancelled),
            8,
        );
    }

    #[test]
    fn waiter_wakes_when_the_state_changes() {
        for limit in [Limit::default(), Limit::within(LONG)] {
            let (state, changed) = (Mutex::new(0), Condvar::new());
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    *state.lock().unwrap() = 1;
                    changed.notify_all();
                });
                let found = until(&state, &changed, limit, |state| (*state == 1).then_some(()));
                assert_eq!(found, Ok(()));
            });
        }
    }

    #[test]
    fn cancellation_during_a_wait_ends_it() {
        let looks = Cell::new(0);
        let cancelled = || {
            looks.set(looks.get() + 1);
            looks.get() > 2
        };
        let (state, changed) = (Mutex::new(()), Condvar::new());
        let limit = Limit::unless(&cancelled);
        let waited = until(&state, &changed, limit, |()| None::<()>);
        assert_eq!((waited, looks.get()), (Err(GaveUp::Cancelled), 3));
    }

    #[test]
    fn closed_channel_differs_from_silent_one() {
        let (sender, receiver) = channel();
        sender.send(1).unwrap();
        let over = Limit::within(Duration::ZERO);
        assert_eq!(receive(&receiver, over), Ok(1));
        let late = Err(NotReceived::GaveUp(GaveUp::Deadline));
        assert_eq!(receive(&receiver, over), late);
        drop(sender);
        for limit in [over, Limit::default(), Limit::within(LONG)] {
            assert_eq!(receive(&receiver, limit), Err(NotReceived::Closed));
        }
    }

    #[test]
    fn poll_ends_with_the_first_result() {
        let tries = Cell::new(0);
        let found = poll(Limit::within(LONG), || {
            tries.set(tries.get() + 1);
            (tries.get() == 4).then_some("found")
        });
        assert_eq!((found, tries.get()), (Ok("found"), 4));
    }
}

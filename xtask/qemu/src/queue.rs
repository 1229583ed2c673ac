//! The queue for everything that arrives from a QEMU.
//!
//! Bytes of the guest wait for space, so that a flooding guest is slowed down by its own channel
//! and never exhausts memory. QMP events and the exit never wait, so that a full queue cannot block
//! a caller that waits for a QMP answer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use host::test_time::TestClock;
use host::wait::{self, GaveUp, Limit};

/// Maximum number of queued bytes.
const ROOM: usize = 4 << 20;

/// How long a channel may stay open after QEMU's exit, held by a process that left QEMU's group.
const STRAGGLERS: Duration = Duration::from_millis(500);

/// A queue with several producers and one consumer.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    producers: usize,
    closed: bool,
}

impl<T> Queue<T> {
    /// An empty queue for this number of `Producer`s.
    pub(crate) fn new(producers: usize) -> Self {
        let state = State {
            items: VecDeque::new(),
            bytes: 0,
            producers,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Appends immediately.
    pub(crate) fn push(&self, item: T) {
        let mut state = self.lock();
        if !state.closed {
            state.items.push_back((item, 0));
            self.changed.notify_all();
        }
    }

    /// Appends once there is space for `bytes`. Returns false if the reader is gone.
    pub(crate) fn push_bytes(&self, item: T, bytes: usize) -> bool {
        let mut item = Some(item);
        let pushed = self.wait(Limit::default(), |state| {
            if state.closed {
                return Some(false);
            }
            if state.bytes >= ROOM {
                return None;
            }
            state.bytes += bytes;
            state.items.extend(item.take().map(|item| (item, bytes)));
            Some(true)
        });
        self.changed.notify_all();
        // Without a limit the wait never gives up.
        pushed.unwrap_or(false)
    }

    /// The next item, or `None` at the limit.
    pub(crate) fn next(&self, limit: Limit<'_>) -> Option<T> {
        let next = self.wait(limit, |state| {
            if let Some((item, bytes)) = state.items.pop_front() {
                state.bytes -= bytes;
                self.changed.notify_all();
                return Some(Some(item));
            }
            state.closed.then_some(None)
        });
        next.ok().flatten()
    }

    /// A producer has ended.
    pub(crate) fn producer_ended(&self) {
        let mut state = self.lock();
        state.producers = state.producers.saturating_sub(1);
        self.changed.notify_all();
    }

    /// Waits until all producers have ended. The wait is short unless they wait for space, or for a
    /// processor, as they are threads of Kiln.
    pub(crate) fn wait_for_producers(&self, clock: &TestClock) {
        let have_ended =
            |state: &mut State<T>| (state.producers == 0 || state.closed).then_some(());
        let wait = || clock.deadline(STRAGGLERS);
        while (self.wait(Limit::while_left(&wait()), have_ended)).is_err() {
            if self.lock().bytes < ROOM {
                return;
            }
        }
    }

    /// The reader is gone, so producers stop.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.items.clear();
        state.bytes = 0;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No lock holder can leave the queue inconsistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<R>(
        &self,
        limit: Limit<'_>,
        find: impl FnMut(&mut State<T>) -> Option<R>,
    ) -> Result<R, GaveUp> {
        wait::until(&self.state, &self.changed, limit, find)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use harness::clock::Steps;
    use host::test_time::TestClock;
    use host::wait::Limit;

    use super::{Queue, ROOM};

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn items_are_ordered_and_deadline_is_final() {
        let queue = Queue::new(0);
        queue.push(1);
        assert!(queue.push_bytes(2, 10));
        assert_eq!(queue.next(Limit::until(soon())), Some(1));
        assert_eq!(queue.next(Limit::until(Instant::now())), Some(2));
        assert_eq!(queue.next(Limit::until(Instant::now())), None);
    }

    #[test]
    fn flood_waits_while_events_pass() {
        let queue = Arc::new(Queue::new(1));
        assert!(queue.push_bytes(0, ROOM));
        queue.push(1);
        let flood = Arc::clone(&queue);
        let thread = std::thread::spawn(move || flood.push_bytes(2, 1));
        assert_eq!(queue.next(Limit::until(soon())), Some(0));
        assert_eq!(queue.next(Limit::until(soon())), Some(1));
        assert_eq!(queue.next(Limit::until(soon())), Some(2));
        assert!(thread.join().unwrap());
    }

    #[test]
    fn closing_the_queue_wakes_a_waiting_producer() {
        let queue = Arc::new(Queue::new(1));
        assert!(queue.push_bytes(0, ROOM));
        let flood = Arc::clone(&queue);
        let thread = std::thread::spawn(move || flood.push_bytes(1, 1));
        queue.close();
        assert!(!thread.join().unwrap());
        assert_eq!(queue.next(Limit::until(soon())), None);
    }

    #[test]
    fn straggling_producer_is_waited_for_briefly() {
        let queue = Queue::<()>::new(2);
        queue.producer_ended();
        let start = Instant::now();
        queue.wait_for_producers(&TestClock::default());
        assert!(start.elapsed() >= super::STRAGGLERS);
        queue.producer_ended();
        queue.wait_for_producers(&TestClock::default());
    }

    /// The producer ends after eight seconds without a processor, of which 0.4 s count.
    #[test]
    fn straggler_without_cpu_time_is_not_missed() {
        let queue = Arc::new(Queue::<()>::new(1));
        let ends = Arc::clone(&queue);
        // The queue is locked while the clock is read.
        let end = move || drop(std::thread::spawn(move || ends.producer_ended()));
        let clock = TestClock::from_source(Steps::starved().until(2, end), 1.0);
        clock.follow(7);
        queue.wait_for_producers(&clock);
        assert_eq!(queue.lock().producers, 0);
    }
}

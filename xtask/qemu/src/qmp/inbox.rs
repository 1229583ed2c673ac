//! The events of one QEMU that were not taken yet.
//!
//! Every event is kept in order of arrival until it is taken, so that a waiter also finds an
//! earlier event, and each event is found once. Unknown events are kept like any other.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use host::wait::{self, GaveUp, Limit};

use crate::event::{QemuEvent, RawEvent};

/// Maximum number of events. The oldest is dropped first.
const ROOM: usize = 4096;

/// Why no event was returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoEvent {
    /// The deadline has passed.
    #[error("timed out")]
    Deadline,
    /// QEMU has exited without such an event.
    #[error("QEMU has exited")]
    Closed,
    /// The caller has exited.
    #[error("cancelled: the caller has exited")]
    Abandoned,
}

/// A bounded list of events with many readers.
#[derive(Debug, Default)]
pub struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<RawEvent>,
    /// The number of following `RESUME` events that Kiln causes itself.
    own_resumes: u32,
    dropped: u64,
    closed: bool,
    /// Ids of all devices that QEMU has deleted, whether or not the event was taken.
    deleted: BTreeSet<String>,
}

impl Inbox {
    /// Takes the oldest matching event, or waits for one.
    pub fn take(
        &self,
        fits: impl Fn(&RawEvent) -> bool,
        limit: Limit<'_>,
    ) -> Result<RawEvent, NoEvent> {
        let taken = wait::until(&self.state, &self.changed, limit, |state| {
            let found = state.events.iter().position(&fits);
            match found.and_then(|index| state.events.remove(index)) {
                Some(event) => Some(Ok(event)),
                None => state.closed.then_some(Err(NoEvent::Closed)),
            }
        });
        taken.unwrap_or_else(|gave_up| {
            Err(match gave_up {
                GaveUp::Deadline => NoEvent::Deadline,
                GaveUp::Cancelled => NoEvent::Abandoned,
            })
        })
    }

    /// The next `RESUME` is caused by Kiln and is not delivered.
    pub(crate) fn pass_over_resume(&self) {
        self.lock().own_resumes += 1;
    }

    /// Whether QEMU has ever deleted a device with this id.
    #[must_use]
    pub fn has_deleted(&self, id: &str) -> bool {
        self.lock().deleted.contains(id)
    }

    /// How many events were dropped because they were not taken.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Whether QEMU has exited, so that no further event arrives.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(super) fn push(&self, raw: RawEvent, event: &QemuEvent) {
        let mut state = self.lock();
        match event {
            QemuEvent::DeviceDeleted { device: Some(id) } if state.deleted.len() < ROOM => {
                state.deleted.insert(id.clone());
            }
            QemuEvent::Resume if state.own_resumes > 0 => {
                state.own_resumes -= 1;
                return;
            }
            _ => {}
        }
        if state.events.len() == ROOM {
            state.events.pop_front();
            state.dropped += 1;
        }
        state.events.push_back(raw);
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No lock holder can leave the list inconsistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn push(inbox: &Inbox, raw: RawEvent) {
        let event = QemuEvent::from(&raw);
        inbox.push(raw, &event);
    }

    fn event(name: &str, number: usize) -> RawEvent {
        RawEvent {
            name: name.to_owned(),
            data: json!({ "number": number }),
            micros: 0,
        }
    }

    fn soon<'a>() -> Limit<'a> {
        Limit::within(Duration::from_secs(20))
    }

    fn now<'a>() -> Limit<'a> {
        Limit::within(Duration::ZERO)
    }

    fn named(name: &str) -> impl Fn(&RawEvent) -> bool {
        move |event| event.name == name
    }

    #[test]
    fn earlier_event_is_found_once_in_order() {
        let inbox = Inbox::default();
        for (name, number) in [("A", 1), ("B", 2), ("A", 3)] {
            push(&inbox, event(name, number));
        }
        let take = |name| inbox.take(named(name), now());
        assert_eq!(take("B"), Ok(event("B", 2)));
        assert_eq!(take("A"), Ok(event("A", 1)));
        assert_eq!(take("A"), Ok(event("A", 3)));
        assert_eq!(take("A"), Err(NoEvent::Deadline));
    }

    #[test]
    fn waiter_gets_event_or_exit() {
        let inbox = Inbox::default();
        std::thread::scope(|scope| {
            let first = scope.spawn(|| inbox.take(named("A"), soon()));
            let second = scope.spawn(|| inbox.take(named("B"), soon()));
            push(&inbox, event("C", 1));
            push(&inbox, event("A", 2));
            assert_eq!(first.join().unwrap(), Ok(event("A", 2)));
            inbox.close();
            assert_eq!(second.join().unwrap(), Err(NoEvent::Closed));
        });
        // An event that arrived before the exit can still be taken.
        assert_eq!(inbox.take(named("C"), soon()), Ok(event("C", 1)));
    }

    #[test]
    fn cancelled_wait_ends() {
        let inbox = Inbox::default();
        let waited = inbox.take(named("A"), soon().or_if(&|| true));
        assert_eq!(waited, Err(NoEvent::Abandoned));
    }

    #[test]
    fn synthetic_event_reaches_no_waiter() {
        let inbox = Inbox::default();
        inbox.pass_over_resume();
        for (name, number) in [("B", 1), ("RESUME", 2), ("RESUME", 3)] {
            push(&inbox, event(name, number));
        }
        let take = |name| inbox.take(named(name), now());
        assert_eq!(take("RESUME"), Ok(event("RESUME", 3)));
        assert_eq!(take("RESUME"), Err(NoEvent::Deadline));
        assert_eq!(take("B"), Ok(event("B", 1)));
    }

    #[test]
    fn deleted_devices_are_remembered_after_their_events() {
        let inbox = Inbox::default();
        let deleted = |device: &str| RawEvent {
            data: json!({ "device": device }),
            ..event("DEVICE_DELETED", 1)
        };
        push(&inbox, deleted("plug4"));
        push(&inbox, event("DEVICE_DELETED", 2));
        assert!(inbox.take(named("DEVICE_DELETED"), soon()).is_ok());
        assert!(inbox.has_deleted("plug4"));
        assert!(!inbox.has_deleted("plug1"));
    }

    #[test]
    fn a_flood_drops_the_oldest_and_counts_them() {
        let inbox = Inbox::default();
        for number in 0..ROOM + 3 {
            push(&inbox, event("A", number));
        }
        assert_eq!(inbox.dropped(), 3);
        let first = inbox.take(named("A"), now());
        assert_eq!(first, Ok(event("A", 3)));
    }
}

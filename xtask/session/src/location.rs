//! The location of a session's guest: here, in transit to another QEMU, or still to arrive from
//! one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};

use host::clock::monotonic;
use qemu::console::{Console, Kind};
use qemu::vm::Port;
use suite::header::Channel;
use verdict::outcome::Outcome;

use super::conversation::Conversation;
use super::handoff::Whose;
use super::{Arrival, Guest, Handoff, Host, Part, Policy, RunState, Session, SessionEnd, Start};
use super::{TICK, Waker};
use crate::protocol::{Heard, Sender, first_record};

/// Where the guest is.
pub(super) enum Location {
    /// In another QEMU or in a file, from which it will migrate into this one.
    Awaited(Awaited),
    /// Here. The number is that of the session in the handoff.
    Here(u64),
    /// It already communicates through another QEMU, and its earlier bytes here are read to the
    /// end.
    Leaving(u64),
    /// In another QEMU. Set when it has ended there.
    Gone(Arc<AtomicBool>),
}

/// The output of a QEMU before its guest was identified.
#[derive(Default)]
pub(super) struct Awaited {
    records: Vec<u8>,
    console: Vec<u8>,
    /// Whether QEMU runs it. It need not send first, because what it waits for may have been lost
    /// in transit.
    pub(super) runs: bool,
    /// Whether the migration into this QEMU is complete. The guest may be stopped.
    arrived: bool,
    asked: Option<Receiver<Conversation>>,
}

impl Location {
    pub(super) fn new(policy: &Policy, waker: &Waker) -> Self {
        match policy.arrival {
            Arrival::Boot | Arrival::Restored(_) => {
                Self::Here(policy.handoff.enter(None, Arc::clone(waker)))
            }
            Arrival::Migration => Self::Awaited(Awaited::default()),
        }
    }
}

impl Awaited {
    /// Requests the guest as soon as it is identified.
    fn ask(&mut self, handoff: &Handoff, waker: &Waker) {
        if self.asked.is_some() {
            return;
        }
        // A guest that did not survive its migration sends no more records.
        let dead = || {
            let mut troubles = Console::default().feed(&self.console).into_iter();
            troubles.any(|(kind, _)| kind != Kind::Notice)
        };
        let whose = match first_record(&self.records) {
            Some(Heard::Nonce(nonce)) => Whose::Nonce(nonce),
            Some(Heard::Hello) => Whose::Latest,
            None if dead() => Whose::Latest,
            None if self.runs || self.arrived => Whose::Departed,
            None => return,
        };
        self.asked = handoff.ask(&whose, Arc::clone(waker));
    }
}

impl Session<'_> {
    /// Work before the next wait for an event.
    pub(super) fn turn(
        &mut self,
        guest: &mut dyn Guest,
        host: &mut dyn Host,
    ) -> Option<SessionEnd> {
        self.look(host);
        match &mut self.location {
            Location::Here(id) => {
                let id = *id;
                if self.policy.handoff.is_asked(id) {
                    self.location = Location::Leaving(id);
                    if let Err(message) = guest.finish_reading(self.port()) {
                        return Some((Outcome::HarnessError { message }, Part::Last));
                    }
                    return None;
                }
                let outcome = self.answer(guest);
                outcome.map(|outcome| (outcome, Part::Last))
            }
            Location::Awaited(awaited) => {
                awaited.ask(&self.policy.handoff, &self.waker);
                // The guest passed through this QEMU so quickly that the next one took over
                // directly.
                if awaited.asked.is_none() && awaited.arrived && self.policy.handoff.is_over() {
                    return Some((Outcome::Passed, Part::Passage));
                }
                match awaited.asked.as_ref()?.try_recv() {
                    Ok(conversation) => self.resume(conversation, guest, host),
                    Err(TryRecvError::Empty) => None,
                    Err(TryRecvError::Disconnected) => {
                        awaited.asked = None;
                        None
                    }
                }
            }
            Location::Leaving(_) => None,
            Location::Gone(over) => over
                .load(Ordering::SeqCst)
                .then_some((Outcome::Passed, Part::Passage)),
        }
    }

    /// Asks QEMU about changes without an event: whether a stopped guest has arrived, or one has
    /// left.
    fn look(&mut self, host: &mut dyn Host) {
        let now = monotonic();
        if now < self.next_look {
            return;
        }
        match &mut self.location {
            Location::Awaited(awaited) if !awaited.runs && !awaited.arrived => {
                let state = host.run_state();
                awaited.arrived = matches!(state, RunState::Stopped | RunState::Migrated);
            }
            Location::Here(id) if self.paused && !self.departed => {
                let state = host.run_state();
                if matches!(state, RunState::Migrated | RunState::Unknown) {
                    self.departed = true;
                    self.conversation.save();
                    self.policy.handoff.departed(*id, true);
                }
            }
            _ => return,
        }
        self.next_look = now + TICK;
    }

    /// The channel that carries the records.
    pub(super) fn port(&self) -> Port {
        match self.policy.channel {
            Channel::Virtio => Port::Control,
            Channel::Console => Port::Console,
        }
    }

    /// Stores bytes that arrive before the guest is identified.
    pub(super) fn await_guest(&mut self, port: Port, bytes: &[u8]) -> Option<SessionEnd> {
        let own = self.port();
        let Location::Awaited(awaited) = &mut self.location else {
            return None;
        };
        if self.policy.start == Start::Refused {
            return Some((super::not_refused(), Part::Last));
        }
        if port == Port::Console {
            awaited.console.extend_from_slice(bytes);
        }
        if port == own {
            awaited.records.extend_from_slice(bytes);
        }
        None
    }

    /// Continues with a guest that has migrated here.
    fn resume(
        &mut self,
        conversation: Conversation,
        guest: &mut dyn Guest,
        host: &mut dyn Host,
    ) -> Option<SessionEnd> {
        let Location::Awaited(awaited) = &mut self.location else {
            return None;
        };
        let heard = std::mem::take(awaited);
        self.conversation = conversation;
        self.conversation.replies.belong_to(Arc::clone(&self.waker));
        let nonce = self.conversation.sender.as_ref().map(Sender::nonce);
        let nonce = nonce.map(|nonce| nonce.as_str().to_owned());
        let waker = Arc::clone(&self.waker);
        let id = self.policy.handoff.enter(nonce.as_deref(), waker);
        self.location = Location::Here(id);
        let mut outcome = None;
        self.conversation.migrated = true;
        if std::mem::take(&mut self.conversation.epoch.forked) {
            self.conversation.load();
        }
        self.conversation.resends = true;
        // A stopped guest reads nothing. It may pass through this QEMU without sending anything.
        self.paused = heard.arrived && !heard.runs;
        self.departed = false;
        if !self.paused {
            outcome = self.send_lost(guest);
        }
        if self.conversation.sender.is_some() {
            host.ready();
        }
        let records = |session: &mut Self, guest, host: &mut dyn Host| {
            session.take_records(&heard.records, guest, host)
        };
        outcome = outcome.or_else(|| records(self, guest, host));
        self.console = Console::default();
        outcome = outcome.or_else(|| self.take_console(&heard.console, host));
        outcome.map(|outcome| (outcome, Part::Last))
    }

    /// All earlier bytes of the guest here are read, so the next QEMU continues.
    pub(super) fn finish_leaving(&mut self, port: Port) {
        if let Location::Leaving(id) = self.location
            && port == self.port()
        {
            self.give(id);
        }
    }

    fn give(&mut self, id: u64) {
        let fresh = self.policy.conversation(Arc::clone(&self.waker));
        let conversation = std::mem::replace(&mut self.conversation, fresh);
        self.location = Location::Gone(Arc::clone(&conversation.over));
        self.policy.handoff.give(id, conversation);
    }

    /// QEMU exited just when it got the conversation, which is passed to the next QEMU.
    fn hand_on(&mut self) {
        let Location::Awaited(awaited) = &mut self.location else {
            return;
        };
        let asked = awaited.asked.take();
        if let Some(conversation) = asked.and_then(|asked| asked.try_recv().ok()) {
            let nonce = conversation.sender.as_ref().map(Sender::nonce);
            let nonce = nonce.map(|nonce| nonce.as_str().to_owned());
            let waker = Arc::clone(&self.waker);
            let id = self.policy.handoff.enter(nonce.as_deref(), waker);
            self.policy.handoff.give(id, conversation);
        }
    }

    /// QEMU exited in order. This ends the session only if the guest is elsewhere.
    pub(super) fn ended_well(&mut self) -> Option<SessionEnd> {
        match self.location {
            Location::Here(id) | Location::Leaving(id) if self.is_parted() => self.give(id),
            Location::Here(_) | Location::Leaving(_) => return None,
            // QEMU was asked to quit before a guest arrived, so the guest is still where it was.
            Location::Awaited(_) if self.policy.start == Start::Refused => return None,
            Location::Awaited(_) | Location::Gone(_) => self.hand_on(),
        }
        Some((Outcome::Passed, Part::Passage))
    }

    /// Ends the session. The QEMU that had the guest before is no longer needed.
    pub(super) fn leave(&mut self) {
        if let Location::Here(id) | Location::Leaving(id) = self.location {
            self.policy.handoff.leave(id);
            self.conversation.over.store(true, Ordering::SeqCst);
        }
    }
}

//! The state of a session that moves from one QEMU to the next when a guest migrates.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use host::clock::monotonic;
use verdict::outcome::Phase;

use super::replies::{Replies, Waker};
use crate::fold::Fold;
use crate::protocol::{Receiver, Sender};
use host::test_time::TestClock;

/// How the guest's time went back, or may go back.
#[derive(Debug, Default)]
pub(super) struct Epoch {
    /// The oldest state that a snapshot may contain, over all snapshots.
    saved: Option<Saved>,
    /// A snapshot from before the handover may have been loaded, so another hello is answered.
    pub(super) may_be_in_boot: bool,
    /// Number of snapshots loaded since the guest ran last.
    loads: u32,
    /// Whether a snapshot was ever loaded.
    pub(super) has_loaded: bool,
    /// Whether the guest was saved to a migration stream and then continued in place.
    pub(super) forked: bool,
}

/// The progress of a guest when its state was saved.
#[derive(Debug, Clone, Copy)]
struct Saved {
    /// A lower bound of the number of its latest record.
    last: u64,
    /// An upper bound of the number of its latest call.
    calls: u64,
    /// Whether it had not used its nonce yet.
    in_boot: bool,
}

/// The records of a guest in both directions, and their result so far.
pub(super) struct Conversation {
    pub(super) fold: Fold,
    /// May contain the beginning of a record whose rest arrives through the next QEMU.
    pub(super) receiver: Receiver,
    pub(super) sender: Option<Sender>,
    pub(super) replies: Arc<Replies>,
    clock: TestClock,
    /// Start of the current phase: on the wall clock, and in test time.
    since: Instant,
    counted_since: Duration,
    /// Wall clock time of earlier boots.
    pub(super) booted: Duration,
    /// Test time before a reboot.
    tested: Duration,
    pub(super) boots: u32,
    pub(super) output_bytes: u64,
    pub(super) output_tail: Vec<u8>,
    /// Whether the guest has been in more than one QEMU.
    pub(super) migrated: bool,
    /// The number of the guest's latest call.
    pub(super) last_call: u64,
    /// Whether a hello arrived after the test announced a reboot, before any reset.
    pub(super) heard_hello: bool,
    /// Whether possibly lost records must be sent again once the guest runs.
    pub(super) resends: bool,
    pub(super) epoch: Epoch,
    /// Set at the end of the conversation, when a QEMU that the guest has left is no longer needed.
    pub(super) over: Arc<AtomicBool>,
}

impl Conversation {
    /// A conversation with a guest that has sent nothing yet.
    pub(super) fn new(fold: Fold, receiver: Receiver, waker: Waker, clock: TestClock) -> Self {
        let replies = Replies::default();
        replies.belong_to(waker);
        Self {
            fold,
            receiver,
            sender: None,
            replies: Arc::new(replies),
            since: monotonic(),
            counted_since: clock.now(),
            clock,
            booted: Duration::ZERO,
            tested: Duration::ZERO,
            boots: 0,
            output_bytes: 0,
            output_tail: Vec::new(),
            migrated: false,
            last_call: 0,
            heard_hello: false,
            resends: false,
            epoch: Epoch::default(),
            over: Arc::default(),
        }
    }

    /// Records that the guest's state is saved, so that it may return to it.
    pub(super) fn save(&mut self) {
        let now = Saved {
            last: self.receiver.last(),
            calls: self.last_call,
            in_boot: !self.receiver.has_heard(),
        };
        self.epoch.saved = Some(self.epoch.saved.map_or(now, |saved| Saved {
            last: saved.last.min(now.last),
            calls: saved.calls.max(now.calls),
            in_boot: saved.in_boot || now.in_boot,
        }));
    }

    /// The guest may send calls between the command that saves it and the moment at which it stops.
    pub(super) fn extend_saved_calls(&mut self) {
        if let Some(saved) = &mut self.epoch.saved {
            saved.calls = saved.calls.max(self.last_call);
        }
    }

    /// Records that the guest returned to a saved state. A snapshot from another run may be of any
    /// age.
    pub(super) fn load(&mut self) {
        let saved = self.epoch.saved.unwrap_or(Saved {
            last: 0,
            calls: self.last_call,
            in_boot: false,
        });
        self.receiver.rewind(saved.last);
        self.epoch.may_be_in_boot = saved.in_boot;
        self.last_call = saved.calls;
        self.replies = self.replies.succeed(saved.calls);
        self.fold.rewind();
        self.epoch.has_loaded = true;
        self.epoch.loads = self.epoch.loads.saturating_add(1);
    }

    /// The records that the guest may have lost, to be sent when it runs again.
    pub(super) fn lost(&mut self) -> Option<Vec<u8>> {
        let calls = self.last_call_of_load();
        let sender = self.sender.as_mut()?;
        if self.epoch.loads > 0 {
            self.epoch.loads -= 1;
            self.resends = false;
            return Some(sender.again_after_load(calls));
        }
        std::mem::take(&mut self.resends).then(|| sender.again())
    }

    fn last_call_of_load(&self) -> u64 {
        self.epoch.saved.map_or(self.last_call, |saved| saved.calls)
    }

    /// How long it has been booting, if it is.
    pub(super) fn booting(&self) -> Option<Duration> {
        (self.fold.phase() == Phase::Boot).then(|| monotonic() - self.since)
    }

    /// Test time of the current phase.
    pub(super) fn passed(&self) -> Duration {
        self.clock.now().saturating_sub(self.counted_since)
    }

    /// Test time until the limit of the current phase.
    pub(super) fn left(&self, boot_limit: Duration, test_limit: Duration) -> Duration {
        let limit = match (self.fold.phase(), self.clock.renewed_limit()) {
            (Phase::Boot, _) => boot_limit,
            (Phase::Test, Some(renewed)) => return renewed.end.saturating_sub(self.clock.now()),
            (Phase::Test, None) => test_limit.saturating_sub(self.tested),
        };
        limit.saturating_sub(self.passed())
    }

    /// The guest is ready and its test starts.
    pub(super) fn begins(&mut self) {
        self.booted += monotonic() - self.since;
        self.begin_phase();
    }

    fn begin_phase(&mut self) {
        self.since = monotonic();
        self.counted_since = self.clock.now();
    }

    /// The machine was reset, and the test continues after another hello.
    pub(super) fn reboots(&mut self, waker: Waker) {
        self.tested += self.passed();
        self.begin_phase();
        self.heard_hello = false;
        self.sender = None;
        self.replies = Arc::default();
        self.replies.belong_to(waker);
    }

    /// Keeps the end of the output, to find its last line.
    pub(super) fn keep_tail(&mut self, bytes: &[u8]) {
        const TAIL: usize = 4096;
        self.output_bytes += bytes.len() as u64;
        self.output_tail.extend_from_slice(bytes);
        let excess = self.output_tail.len().saturating_sub(TAIL);
        self.output_tail.drain(..excess);
    }
}

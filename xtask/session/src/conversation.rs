//! What passes from one QEMU to the next when a guest migrates: all that was said so far.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use host::clock::monotonic;
use verdict::outcome::Phase;

use super::replies::{Replies, Waker};
use crate::fold::Fold;
use crate::limits::TestClock;
use crate::protocol::{Receiver, Sender};

/// How the guest's time went back, or may go back.
#[derive(Debug, Default)]
pub(super) struct Epoch {
    /// How far the guest was when its state was saved, all snapshots together.
    saved: Option<Saved>,
    /// A snapshot was loaded that may be older than the handover: another hello is answered.
    pub(super) may_be_in_boot: bool,
    /// Snapshots that were loaded since the guest ran last.
    loads: u32,
    /// A snapshot was loaded at some time.
    pub(super) has_loaded: bool,
    /// The guest was saved into a migration stream and ran on where it was.
    pub(super) forked: bool,
}

/// How far a guest was when its state was saved.
#[derive(Debug, Clone, Copy)]
struct Saved {
    /// The number of its latest record, or less.
    last: u64,
    /// The number of its latest call, or more.
    calls: u64,
    /// It had not used its nonce.
    in_boot: bool,
}

/// A guest's records in both directions, and what they come to.
pub(super) struct Conversation {
    pub(super) fold: Fold,
    /// With the beginning of a record whose rest comes through the next QEMU.
    pub(super) receiver: Receiver,
    pub(super) sender: Option<Sender>,
    pub(super) replies: Arc<Replies>,
    clock: TestClock,
    /// Since when the present phase lasts: on the wall clock, and in test time.
    since: Instant,
    counted_since: Duration,
    /// Time of earlier boots on the wall clock.
    pub(super) booted: Duration,
    /// Test time before a reboot.
    tested: Duration,
    pub(super) boots: u32,
    pub(super) output_bytes: u64,
    pub(super) output_tail: Vec<u8>,
    /// The guest has been in more than one QEMU.
    pub(super) migrated: bool,
    /// The number of the guest's latest call.
    pub(super) last_call: u64,
    /// What may have been lost is to be sent once the guest runs.
    pub(super) resends: bool,
    pub(super) epoch: Epoch,
    /// Set when it is at its end: a QEMU that the guest has left is not needed any longer.
    pub(super) over: Arc<AtomicBool>,
}

impl Conversation {
    /// With a guest that has said nothing yet.
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
            resends: false,
            epoch: Epoch::default(),
            over: Arc::default(),
        }
    }

    /// The guest's state is saved: it may come back to where it is now.
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

    /// Calls may have been sent between the command that saves the guest and the moment at which it
    /// was stopped for it.
    pub(super) fn extend_saved_calls(&mut self) {
        if let Some(saved) = &mut self.epoch.saved {
            saved.calls = saved.calls.max(self.last_call);
        }
    }

    /// The guest is put back to where its state was saved. A snapshot from elsewhere may be of any age.
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

    /// What the guest may have lost, when it runs again.
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

    /// How long it has been booting, if it does.
    pub(super) fn booting(&self) -> Option<Duration> {
        (self.fold.phase() == Phase::Boot).then(|| monotonic() - self.since)
    }

    /// Test time of the present phase.
    pub(super) fn passed(&self) -> Duration {
        self.clock.now().saturating_sub(self.counted_since)
    }

    /// Test time until the present phase is too long.
    pub(super) fn left(&self, boot_limit: Duration, test_limit: Duration) -> Duration {
        let limit = match self.fold.phase() {
            Phase::Boot => boot_limit,
            Phase::Test => test_limit.saturating_sub(self.tested),
        };
        limit.saturating_sub(self.passed())
    }

    /// The guest is ready: its test begins.
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
        self.sender = None;
        self.replies = Arc::default();
        self.replies.belong_to(waker);
    }

    /// Keeps enough of the output to name its last line.
    pub(super) fn keep_tail(&mut self, bytes: &[u8]) {
        const TAIL: usize = 4096;
        self.output_bytes += bytes.len() as u64;
        self.output_tail.extend_from_slice(bytes);
        let excess = self.output_tail.len().saturating_sub(TAIL);
        self.output_tail.drain(..excess);
    }
}

//! What passes from one QEMU to the next when a guest migrates: all that was said so far.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use host::clock::monotonic;
use verdict::outcome::Phase;

use super::replies::{Replies, Waker};
use crate::fold::Fold;
use crate::protocol::{Receiver, Sender};

/// A guest's records in both directions, and what they come to.
pub(super) struct Conversation {
    pub(super) fold: Fold,
    /// With the beginning of a record whose rest comes through the next QEMU.
    pub(super) receiver: Receiver,
    pub(super) sender: Option<Sender>,
    pub(super) replies: Arc<Replies>,
    /// Since when the present phase lasts.
    pub(super) since: Instant,
    /// Time of earlier boots, and of the test before a reboot.
    pub(super) booted: Duration,
    pub(super) tested: Duration,
    pub(super) boots: u32,
    pub(super) output_bytes: u64,
    pub(super) output_tail: Vec<u8>,
    /// The guest has been in more than one QEMU.
    pub(super) migrated: bool,
    /// Set when it is at its end: a QEMU that the guest has left is not needed any longer.
    pub(super) over: Arc<AtomicBool>,
}

impl Conversation {
    /// With a guest that has said nothing yet.
    pub(super) fn new(fold: Fold, receiver: Receiver, waker: Waker) -> Self {
        let replies = Replies::default();
        replies.belong_to(waker);
        Self {
            fold,
            receiver,
            sender: None,
            replies: Arc::new(replies),
            since: monotonic(),
            booted: Duration::ZERO,
            tested: Duration::ZERO,
            boots: 0,
            output_bytes: 0,
            output_tail: Vec::new(),
            migrated: false,
            over: Arc::default(),
        }
    }

    /// How long it has been booting, if it does.
    pub(super) fn booting(&self) -> Option<Duration> {
        (self.fold.phase() == Phase::Boot).then(|| monotonic() - self.since)
    }

    /// When the present phase is too long.
    pub(super) fn deadline(&self, boot_limit: Duration, test_limit: Duration) -> Instant {
        match self.fold.phase() {
            Phase::Boot => self.since + boot_limit,
            Phase::Test => self.since + test_limit.saturating_sub(self.tested),
        }
    }

    /// The machine was reset, and the test goes on after another hello.
    pub(super) fn reboots(&mut self, waker: Waker) {
        self.tested += monotonic() - self.since;
        self.since = monotonic();
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

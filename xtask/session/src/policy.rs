//! The input of a session, and its result.

use std::sync::Arc;
use std::time::Duration;

use suite::header::{Channel, ExpectedEnd};
use verdict::outcome::Outcome;

use super::conversation::Conversation;
use super::handoff::Handoff;
use super::replies::Waker;
use crate::fold::Fold;
use crate::protocol::{Nonce, Receiver};
use host::test_time::TestClock;

/// The parameters of a session.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The condition for a pass.
    pub ends: ExpectedEnd,
    /// Number of allowed reboots.
    pub reboots: u32,
    /// How guest and host communicate.
    pub channel: Channel,
    /// Time limit from the start or a reboot to hello.
    pub boot_limit: Duration,
    /// Time limit of the test itself.
    pub test_limit: Duration,
    /// The clock for both limits.
    pub clock: TestClock,
    /// How the guest arrives.
    pub arrival: Arrival,
    /// The expected result of QEMU's start.
    pub start: Start,
    /// The other sessions of the test.
    pub handoff: Arc<Handoff>,
}

impl Policy {
    /// For a single guest whose report decides.
    #[must_use]
    pub fn alone(channel: Channel, limit: Duration) -> Self {
        Self {
            ends: ExpectedEnd::Report,
            reboots: 0,
            channel,
            boot_limit: limit,
            test_limit: limit,
            clock: TestClock::default(),
            arrival: Arrival::Boot,
            start: Start::Wanted,
            handoff: Arc::default(),
        }
    }

    /// A conversation with a guest that has sent nothing yet.
    pub(super) fn conversation(&self, waker: Waker) -> Conversation {
        let fold = Fold::new(self.ends, self.reboots);
        let receiver = Receiver::new(self.channel.into());
        Conversation::new(fold, receiver, waker, self.clock.clone())
    }
}

/// How a QEMU gets its guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// It boots.
    Boot,
    /// It migrates in (`-incoming`).
    Migration,
    /// It was restored from a template, and has answered with this nonce.
    Restored(Nonce),
}

/// The expected result of QEMU's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A guest runs.
    Wanted,
    /// QEMU refuses with an error.
    Refused,
}

/// Variables with the path of the test's directory on the host. `tmpdir` is that of qemu-test.
pub const SCRATCH: [&str; 3] = ["SCRATCH", "scratch", "tmpdir"];

/// What the guest receives once it is ready.
#[derive(Debug, Clone, Default)]
pub struct Handover {
    /// Path, mode, content.
    pub files: Vec<(String, u32, Vec<u8>)>,
    /// Variables of the test.
    pub environment: Vec<(String, String)>,
    /// The script to run.
    pub run: String,
}

/// The result of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conducted {
    /// The outcome.
    pub outcome: Outcome,
    /// The role of this QEMU in the test.
    pub part: Part,
    /// Total time of all boots, also of one that did not succeed.
    pub boot: Duration,
    /// Whether the guest was ready for its test at any time.
    pub was_ready: bool,
}

/// The role of one QEMU in its test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The guest ended in it.
    Last,
    /// The guest left it for another one, or never arrived.
    Passage,
    /// The session ended before QEMU.
    Abandoned,
}

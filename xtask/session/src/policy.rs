//! The input of a session, and its result.

use std::sync::Arc;
use std::time::Duration;

use suite::header::{Channel, ExpectedEnd};
use verdict::outcome::Outcome;

use super::conversation::Conversation;
use super::handoff::Handoff;
use super::replies::Waker;
use crate::fold::Fold;
use crate::limits::TestClock;
use crate::protocol::{Nonce, Receiver};

/// What a session goes by.
#[derive(Debug, Clone)]
pub struct Policy {
    /// What makes a pass.
    pub ends: ExpectedEnd,
    /// How often the guest may reboot.
    pub reboots: u32,
    /// How guest and host talk.
    pub channel: Channel,
    /// From the start, or a reboot, to hello.
    pub boot_limit: Duration,
    /// The test's own time.
    pub test_limit: Duration,
    /// Counts both.
    pub clock: TestClock,
    /// Where the guest comes from.
    pub arrival: Arrival,
    /// What is expected of QEMU's start.
    pub start: Start,
    /// The other sessions of the test.
    pub handoff: Arc<Handoff>,
}

impl Policy {
    /// For a guest by itself whose report makes a pass.
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

    /// A conversation with a guest that has said nothing yet.
    pub(super) fn conversation(&self, waker: Waker) -> Conversation {
        let fold = Fold::new(self.ends, self.reboots);
        let receiver = Receiver::new(self.channel.into());
        Conversation::new(fold, receiver, waker, self.clock.clone())
    }
}

/// Where a QEMU gets its guest from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// It boots one.
    Boot,
    /// It waits for one that migrates into it (`-incoming`).
    Migration,
    /// It was restored from a template, and has answered with this nonce.
    Restored(Nonce),
}

/// What is expected of QEMU's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// That a guest runs.
    Wanted,
    /// That QEMU refuses, with an error.
    Refused,
}

/// The variables with the path of the test's directory on the host; `tmpdir` is qemu-test's.
pub const SCRATCH: [&str; 3] = ["SCRATCH", "scratch", "tmpdir"];

/// What is handed to the guest once it is ready.
#[derive(Debug, Clone, Default)]
pub struct Handover {
    /// Path, mode, content.
    pub files: Vec<(String, u32, Vec<u8>)>,
    /// Variables of the test.
    pub environment: Vec<(String, String)>,
    /// The script to run.
    pub run: String,
}

/// What came of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conducted {
    /// How it ended.
    pub outcome: Outcome,
    /// What this QEMU was to the test.
    pub part: Part,
    /// Time spent until the guest was ready, all boots together.
    pub boot: Duration,
}

/// What one QEMU was to its test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The guest came to its end in it.
    Last,
    /// The guest left it for another one, or never came.
    Passage,
    /// Its end was not awaited.
    Abandoned,
}

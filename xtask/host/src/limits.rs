//! Time limits of transfers over HTTP, which the environment may change.

use std::time::Duration;

/// Time limits for each phase of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Time limit to establish a connection.
    pub connect: Duration,
    /// The window in which a transfer must receive [`Limits::slowest`] bytes per second on average.
    pub stall: Duration,
    /// A slower rate, in bytes per second, counts as stalled.
    pub slowest: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let second = Duration::from_secs;
        Self {
            connect: second(10),
            stall: second(30),
            slowest: 1024,
        }
    }
}

impl Limits {
    /// Limits with another window for a stalled server. The limit for a connection is never longer
    /// than the window.
    #[must_use]
    pub fn within(stall: Duration) -> Self {
        let usual = Self::default();
        Self {
            connect: usual.connect.min(stall),
            stall,
            ..usual
        }
    }
}

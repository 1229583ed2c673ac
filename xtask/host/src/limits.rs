//! Time limits of transfers over HTTP; the environment may change them.

use std::time::Duration;

/// How long each phase of a transfer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// To a connection with the server.
    pub connect: Duration,
    /// Over this time, a transfer must bring [`Limits::slowest`] bytes a second.
    pub stall: Duration,
    /// Bytes a second below which a server counts as stalled.
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
    /// With another time for a server that is silent or too slow; a connection never takes longer.
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

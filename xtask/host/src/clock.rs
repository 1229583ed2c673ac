//! The clock of the host, and what else is another value each time: the only place that reads them.

use std::time::{Duration, Instant, SystemTime};

use crate::interrupt::{self, Interrupted};

/// The time of day.
#[must_use]
pub fn now() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    SystemTime::now()
}

/// The time of day in seconds since 1970.
#[must_use]
pub fn seconds() -> u64 {
    let since = now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// A clock that never goes back.
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Sleeps, unless the run is interrupted before. For backoff; never to wait for an event.
pub fn pause(time: Duration) -> Result<(), Interrupted> {
    interrupt::pause(time)
}

/// How many processors this process may use, at least 1.
#[must_use]
pub fn cpu_count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A number that is another one each time, for seeds that nobody chose.
#[must_use]
pub fn random_seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    // Each `RandomState` has other keys, so the hash of anything is a random number.
    RandomState::new().hash_one(0) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_at_least_one_processor() {
        assert!(cpu_count() >= 1);
    }
}

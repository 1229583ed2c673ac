//! The clock and the load of the host: the only place that reads them.

use std::time::{Duration, Instant, SystemTime};

use crate::interrupt::{self, Interrupted};

/// The time of day.
#[must_use]
pub fn now() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    SystemTime::now()
}

/// Seconds since 1970-01-01 UTC; 0 before.
#[must_use]
pub fn unix_seconds() -> u64 {
    now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
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

/// The load average of the last minute, where the system tells.
#[must_use]
pub fn load_average() -> Option<f32> {
    parse_load(&fs_err::read_to_string("/proc/loadavg").ok()?)
}

fn parse_load(text: &str) -> Option<f32> {
    text.split_whitespace().next()?.parse().ok()
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
    fn the_first_number_is_the_load_of_the_last_minute() {
        assert_eq!(parse_load("2.06 1.74 1.20 3/421 12345\n"), Some(2.06));
        assert_eq!(parse_load(""), None);
    }

    #[test]
    fn there_is_at_least_one_processor() {
        assert!(cpu_count() >= 1);
    }
}

//! The clock of the host, and what else is another value each time: the only place that reads them.

use std::time::{Duration, Instant, SystemTime};

use crate::interrupt::{self, Interrupted};

/// The time of day.
#[must_use]
pub fn now() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    SystemTime::now()
}

/// Seconds since 1970 as RFC 3339 has them, in UTC: `2024-02-29T12:00:00Z`.
#[must_use]
pub fn rfc3339(seconds: u64) -> String {
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March here, so that a leap day is the last of its year; an era is 400 years.
    let day = day + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let date = day - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
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

/// CPU time of all children that have ended, with theirs (`proc_pid_stat(5)`: `cutime`, `cstime`).
#[must_use]
pub fn cpu_of_children() -> Duration {
    let stat = crate::files::read("/proc/self/stat".into()).unwrap_or_default();
    let stat = String::from_utf8_lossy(&stat).into_owned();
    // The second field is the name of the program in brackets, which may hold spaces.
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    let ticks = fields.split_whitespace().skip(13).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_millis(ticks * 1000 / per_second)
}

/// How many processors this process may use, at least 1.
#[must_use]
pub fn cpu_count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A number that is another one each time, for seeds that the user did not choose.
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
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}

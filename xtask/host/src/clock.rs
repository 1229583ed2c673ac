//! The clock of the host and the CPU time of children. No other module reads them.

use std::time::{Duration, Instant, SystemTime};

use crate::interrupt::{self, Interrupted};

/// The time of day.
#[must_use]
pub fn now() -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    SystemTime::now()
}

/// Formats seconds since 1970 as RFC 3339 in UTC: `2024-02-29T12:00:00Z`.
#[must_use]
pub fn rfc3339(seconds: u64) -> String {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The time of day in seconds since 1970.
#[must_use]
pub fn seconds() -> u64 {
    let since = now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// The monotonic clock.
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Sleeps, or returns early if the run is interrupted. For backoff only, never to wait for an
/// event.
pub fn pause(time: Duration) -> Result<(), Interrupted> {
    interrupt::pause(time)
}

/// CPU time of all ended children and their descendants (`proc_pid_stat(5)`: `cutime`, `cstime`).
#[must_use]
pub fn cpu_of_children() -> Duration {
    let stat = crate::files::read("/proc/self/stat".into()).unwrap_or_default();
    let stat = String::from_utf8_lossy(&stat).into_owned();
    // The second field is the program's name in parentheses. The name may contain spaces.
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    let ticks = fields.split_whitespace().skip(13).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_millis(ticks * 1000 / per_second)
}

/// The number of processors that this process may use, at least 1.
#[must_use]
pub fn cpu_count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

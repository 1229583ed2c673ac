//! The factor of time limits on a slow host: the duration of the fastest boot of the run relative to its
//! limit. `host::test_time` counts the time itself.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// On a reference host, a boot takes at most this part of its limit.
const BOOT_SHARE: f64 = 0.2;
/// A guest that is ready after less than this part of its limit was restored, not booted.
const RESTORED_SHARE: f64 = 0.01;
/// The maximum factor for slow hosts.
const SLOWEST_HOST: f64 = 10.0;

/// How much slower than the reference a host is, at least 1, from the processor time of a boot.
/// `None` if it was not a boot.
fn slowness(boot: Duration, limit: Duration) -> Option<f64> {
    let share = boot.as_secs_f64() / limit.as_secs_f64();
    (share >= RESTORED_SHARE).then(|| (share / BOOT_SHARE).clamp(1.0, SLOWEST_HOST))
}

/// The speed of the host, from the boots of the run so far.
#[derive(Debug, Default)]
pub struct HostSpeed {
    /// The fastest boot relative to its limit.
    slowness: Mutex<Option<f64>>,
}

impl HostSpeed {
    /// Records the processor time of a boot with this limit. The fastest boot counts, because
    /// others may have had more to do.
    pub fn note(&self, boot: Duration, limit: Duration) {
        let Some(found) = slowness(boot, limit) else {
            return;
        };
        let mut known = self.slowness.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(known.map_or(found, |known| known.min(found)));
    }

    /// The factor for limits, 1 before the first boot.
    #[must_use]
    pub fn factor(&self) -> f64 {
        let known = self.slowness.lock().unwrap_or_else(PoisonError::into_inner);
        known.unwrap_or(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(number: f64) -> Duration {
        Duration::from_secs_f64(number)
    }

    #[test]
    fn slow_host_has_longer_limits() {
        let check = |boot: f64, limit: f64, expect: Option<f64>| {
            let found = slowness(seconds(boot), seconds(limit));
            let rounded = found.map(|found| (found * 1000.0).round() / 1000.0);
            assert_eq!(rounded, expect, "{boot} of {limit}");
        };
        check(0.1, 20.0, None);
        check(0.5, 20.0, Some(1.0));
        check(4.0, 20.0, Some(1.0));
        check(6.0, 20.0, Some(1.5));
        check(1000.0, 20.0, Some(SLOWEST_HOST));
        check(0.0, 0.0, None);
    }

    #[test]
    fn fastest_boot_gives_the_speed() {
        let speed = HostSpeed::default();
        assert!((speed.factor() - 1.0).abs() < 1e-6);
        let limit = seconds(20.0);
        for (boot, expect) in [(12.0, 3.0), (0.1, 3.0), (8.0, 2.0), (40.0, 2.0), (1.0, 1.0)] {
            speed.note(seconds(boot), limit);
            assert!((speed.factor() - expect).abs() < 1e-6, "{boot}");
        }
    }
}

//! Sizes and times as people read them.

use std::time::Duration;

/// `151.3 MB`, in powers of ten as download pages have it.
pub(crate) fn bytes(count: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let (mut whole, mut tenths, mut unit) = (count, 0, 0);
    while whole >= 1000 && unit + 1 < units.len() {
        tenths = whole % 1000 / 100;
        whole /= 1000;
        unit += 1;
    }
    if unit == 0 {
        format!("{whole} B")
    } else {
        format!("{whole}.{tenths} {}", units[unit])
    }
}

/// `0.84s`, `12.3s`, `5m 37s`, `1h 02m`.
pub(crate) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.2}s", duration.as_secs_f64()),
        10..60 => format!("{:.1}s", duration.as_secs_f64()),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_down_to_a_tenth() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (151_304_520, "151.3 MB"),
            (1_434_000_000, "1.4 GB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn times_have_the_precision_that_matters() {
        for (ms, text) in [
            (840, "0.84s"),
            (12_340, "12.3s"),
            (337_000, "5m 37s"),
            (3_725_000, "1h 02m"),
        ] {
            assert_eq!(time(Duration::from_millis(ms)), text);
        }
    }
}

//! Formats sizes and times.

pub use plan::duration::show as time;

/// `151.3 MB`, in powers of ten.
#[must_use]
pub fn bytes(count: u64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_down_to_a_tenth() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_999, "999.9 kB"),
            (1_990_000, "1.9 MB"),
            (151_304_520, "151.3 MB"),
            (1_434_000_000, "1.4 GB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}

//! Spans of time as people write them in files and flags, `500ms`, `30s`, `2m`, `1h`, and as they
//! read them in results.

use std::time::Duration;

/// A text that is no span of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time span")]
pub struct NotADuration(pub String);

impl NotADuration {
    /// How one is written.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some("write a whole number and a unit: `500ms`, `30s`, `2m` or `1h`".to_owned())
    }
}

/// Reads a whole number followed by `ms`, `s`, `m` or `h`.
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    let wrong = || NotADuration(text.to_owned());
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(60 * 60),
        _ => None,
    }
    .ok_or_else(wrong)
}

/// `0.84s`, `12.3s`, `5m 37s`, `1h 02m`.
#[must_use]
pub fn show(duration: Duration) -> String {
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
    use std::time::Duration;

    use super::{parse, show};

    #[test]
    fn units_are_read() {
        fn check(text: &str, expect: Option<u64>) {
            assert_eq!(
                parse(text).ok(),
                expect.map(Duration::from_millis),
                "{text}"
            );
        }
        check("500ms", Some(500));
        check("30s", Some(30_000));
        check("2m", Some(120_000));
        check("1h", Some(3_600_000));
        check("0s", Some(0));
        check("", None);
        check("30", None);
        check("s", None);
        check("-1s", None);
        check("1.5s", None);
        check("1 s", None);
        check(" 1s", None);
        check("1S", None);
        check("99999999999999999999s", None);
        check("18446744073709551615h", None);
    }

    #[test]
    fn times_have_the_precision_that_matters() {
        for (ms, text) in [
            (840, "0.84s"),
            (12_340, "12.3s"),
            (337_000, "5m 37s"),
            (3_725_000, "1h 02m"),
        ] {
            assert_eq!(show(Duration::from_millis(ms)), text);
        }
    }
}

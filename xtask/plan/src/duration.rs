//! Durations: parses those in files and flags (`500ms`, `30s`, `2m`, `1h`), and formats those in
//! results.

use std::time::Duration;

/// The longest accepted duration: 8760 hours. A clock plus this duration never overflows.
pub const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid duration `{0}`: expected a number with `s`, `m` or `h`")]
pub struct NotADuration(pub String);

impl NotADuration {
    /// The advice that fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match span(&self.0) {
            Some(_) => "write at most `8760h`",
            None => "write a whole number and a unit: `500ms`, `30s`, `2m` or `1h`",
        };
        Some(hint.to_owned())
    }
}

/// Parses a whole number followed by `ms`, `s`, `m` or `h`, up to [`LONGEST`].
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    span(text)
        .filter(|span| *span <= LONGEST)
        .ok_or_else(|| NotADuration(text.to_owned()))
}

/// Parses seconds with an optional fraction, as tests print them. Limits the value to [`LONGEST`].
#[must_use]
pub fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    let valid = seconds >= 0.0;
    valid.then(|| Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64())))
}

fn span(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(60 * 60),
        _ => None,
    }
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

    use super::{LONGEST, NotADuration, parse, seconds, show};

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
        check("18446744073709551615s", None);
        check("18446744073709551615ms", None);
        check("8760h", Some(31_536_000_000));
        check("8761h", None);
    }

    #[test]
    fn exceeded_duration_hint_names_the_limit() {
        let hint = |text: &str| NotADuration(text.to_owned()).hint().unwrap_or_default();
        assert_eq!(hint("18446744073709551615s"), "write at most `8760h`");
        assert!(hint("soon").starts_with("write a whole number and a unit"));
    }

    #[test]
    fn seconds_of_a_test_are_limited() {
        fn check(text: &str, expect: Option<Duration>) {
            let read = seconds(text);
            assert_eq!(read, expect, "{text}");
        }
        check("8", Some(Duration::from_secs(8)));
        check("0.5", Some(Duration::from_millis(500)));
        check("0", Some(Duration::ZERO));
        check("1e19", Some(LONGEST));
        check("18446744073709551615", Some(LONGEST));
        check("inf", Some(LONGEST));
        check("NaN", None);
        check("-1", None);
        check("", None);
        check("1s", None);
    }

    #[test]
    fn formatted_durations_drop_small_units() {
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

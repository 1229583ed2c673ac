//! Combines the results of a test that ran both with restored guests and with booted ones.

use camino::Utf8Path;
use verdict::event::TestReport;
use verdict::outcome::Outcome;

/// The outcome of a test that did not pass with restored guests, given its outcome with booted
/// ones.
pub(super) fn confirmed(warm: &Outcome, cold: Outcome) -> Outcome {
    match cold {
        Outcome::Passed => Outcome::Failed {
            cause: format!(
                "differs by start: {} with a restored guest ({}), passed with one that booted",
                warm.label(),
                warm.cause()
            ),
        },
        cold => cold,
    }
}

/// A note with the logs of the run with restored guests.
pub(super) fn note(warm: &TestReport, logs: &Utf8Path) -> String {
    let label = warm.outcome.label();
    format!("{label} with a restored guest first: {logs}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cold_result_counts() {
        let failed = |cause: &str| Outcome::Failed {
            cause: cause.to_owned(),
        };
        let skipped = Outcome::Skipped {
            reason: "no such disk".to_owned(),
        };
        let check = |warm: &Outcome, cold: Outcome, expect: Outcome| {
            assert_eq!(confirmed(warm, cold.clone()), expect, "{warm:?} {cold:?}");
        };
        check(&failed("a"), failed("b"), failed("b"));
        check(&failed("a"), skipped.clone(), skipped.clone());
        let cause =
            "differs by start: failed with a restored guest (a), passed with one that booted";
        check(&failed("a"), Outcome::Passed, failed(cause));
        let cause = "differs by start: skipped with a restored guest (no such disk), \
            passed with one that booted";
        check(&skipped, Outcome::Passed, failed(cause));
    }
}

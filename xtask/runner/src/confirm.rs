//! Combines the results of a test that ran both with restored guests and with booted ones.

use camino::Utf8Path;
use verdict::event::TestReport;
use verdict::outcome::Outcome;

/// The report of a test that did not pass with restored guests, by that of a run in which they booted.
pub(super) fn confirmed(warm: &TestReport, cold: TestReport) -> TestReport {
    if cold.outcome != Outcome::Passed {
        return cold;
    }
    let cause = format!(
        "differs by start: {} with a restored guest ({}), passed with one that booted",
        warm.outcome.label(),
        warm.outcome.cause()
    );
    TestReport {
        outcome: Outcome::Failed { cause },
        reproduce: warm.reproduce.clone(),
        differs_by_start: true,
        ..cold
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
        let report = |start: &str, outcome: &Outcome| TestReport {
            outcome: outcome.clone(),
            reproduce: format!("test --start={start}"),
            ..TestReport::new("x", "a", "b")
        };
        let check = |warm: &Outcome, cold: Outcome, expect: Outcome| {
            let found = confirmed(&report("warm", warm), report("cold", &cold));
            assert_eq!(found.outcome, expect, "{warm:?} {cold:?}");
            let start = if found.differs_by_start {
                "warm"
            } else {
                "cold"
            };
            assert_eq!(found.reproduce, format!("test --start={start}"));
            assert_eq!(found.differs_by_start, expect != cold);
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

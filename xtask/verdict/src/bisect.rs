//! Maps the report of a run to an exit status for `git bisect run`.

use crate::event::RunReport;
use crate::outcome::Outcome;

/// The verdict on a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Tests passed, and none failed.
    Good,
    /// A test failed.
    Bad,
    /// Neither: QEMU does not start, or no test gives a result.
    Untestable,
}

impl Verdict {
    /// The verdict of a run. A failure of a test marked unstable counts too, because the user
    /// selected it.
    #[must_use]
    pub fn of(report: &RunReport) -> Self {
        let any = |is: fn(&Outcome) -> bool| report.tests.iter().any(|test| is(&test.outcome));
        let failed = |outcome: &Outcome| {
            let unsaid = matches!(outcome, Outcome::QemuDidNotStart { .. });
            !outcome.is_success() && !outcome.is_infrastructure() && !unsaid
        };
        if any(failed) {
            Self::Bad
        } else if any(|outcome| !outcome.is_success()) || !any(|it| *it == Outcome::Passed) {
            Self::Untestable
        } else {
            Self::Good
        }
    }

    /// The exit status for git (`git-bisect(1)`).
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Bad => 1,
            Self::Untestable => 125,
        }
    }
}

/// The lowest exit status that aborts a bisection (`git-bisect(1)`): the error is unrelated to the
/// commit.
pub const GIVE_UP: u8 = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::{run_report, test_report};

    #[test]
    fn bisect_maps_failures_to_bad_only() {
        let text = || "x".to_owned();
        let check = |outcomes: &[Outcome], expect: Verdict| {
            let tests = outcomes.iter().map(|it| test_report("a::b::c", it.clone()));
            assert_eq!(
                Verdict::of(&run_report(tests.collect())),
                expect,
                "{outcomes:?}"
            );
        };
        let passed = || Outcome::Passed;
        let failed = Outcome::Failed { cause: text() };
        let skipped = Outcome::Skipped { reason: text() };
        let unstarted = Outcome::QemuDidNotStart { message: text() };
        let broken = Outcome::HarnessError { message: text() };
        check(&[passed()], Verdict::Good);
        check(&[passed(), skipped.clone()], Verdict::Good);
        check(
            &[failed.clone(), unstarted.clone(), broken.clone()],
            Verdict::Bad,
        );
        check(
            &[Outcome::QemuCrashed {
                signal: 11,
                message: None,
            }],
            Verdict::Bad,
        );
        check(&[passed(), unstarted], Verdict::Untestable);
        check(&[passed(), broken], Verdict::Untestable);
        check(&[skipped], Verdict::Untestable);
        check(&[], Verdict::Untestable);
        let mut unstable = test_report("a::b::c", failed);
        unstable.unstable = Some(text());
        assert_eq!(Verdict::of(&run_report(vec![unstable])), Verdict::Bad);
    }
}

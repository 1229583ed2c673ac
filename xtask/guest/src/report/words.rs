//! What the words of outcomes mean for the eye: four kinds, of which the worst comes first.

use serde::Serialize;

use crate::event::TestReport;
use crate::outcome::Outcome;

/// How much an end deserves a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// It fails the run.
    Bad,
    /// It fails no run, and something is odd.
    Odd,
    /// It passed.
    Good,
    /// It says nothing.
    Mute,
}

/// The kind of a test's end.
pub(super) fn kind(test: &TestReport) -> Kind {
    match &test.outcome {
        Outcome::NotRun { .. } => Kind::Odd,
        _ if test.is_fatal() => Kind::Bad,
        Outcome::Passed if !test.is_flaky() => Kind::Good,
        Outcome::Skipped { .. } => Kind::Mute,
        _ => Kind::Odd,
    }
}

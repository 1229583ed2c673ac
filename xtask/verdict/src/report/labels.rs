//! Labels and verdicts of a run for the reports that people read.

use std::collections::BTreeMap;

use qemu::console::begins_report;
use serde::Serialize;

use crate::event::{RunReport, TestReport};
use crate::outcome::Outcome;

/// How serious an outcome is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// It fails the run.
    Bad,
    /// It does not fail the run, but deserves a look.
    Odd,
    /// It passed.
    Good,
    /// It gives no result.
    Mute,
}

/// The kind of a test's outcome.
#[must_use]
pub fn kind(test: &TestReport) -> Kind {
    match &test.outcome {
        Outcome::NotRun { .. } => Kind::Odd,
        _ if test.is_fatal() => Kind::Bad,
        Outcome::Passed if !test.is_flaky() => Kind::Good,
        Outcome::Skipped { .. } => Kind::Mute,
        _ => Kind::Odd,
    }
}

/// The number of tests with one label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// See [`TestReport::label`].
    pub word: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The number of tests.
    pub count: usize,
}

/// The number of tests per label, the most serious first.
#[must_use]
pub fn tallies(run: &RunReport) -> Vec<Tally> {
    let mut counts: BTreeMap<(Kind, &'static str), usize> = BTreeMap::new();
    for test in &run.tests {
        *counts.entry((kind(test), test.label())).or_default() += 1;
    }
    let tally = |((kind, word), count)| Tally { word, kind, count };
    counts.into_iter().map(tally).collect()
}

/// Whether a test is listed with all details.
pub(super) fn is_notable(test: &TestReport) -> bool {
    let is_not_run = matches!(test.outcome, Outcome::NotRun { .. });
    !is_not_run && (test.is_flaky() || !test.outcome.is_success())
}

/// The most useful lines of a console: the first ones of a kernel's fault report, otherwise the
/// last ones.
#[must_use]
pub fn excerpt(lines: &[String], most: usize) -> &[String] {
    if is_fault(lines) {
        &lines[..lines.len().min(most)]
    } else {
        &lines[lines.len().saturating_sub(most)..]
    }
}

/// Whether lines of a console are a kernel's fault report, which is read from its beginning.
#[must_use]
pub fn is_fault(lines: &[String]) -> bool {
    let first = lines.first();
    first.is_some_and(|line| begins_report(line.as_bytes()))
}

/// The architectures in the order of the run.
pub(super) fn arches(run: &RunReport) -> Vec<&str> {
    let mut arches: Vec<&str> = Vec::new();
    for test in &run.tests {
        if !arches.contains(&test.arch.as_str()) {
            arches.push(&test.arch);
        }
    }
    arches
}

/// The summary of the run in one line.
pub(super) fn verdict(run: &RunReport) -> String {
    let total = run.tests.len();
    let count = |is: fn(&TestReport) -> bool| run.tests.iter().filter(|test| is(test)).count();
    let not_run = count(|test| matches!(test.outcome, Outcome::NotRun { .. }));
    let failed = count(|test| kind(test) == Kind::Bad);
    let passed = count(|test| test.outcome == Outcome::Passed);
    let verdict = match (total, failed) {
        (0, _) => return "No test was selected".to_owned(),
        (1, 0) if passed == 1 => return "The test passed".to_owned(),
        (1, 1) => return "The test failed".to_owned(),
        (_, 0) if passed == total => return format!("All {total} tests passed"),
        (_, 0) => format!("No test failed, {passed} of {total} passed"),
        (_, failed) => format!("{failed} of {total} tests failed"),
    };
    match not_run {
        0 => verdict,
        1 => format!("{verdict}, 1 was not run"),
        some => format!("{verdict}, {some} were not run"),
    }
}

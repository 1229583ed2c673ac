//! The remaining tests of an earlier run: those that failed or were not run, and new ones. Used by
//! `cargo xtask test --rerun`. The caller handles the earlier run's command line.

use std::collections::{BTreeMap, BTreeSet};

use guest::job::Job;
use start::decision::StartPolicy;
use suite::Selected;
use suite::overrides::Changes;
use verdict::event::{Choice, RunReport};
use verdict::origin::Scope;

/// How the guests of a test start that failed with guests that booted.
const BOOTED: StartPolicy = StartPolicy::Cold("the guests of the earlier run booted");

/// A test of an earlier run, to be repeated with the same seed and choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RerunTest {
    /// Full name.
    pub name: String,
    /// The round.
    pub round: u32,
    /// Its seed.
    pub seed: u64,
    /// Its choices.
    pub choices: Vec<Choice>,
    /// Whether its result is that of guests that booted.
    pub is_cold: bool,
}

/// No tests of an earlier run remain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NothingLeft {
    /// Every test passed.
    #[error("no test to re-run: every test of run {0} passed")]
    AllPassed(String),
    /// The remaining tests are not selected.
    #[error("no failed test of run {0} is selected")]
    NotSelected(String),
}

impl NothingLeft {
    /// The command that runs or lists tests.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::AllPassed(_) => "cargo xtask test".to_owned(),
            Self::NotSelected(run) => format!("cargo xtask test --rerun {run} --list"),
        })
    }
}

impl RerunTest {
    /// The tests of a run that failed or were not run.
    #[must_use]
    pub fn failed_in(report: &RunReport) -> Vec<Self> {
        let failed = report.tests.iter();
        let failed = failed.filter(|test| !test.outcome.is_success());
        failed
            .map(|test| Self {
                name: test.name.clone(),
                round: test.setup.round,
                seed: test.setup.seed,
                choices: test.setup.choices.clone(),
                is_cold: !test.setup.starts.is_empty() && !test.is_warm() && !test.differs_by_start,
            })
            .collect()
    }

    /// The remaining tests of a run. `selected` are the names of the tests that its command line
    /// selects now. New ones are added with the run's seed.
    #[must_use]
    pub fn left_by(report: &RunReport, selected: impl IntoIterator<Item = String>) -> Vec<Self> {
        let settled = report.origin.scope.iter().flat_map(|scope| &scope.settled);
        let known = report.tests.iter().map(|test| &test.name);
        let known: BTreeSet<&String> = known.chain(settled).collect();
        let added = selected.into_iter().filter(|name| !known.contains(name));
        let added = added.map(|name| Self {
            name,
            round: 0,
            seed: report.seed,
            choices: Vec::new(),
            is_cold: false,
        });
        let mut left = Self::failed_in(report);
        left.extend(added);
        left
    }

    /// The job for a test of this name.
    pub(super) fn job<'a>(
        &self,
        test: Selected<'a>,
        forced: &BTreeMap<String, String>,
        start: StartPolicy,
    ) -> Job<'a> {
        let mut choices: BTreeMap<_, _> = self
            .choices
            .iter()
            .map(|choice| (choice.name.clone(), choice.value.clone()))
            .collect();
        choices.extend(forced.clone());
        Job {
            test,
            round: self.round,
            seed: self.seed,
            forced: choices,
            changes: Changes::default(),
            start: (self.is_cold && start == StartPolicy::Auto).then_some(BOOTED),
        }
    }
}

/// The selected tests that remain of run `run`. An empty selection is an error, as for any run.
pub fn keep_left<'a>(
    run: &str,
    left: &[RerunTest],
    mut selected: Vec<Selected<'a>>,
) -> Result<Vec<Selected<'a>>, NothingLeft> {
    let names: BTreeSet<&str> = left.iter().map(|test| test.name.as_str()).collect();
    selected.retain(|test| names.contains(test.name().as_str()));
    if left.is_empty() {
        return Err(NothingLeft::AllPassed(run.to_owned()));
    }
    if selected.is_empty() {
        return Err(NothingLeft::NotSelected(run.to_owned()));
    }
    Ok(selected)
}

/// The scope of a run that repeats another: the same, with more settled tests.
#[must_use]
pub fn scope_after(report: &RunReport) -> Scope {
    let mut scope = report.origin.scope.clone().unwrap_or_default();
    let left: BTreeSet<_> = RerunTest::failed_in(report)
        .into_iter()
        .map(|test| test.name)
        .collect();
    let names = report.tests.iter().map(|test| test.name.clone());
    scope
        .settled
        .extend(names.filter(|name| !left.contains(name)));
    scope
}

#[cfg(test)]
mod tests {
    use verdict::event::{SCHEMA, TestReport};
    use verdict::origin::Origin;
    use verdict::outcome::Outcome;

    use super::*;

    const PASSED: Outcome = Outcome::Passed;

    fn failed() -> Outcome {
        Outcome::Failed {
            cause: "no disk".to_owned(),
        }
    }

    /// A run of tests of the area `a`, with earlier settled tests.
    fn report(tests: &[(&str, u32, Outcome)], settled: &[&str]) -> RunReport {
        let test = |(name, round, outcome): &(&str, u32, Outcome)| {
            let mut report = TestReport::new("x", "a", name);
            report.outcome = outcome.clone();
            report.setup.round = *round;
            report.setup.seed = 100 + u64::from(*round);
            report
        };
        let settled = settled.iter().map(|name| format!("x::a::{name}"));
        let scope = Scope {
            flags: vec!["a::".to_owned()],
            settled: settled.collect(),
        };
        RunReport {
            schema: SCHEMA,
            origin: Origin {
                scope: Some(scope),
                ..Origin::default()
            },
            platforms: Vec::new(),
            seed: 7,
            tests: tests.iter().map(test).collect(),
            duration_ms: 0,
            interrupted: None,
            run_dir: "runs/1".into(),
            coverage: None,
        }
    }

    fn shown(left: &[RerunTest]) -> Vec<String> {
        let left = left.iter();
        left.map(|test| format!("{} {} {}", test.name, test.round, test.seed))
            .collect()
    }

    #[test]
    fn left_tests_keep_their_seed_and_round() {
        let skipped = Outcome::Skipped {
            reason: "no igb".to_owned(),
        };
        let not_run = Outcome::NotRun {
            why: "interrupted".to_owned(),
        };
        let tests = [
            ("good", 0, PASSED),
            ("bad", 0, failed()),
            ("bad", 1, failed()),
            ("skips", 0, skipped),
            ("late", 0, not_run),
        ];
        let report = report(&tests, &["before"]);
        let selected = ["good", "bad", "before", "new"].map(|name| format!("x::a::{name}"));
        let left = RerunTest::left_by(&report, selected);
        let expect = [
            "x::a::bad 0 100",
            "x::a::bad 1 101",
            "x::a::late 0 100",
            "x::a::new 0 7",
        ];
        assert_eq!(shown(&left), expect);
        assert_eq!(shown(&RerunTest::failed_in(&report)), expect[..3]);
    }

    #[test]
    fn settled_tests_accumulate_over_runs() {
        let report = report(&[("good", 0, PASSED), ("bad", 0, failed())], &["before"]);
        let scope = scope_after(&report);
        let settled: Vec<_> = scope.settled.iter().map(String::as_str).collect();
        assert_eq!(settled, ["x::a::before", "x::a::good"]);
        assert_eq!(scope.flags, ["a::"]);
        // A passed round does not settle a test with another failed round.
        let report = self::report(&[("both", 0, PASSED), ("both", 1, failed())], &[]);
        assert!(scope_after(&report).settled.is_empty());
    }

    #[test]
    fn nothing_left_has_a_reason_and_a_hint() {
        let check = |left: &[RerunTest], expect: &str, hint: &str| {
            let error = keep_left("4", left, Vec::new()).unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), error.hint().as_deref()),
                (expect, Some(hint))
            );
        };
        let passed = "no test to re-run: every test of run 4 passed";
        check(&[], passed, "cargo xtask test");
        let left = RerunTest::failed_in(&report(&[("bad", 0, failed())], &[]));
        let not_selected = "no failed test of run 4 is selected";
        check(&left, not_selected, "cargo xtask test --rerun 4 --list");
    }
}

//! The verdict on a mutant, how well its failure explains it, and the mutation score. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use verdict::event::{RunReport, TestReport};
use verdict::outcome::Outcome;

use crate::set::{Class, Mutant};

/// The verdict on a mutant on one architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// A test failed that passes without the mutant.
    Caught {
        /// The test.
        test: String,
        /// How it ended.
        outcome: String,
        /// Its cause.
        cause: String,
        /// How well the cause explains the failure.
        diagnosis: Diagnosis,
    },
    /// The edited statement ran, and every test passed.
    Survived {
        /// How many tests ran.
        tests: usize,
    },
    /// No test ran the edited statement.
    NotReached {
        /// How many tests ran.
        tests: usize,
    },
    /// The edit does not apply to this QEMU, or does not compile.
    LeftOut {
        /// The reason.
        why: String,
    },
}

impl Verdict {
    /// Its name in reports.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Caught { .. } => "caught",
            Self::Survived { .. } => "survived",
            Self::NotReached { .. } => "not reached",
            Self::LeftOut { .. } => "left out",
        }
    }
}

/// The information in the cause of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The line of the test, with the command.
    pub command: bool,
    /// The values that were compared.
    pub values: bool,
}

impl Diagnosis {
    /// Analyses a cause.
    #[must_use]
    pub fn of(cause: &str) -> Self {
        let line = cause.split_once(".sh:").map_or("", |(_, rest)| rest);
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        let command = digits > 0 && line[digits..].starts_with(':');
        let words = ["expanded to", "expected", "found", "instead of"];
        let values = words.iter().any(|word| cause.contains(word));
        Self { command, values }
    }

    /// Whether a reader learns the location and the values.
    #[must_use]
    pub fn is_complete(self) -> bool {
        self.command && self.values
    }
}

/// The results of an architecture's tests without a mutant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    /// The expressions that select tests.
    pub expressions: BTreeSet<String>,
    /// The passed tests.
    pub passed: BTreeSet<String>,
    /// The tests that neither passed nor were skipped, with the cause.
    pub failed: Vec<(String, String)>,
}

impl Control {
    /// Collects the results of a run without a mutant.
    #[must_use]
    pub fn of(run: &RunReport) -> Self {
        let mut control = Self::default();
        for test in &run.tests {
            match &test.outcome {
                Outcome::Passed => {
                    control.passed.insert(test.name.clone());
                }
                _ if is_failure(test) => {
                    let cause = test.outcome.cause();
                    control.failed.push((test.name.clone(), cause));
                }
                _ => {}
            }
        }
        control
    }
}

/// Whether a test reports an error.
fn is_failure(test: &TestReport) -> bool {
    let is_neutral = matches!(
        test.outcome,
        Outcome::Passed | Outcome::Skipped { .. } | Outcome::NotRun { .. }
    );
    !is_neutral && test.unstable.is_none()
}

/// Judges the run of a mutant's tests.
#[must_use]
pub fn judge(run: &RunReport, control: &Control, is_reached: bool) -> Verdict {
    let mut failed = run.tests.iter().filter(|test| is_failure(test));
    if let Some(test) = failed.find(|test| control.passed.contains(&test.name)) {
        let cause = test.outcome.cause();
        let mut diagnosis = Diagnosis::of(&cause);
        // The cause of `fail REASON` is the reason alone. The report contains its line.
        diagnosis.command |= test.line.is_some();
        return Verdict::Caught {
            test: test.name.clone(),
            outcome: test.outcome.label().to_owned(),
            diagnosis,
            cause,
        };
    }
    let passed = run
        .tests
        .iter()
        .filter(|test| test.outcome == Outcome::Passed);
    let tests = passed.count();
    if is_reached {
        Verdict::Survived { tests }
    } else {
        Verdict::NotReached { tests }
    }
}

/// A mutant with its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// The mutant.
    #[serde(flatten)]
    pub mutant: Mutant,
    /// The architecture.
    pub target: String,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// The counts of some mutants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Score {
    /// Mutants that a test caught.
    pub caught: usize,
    /// Caught mutants with a complete cause.
    pub explained: usize,
    /// Mutants that no test caught.
    pub survived: usize,
    /// Mutants that no test reached.
    pub not_reached: usize,
    /// Mutants that are not part of the score.
    pub left_out: usize,
}

impl Score {
    fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Caught { diagnosis, .. } => {
                self.caught += 1;
                self.explained += usize::from(diagnosis.is_complete());
            }
            Verdict::Survived { .. } => self.survived += 1,
            Verdict::NotReached { .. } => self.not_reached += 1,
            Verdict::LeftOut { .. } => self.left_out += 1,
        }
    }

    /// The number of mutants that count.
    #[must_use]
    pub fn total(&self) -> usize {
        self.caught + self.survived + self.not_reached
    }

    /// The percentage of caught mutants, rounded down.
    #[must_use]
    pub fn percent(&self) -> usize {
        (100 * self.caught).checked_div(self.total()).unwrap_or(0)
    }
}

/// The scores of a run by architecture and class, and in total.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Scores {
    /// By architecture, then class.
    pub classes: BTreeMap<String, BTreeMap<Class, Score>>,
    /// The total.
    pub overall: Score,
}

impl Scores {
    /// Counts some trials.
    #[must_use]
    pub fn of(trials: &[Trial]) -> Self {
        let mut scores = Self::default();
        for trial in trials {
            let classes = scores.classes.entry(trial.target.clone()).or_default();
            let score = classes.entry(trial.mutant.class).or_default();
            score.add(&trial.verdict);
            scores.overall.add(&trial.verdict);
        }
        scores
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(tests: &[(&str, serde_json::Value)]) -> RunReport {
        let tests = tests.iter().map(|(name, outcome)| {
            let mut test = json!({
                "name": name, "arch": "a", "area": "b", "test": "c", "description": "",
                "duration_ms": 1, "boot_ms": 1, "qemu_ms": 1, "choices": [], "accel": "tcg",
                "qemu": "1", "log_dir": null, "reproduce": "", "console_tail": [],
                "output_tail": [], "notes": [], "machine": "m", "seed": 1, "round": 0,
                "failed_tries": [], "unstable": null, "slow": false, "devices": [],
                "subtests": [], "diff": [], "line": null,
            });
            for (key, value) in outcome.as_object().unwrap() {
                test[key] = value.clone();
            }
            test
        });
        let run = json!({
            "schema": 3, "seed": 1, "duration_ms": 1, "interrupted": null, "run_dir": "d",
            "kiln": "1", "commit": null, "started": "", "argv": [], "partition": null, "scope": null,
            "platforms": [], "tests": tests.collect::<Vec<_>>(), "coverage": null,
        });
        serde_json::from_value(run).unwrap()
    }

    #[test]
    fn only_test_that_passes_otherwise_catches() {
        let control = Control {
            passed: ["good".to_owned(), "other".to_owned()].into(),
            ..Control::default()
        };
        let failed = json!({ "outcome": "failed", "cause": "x.sh:3: expected 1" });
        let passed = json!({ "outcome": "passed" });
        let label = |tests: &[(&str, &serde_json::Value)], is_reached| {
            let tests: Vec<(&str, serde_json::Value)> = tests
                .iter()
                .map(|(name, value)| (*name, (*value).clone()))
                .collect();
            judge(&run(&tests), &control, is_reached).label()
        };
        assert_eq!(
            label(&[("other", &passed), ("good", &failed)], true),
            "caught"
        );
        assert_eq!(
            label(&[("good", &passed), ("bad", &failed)], true),
            "survived"
        );
        assert_eq!(label(&[("good", &passed)], false), "not reached");
        let reason = json!({ "outcome": "failed", "cause": "expected 1, found 2", "line": 3 });
        let Verdict::Caught { diagnosis, .. } = judge(&run(&[("good", reason)]), &control, true)
        else {
            panic!("not caught");
        };
        assert!(diagnosis.is_complete());
        let skipped = json!({ "outcome": "skipped", "why": "no disk" });
        assert_eq!(label(&[("good", &skipped)], true), "survived");
    }

    #[test]
    fn complete_cause_names_command_and_values() {
        let check = |cause: &str, command: bool, values: bool| {
            assert_eq!(
                Diagnosis::of(cause),
                Diagnosis { command, values },
                "{cause}"
            );
        };
        check(
            "guest-tests/a/b.sh:8: `test \"$x\" = 6`, expanded to `test 5 = 6`: exit status 1",
            true,
            true,
        );
        check(
            "guest-tests/a/b.sh:8: expected 5 blocks, found 6",
            true,
            true,
        );
        check("guest-tests/a/b.sh:8: `false`: exit status 1", true, false);
        check("exit status 1", false, false);
        check("the test did not end within 30 s", false, false);
    }

    #[test]
    fn score_leaves_out_what_was_not_tried() {
        let mut score = Score::default();
        score.add(&Verdict::Survived { tests: 1 });
        score.add(&Verdict::NotReached { tests: 1 });
        score.add(&Verdict::LeftOut { why: String::new() });
        assert_eq!((score.total(), score.percent()), (2, 0));
        let cause = "x.sh:3: expected 1".to_owned();
        let diagnosis = Diagnosis::of(&cause);
        let (test, outcome) = ("t".to_owned(), "failed".to_owned());
        score.add(&Verdict::Caught {
            test,
            outcome,
            cause,
            diagnosis,
        });
        assert_eq!((score.explained, score.percent()), (1, 33));
        assert_eq!(Score::default().percent(), 0);
    }
}

//! The verdict on a mutant, how well its failure explains it, and the mutation score. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use verdict::event::TestReport;
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
        // A guest test is a shell script, a device test a Rust function.
        let command = [".sh:", ".rs:"].iter().any(|end| {
            let line = cause.split_once(end).map_or("", |(_, rest)| rest);
            let digits = line.bytes().take_while(u8::is_ascii_digit).count();
            digits > 0 && line[digits..].starts_with(':')
        });
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

/// The result of a test without a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// The name of the test.
    pub test: String,
    /// The mutants whose statements the test executes.
    pub reached: BTreeSet<String>,
    /// The duration in milliseconds.
    pub duration: u64,
    /// Whether the test passed. A test that was skipped did not.
    pub is_passed: bool,
    /// The cause if the test failed.
    pub failure: Option<String>,
}

impl Control {
    /// Collects the result of a test without a mutant.
    #[must_use]
    pub fn of(test: &TestReport, reached: BTreeSet<String>) -> Self {
        Self {
            test: test.name.clone(),
            reached,
            duration: test.times.duration_ms,
            is_passed: test.outcome == Outcome::Passed,
            failure: is_failure(test).then(|| test.outcome.cause()),
        }
    }
}

/// The tests that can notice a mutant, the fastest first: they pass without it and reach its statement.
#[must_use]
pub fn candidates<'a>(controls: &[&'a Control], mutant: &str) -> Vec<&'a Control> {
    let able = controls.iter().copied();
    let able = able.filter(|test| test.is_passed && test.reached.contains(mutant));
    let mut able: Vec<&Control> = able.collect();
    able.sort_by_key(|test| test.duration);
    able
}

/// Whether a test reports an error.
#[must_use]
pub fn is_failure(test: &TestReport) -> bool {
    let is_neutral = matches!(
        test.outcome,
        Outcome::Passed | Outcome::Skipped { .. } | Outcome::NotRun { .. }
    );
    !is_neutral && test.unstable.is_none()
}

/// The verdict about a mutant that made a test fail.
#[must_use]
pub fn caught(test: &TestReport) -> Verdict {
    let cause = test.outcome.cause();
    let mut diagnosis = Diagnosis::of(&cause);
    // The cause of `fail REASON` is the reason alone. The report contains its line.
    diagnosis.command |= test.evidence.line.is_some();
    Verdict::Caught {
        test: test.name.clone(),
        outcome: test.outcome.label().to_owned(),
        diagnosis,
        cause,
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

    fn report(outcome: &serde_json::Value) -> TestReport {
        let mut test = json!({
            "name": "a::b::c", "arch": "a", "area": "b", "test": "c", "description": "",
            "duration_ms": 1, "boot_ms": 1, "qemu_ms": 1, "choices": [], "accel": "tcg",
            "qemu": "1", "log_dir": null, "reproduce": "", "console_tail": [],
            "output_tail": [], "notes": [], "machine": "m", "seed": 1, "round": 0,
            "failed_tries": [], "unstable": null, "slow": false, "devices": [],
            "subtests": [], "diff": [], "line": null,
        });
        for (key, value) in outcome.as_object().unwrap() {
            test[key] = value.clone();
        }
        serde_json::from_value(test).unwrap()
    }

    #[test]
    fn only_fast_reaching_passed_test_is_a_candidate() {
        let control = |name: &str, duration, outcome: serde_json::Value, reached: &[&str]| {
            let reached = reached.iter().map(|name| (*name).to_owned()).collect();
            let test = name.to_owned();
            let control = Control::of(&report(&outcome), reached);
            Control {
                test,
                duration,
                ..control
            }
        };
        let passed = || json!({ "outcome": "passed" });
        let all = [
            control("slow", 9, passed(), &["m"]),
            control("elsewhere", 1, passed(), &["other"]),
            control("fast", 2, passed(), &["m", "other"]),
            control(
                "skipped",
                1,
                json!({ "outcome": "skipped", "why": "no disk" }),
                &["m"],
            ),
            control(
                "failed",
                1,
                json!({ "outcome": "failed", "cause": "x" }),
                &["m"],
            ),
        ];
        assert_eq!(all[4].failure.as_deref(), Some("x"));
        assert!(all[..4].iter().all(|test| test.failure.is_none()));
        let all: Vec<&Control> = all.iter().collect();
        let found = candidates(&all, "m");
        let found: Vec<&str> = found.iter().map(|test| &*test.test).collect();
        assert_eq!(found, ["fast", "slow"]);
    }

    #[test]
    fn line_of_the_report_counts_as_its_command() {
        let failed = json!({ "outcome": "failed", "cause": "expected 1, found 2", "line": 3 });
        let Verdict::Caught { diagnosis, .. } = caught(&report(&failed)) else {
            panic!("not caught");
        };
        assert!(diagnosis.is_complete());
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
        check("nvme.rs:286: size: expected 0x800, found 0x7ff", true, true);
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

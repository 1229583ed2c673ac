//! Tests of an earlier run, to be run again.

use std::collections::BTreeMap;

use guest::job::Job;
use suite::Selected;
use suite::overrides::Changes;
use verdict::event::{Choice, RunReport};

/// A test of an earlier run, to be run with the same seed and the same choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// Whole name.
    pub name: String,
    /// Which round it was.
    pub round: u32,
    /// Its seed.
    pub seed: u64,
    /// What it chose.
    pub choices: Vec<Choice>,
}

impl Again {
    /// A test that the run did not have, and would have run with its seed.
    #[must_use]
    pub fn added(report: &RunReport, name: String) -> Self {
        Self {
            name,
            round: 0,
            seed: report.seed,
            choices: Vec::new(),
        }
    }

    /// The tests of a run that did not succeed, or were not run.
    #[must_use]
    pub fn of(report: &RunReport) -> Vec<Self> {
        let outstanding = report
            .tests
            .iter()
            .filter(|test| !test.outcome.is_success());
        outstanding
            .map(|test| Self {
                name: test.name.clone(),
                round: test.round,
                seed: test.seed,
                choices: test.choices.clone(),
            })
            .collect()
    }

    /// The job for a test of this name.
    pub(super) fn job<'a>(&self, test: Selected<'a>, forced: &BTreeMap<String, String>) -> Job<'a> {
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
        }
    }
}

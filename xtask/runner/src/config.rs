//! What to run and how.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::Utf8PathBuf;
use guest::config::CaseConfig;
use guest::job::Job;
use guest::platform::ArchRun;
use suite::overrides::Override;
use suite::{Filter, Suite};
use verdict::origin::Origin;

use crate::queue::Rounds;
use crate::rerun::RerunTest;

/// What to run and how.
#[derive(Debug, Clone)]
pub struct Config {
    /// All tests.
    pub suite: Suite,
    /// Which of them.
    pub filter: Filter,
    /// The architectures of the run, in order.
    pub arches: Vec<ArchRun>,
    /// How many tests run at once.
    pub jobs: usize,
    /// How often the tests are run.
    pub rounds: Rounds,
    /// Which jobs the selected tests become.
    pub extent: Extent,
    /// How often a test that failed is tried again.
    pub retries: u32,
    /// What is different for single tests.
    pub overrides: Vec<Override>,
    /// So many failures end the run.
    pub max_fail: Option<usize>,
    /// No test starts after this time.
    pub job_timeout: Option<Duration>,
    /// What every test is run with.
    pub case: CaseConfig,
    /// Of all choices.
    pub seed: u64,
    /// Choices that are made whatever the seed says.
    pub choices: BTreeMap<String, String>,
    /// Counts the devices that passed tests had.
    pub device_coverage: bool,
    /// What the report says about the origin of the run.
    pub origin: Origin,
    /// Where runs are kept, each in a numbered folder: `target/kiln/runs`.
    pub runs_dir: Utf8PathBuf,
    /// How many runs are kept there.
    pub keep_runs: usize,
    /// For sockets and scratch files, see [`temp_dir`].
    pub temp_dir: Utf8PathBuf,
}

impl Config {
    /// The architecture that a job is for, if the run has it.
    pub(super) fn run_for(&self, job: &Job<'_>) -> Option<&ArchRun> {
        let mut arches = self.arches.iter();
        arches.find(|run| run.arch.name == job.test.arch)
    }
}

/// Which jobs the selected tests become.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Extent {
    /// One each, whose choices the seed makes.
    #[default]
    Seeded,
    /// Those of an earlier run.
    Rerun(Vec<RerunTest>),
    /// One for each combination of all choices, but no more than `limit` in all.
    Exhaustive {
        /// The most jobs.
        limit: usize,
    },
}

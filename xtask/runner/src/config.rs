//! The configuration of a run.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use guest::config::CaseConfig;
use guest::job::Job;
use start::platform::ArchRun;
use suite::overrides::Override;
use suite::{Filter, Suite};
use verdict::origin::Origin;
use verdict::runs::run_dir::{RunDir, RunDirError};

use crate::queue::Limits;
use crate::rerun::RerunTest;

/// Number of runs that are kept.
const KEEP: usize = 20;

/// The configuration of a run.
#[derive(Debug, Clone)]
pub struct Config {
    /// All tests.
    pub suite: Suite,
    /// The selection.
    pub filter: Filter,
    /// The architectures of the run, in order.
    pub arches: Vec<ArchRun>,
    /// Maximum number of concurrent tests.
    pub jobs: usize,
    /// The rounds of the tests, and when the run stops early.
    pub limits: Limits,
    /// How selected tests become jobs.
    pub extent: Extent,
    /// Number of retries of a failed test.
    pub retries: u32,
    /// Changes for single tests.
    pub overrides: Vec<Override>,
    /// The settings of all tests.
    pub case: CaseConfig,
    /// Seed of all choices.
    pub seed: u64,
    /// Choices that override the seed.
    pub choices: BTreeMap<String, String>,
    /// Counts the devices of passed tests.
    pub device_coverage: bool,
    /// The origin of the run for its report.
    pub origin: Origin,
    /// Where the run writes.
    pub directories: Directories,
}

/// The directories of a run.
#[derive(Debug, Clone)]
pub struct Directories {
    /// The directory of runs, each in a numbered folder: `target/kiln/runs`.
    pub runs: Utf8PathBuf,
    /// Number of runs that are kept there.
    pub keep: usize,
    /// The directory in which other commands find the guests of the run, if they may.
    pub links: Option<Utf8PathBuf>,
    /// The directory for sockets and scratch files, see [`temp_dir`](verdict::runs::run_dir::temp_dir).
    pub temp: Utf8PathBuf,
}

impl Directories {
    /// The directories of a run of which no other command knows.
    #[must_use]
    pub fn new(runs: Utf8PathBuf, temp: Utf8PathBuf) -> Self {
        Self {
            runs,
            keep: KEEP,
            links: None,
            temp,
        }
    }

    /// Creates the directories of a run.
    pub(super) fn prepare(&self) -> Result<RunDir, RunDirError> {
        RunDir::prepare(&self.runs, &self.temp, self.keep)
    }
}

impl Config {
    /// The architecture of a job, if the run has it.
    pub(super) fn run_for(&self, job: &Job<'_>) -> Option<&ArchRun> {
        let mut arches = self.arches.iter();
        arches.find(|run| run.arch.name == job.test.arch)
    }
}

/// How selected tests become jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Extent {
    /// One job per test, with choices by the seed.
    #[default]
    Seeded,
    /// The tests of an earlier run.
    Rerun(Vec<RerunTest>),
    /// One job per combination of all choices, up to `limit` in total.
    Exhaustive {
        /// Maximum number of jobs.
        limit: usize,
    },
}

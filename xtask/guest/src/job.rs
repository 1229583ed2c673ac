//! What a run consists of: jobs, each a test on an architecture with a seed of its own.

use std::collections::BTreeMap;

use suite::Selected;
use suite::overrides::Changes;

/// One test on an architecture, with all that decides what it chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job<'a> {
    /// The test.
    pub test: Selected<'a>,
    /// Which round of the test, from 0.
    pub round: u32,
    /// Of its choices.
    pub seed: u64,
    /// Choices that are made whatever the seed says.
    pub forced: BTreeMap<String, String>,
    /// What `kiln.toml` changes about the test.
    pub changes: Changes,
}

//! A job of a run: a test on an architecture with its own seed.

use std::collections::BTreeMap;

use suite::Selected;
use suite::overrides::Changes;

use start::decision::StartPolicy;

/// One test on an architecture, with everything that affects its choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job<'a> {
    /// The test.
    pub test: Selected<'a>,
    /// The round of the test, from 0.
    pub round: u32,
    /// The seed of its choices.
    pub seed: u64,
    /// Choices that override the seed.
    pub forced: BTreeMap<String, String>,
    /// Changes to the test from `kiln.toml`.
    pub changes: Changes,
    /// How its guests start, if not as those of the other tests.
    pub start: Option<StartPolicy>,
}

//! What changed for a test from one QEMU to another: pure, over the reports of both.
//!
//! A difference in time decides nothing. It is reported only if it is beyond noise, see
//! [`Comparison::timings`].

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use crate::event::TestReport;
use crate::origin::Platform;
use crate::outcome::Outcome;

pub mod json;

/// One thing that happened while two QEMUs are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompareEvent {
    /// It begins.
    Started {
        /// Of all choices, on both sides.
        seed: u64,
        /// Number of pairs; of the first round where there is no last one.
        total: usize,
        /// Where logs and reports are kept.
        run_dir: Utf8PathBuf,
        /// Whether the sides differ by how guests start: they boot on the old side only.
        by_start: bool,
        /// The versions of the old QEMUs, by architecture.
        old: BTreeMap<String, String>,
        /// Those of the new ones.
        new: BTreeMap<String, String>,
        /// What the old ones and the new ones are.
        platforms: [Vec<Platform>; 2],
    },
    /// A test has run on both.
    Paired(Box<Pair>),
    /// It has ended.
    Finished(Box<Comparison>),
}

/// A test on both QEMUs, with the same seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// What came of it with the old one.
    pub old: TestReport,
    /// And with the new one.
    pub new: TestReport,
}

/// What the new QEMU is for a test, next to the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing changed.
    Same,
    /// It ends in another way that is not a better and no worse.
    Changed,
    /// It passes, and did not.
    Better,
    /// It fails or is skipped, and was not.
    Worse,
}

impl Verdict {
    /// Its name, as every report prints it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Changed => "changed",
            Self::Better => "better",
            Self::Worse => "worse",
        }
    }
}

/// A result inside of a test that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubtestChange {
    /// Its name.
    pub name: String,
    /// How it ended; `absent` where there was none.
    pub old: &'static str,
    /// How it ends.
    pub new: &'static str,
}

impl Pair {
    /// What the new QEMU is for this test.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let whole = judge(Some(&self.old.outcome), Some(&self.new.outcome));
        let (old, new) = (results(&self.old), results(&self.new));
        let parts =
            names(&old, &new).map(|name| judge(old.get(name).copied(), new.get(name).copied()));
        let parts = joined(parts);
        match whole {
            Verdict::Same if parts != Verdict::Same => parts,
            Verdict::Same if self.chooses_otherwise() || self.old.diff != self.new.diff => {
                Verdict::Changed
            }
            whole => whole,
        }
    }

    /// Whether the same seed chose something else: the QEMUs do not offer the same.
    #[must_use]
    pub fn chooses_otherwise(&self) -> bool {
        self.old.choices != self.new.choices
    }

    /// The results inside of the test that changed, by name.
    #[must_use]
    pub fn subtests(&self) -> Vec<SubtestChange> {
        let (old, new) = (results(&self.old), results(&self.new));
        let word = |outcome: Option<&&Outcome>| outcome.map_or("absent", |it| it.label());
        let all = names(&old, &new).map(|name| SubtestChange {
            name: name.to_owned(),
            old: word(old.get(name)),
            new: word(new.get(name)),
        });
        all.filter(|change| change.old != change.new).collect()
    }
}

/// How good an end is; a result that is not there says as little as one that was skipped.
fn rank(outcome: Option<&Outcome>) -> u32 {
    match outcome {
        Some(Outcome::Passed) => 2,
        Some(Outcome::Skipped { .. }) | None => 1,
        Some(_) => 0,
    }
}

fn judge(old: Option<&Outcome>, new: Option<&Outcome>) -> Verdict {
    match (rank(old), rank(new)) {
        (was, is) if is < was => Verdict::Worse,
        (was, 2) if was < 2 => Verdict::Better,
        _ if old.map(Outcome::label) != new.map(Outcome::label) => Verdict::Changed,
        _ => Verdict::Same,
    }
}

/// Of several: better here and worse there is another, not a worse one.
fn joined(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    let found: BTreeSet<Verdict> = verdicts.into_iter().collect();
    if found.contains(&Verdict::Better) && found.contains(&Verdict::Worse) {
        return Verdict::Changed;
    }
    found.last().copied().unwrap_or(Verdict::Same)
}

fn results(report: &TestReport) -> BTreeMap<&str, &Outcome> {
    let subtests = report.subtests.iter();
    subtests
        .map(|subtest| (subtest.name.as_str(), &subtest.outcome))
        .collect()
}

fn names<'a>(
    old: &BTreeMap<&'a str, &'a Outcome>,
    new: &BTreeMap<&'a str, &'a Outcome>,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    names.into_iter()
}

/// What came of comparing two QEMUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Every test that ran on both, in the order of selection, round after round.
    pub pairs: Vec<Pair>,
    /// Where logs and reports are.
    pub run_dir: Utf8PathBuf,
    /// From start to end.
    pub duration_ms: u64,
    /// The signal that ended it early.
    pub interrupted: Option<i32>,
}

/// A test that takes longer or shorter than it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// Whole name.
    pub name: String,
    /// Median with the old QEMU.
    pub old_ms: u64,
    /// Median with the new one.
    pub new_ms: u64,
    /// In how many rounds.
    pub rounds: usize,
}

/// So many rounds must have passed on both sides before a time is worth a word: then it is chance once
/// in 126 tests that all times of one side are above all of the other's (2 in 10 over 5).
pub const ROUNDS: usize = 5;
/// Medians that differ by less, in percent, are not worth a word.
const PERCENT: u64 = 10;

impl Comparison {
    /// What the new QEMU is for each test, over all its rounds.
    #[must_use]
    pub fn verdicts(&self) -> BTreeMap<&str, Verdict> {
        let by_name = self.by_name().into_iter();
        by_name
            .map(|(name, pairs)| (name, joined(pairs.into_iter().map(Pair::verdict))))
            .collect()
    }

    /// The tests whose time changed beyond noise: in five rounds or more that passed on both sides, each
    /// time of the one is above each of the other, and the medians differ by a tenth.
    #[must_use]
    pub fn timings(&self) -> Vec<Timing> {
        let by_name = self.by_name().into_iter();
        by_name
            .filter_map(|(name, pairs)| timing(name, &pairs))
            .collect()
    }

    /// What the program ends with: 0, 4 no test, 100 a test got worse that is not known to be unstable,
    /// 130 or 143 interrupted.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let verdicts = self.verdicts();
        let worse = |pair: &Pair| {
            pair.new.unstable.is_none() && verdicts[pair.new.name.as_str()] == Verdict::Worse
        };
        match self.interrupted {
            Some(signal) => host::interrupt::Signal(signal).exit_code(),
            None if self.pairs.is_empty() => 4,
            None if self.pairs.iter().any(worse) => 100,
            None => 0,
        }
    }

    fn by_name(&self) -> BTreeMap<&str, Vec<&Pair>> {
        let mut tests: BTreeMap<&str, Vec<&Pair>> = BTreeMap::new();
        for pair in &self.pairs {
            tests.entry(&pair.new.name).or_default().push(pair);
        }
        tests
    }
}

fn timing(name: &str, pairs: &[&Pair]) -> Option<Timing> {
    let passed = |report: &TestReport| report.outcome == Outcome::Passed && !report.is_flaky();
    let both = pairs
        .iter()
        .filter(|pair| passed(&pair.old) && passed(&pair.new));
    let (mut old, mut new): (Vec<u64>, Vec<u64>) = both
        .map(|pair| (pair.old.duration_ms, pair.new.duration_ms))
        .unzip();
    old.sort_unstable();
    new.sort_unstable();
    let rounds = old.len();
    let apart = old.last() < new.first() || new.last() < old.first();
    if rounds < ROUNDS || !apart {
        return None;
    }
    let (old_ms, new_ms) = (old[rounds / 2], new[rounds / 2]);
    let beyond = old_ms.abs_diff(new_ms) * 100 >= old_ms.min(new_ms) * PERCENT;
    beyond.then(|| Timing {
        name: name.to_owned(),
        old_ms,
        new_ms,
        rounds,
    })
}

#[cfg(test)]
#[path = "comparison_tests.rs"]
mod tests;

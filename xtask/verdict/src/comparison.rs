//! Compares the reports of tests with two QEMUs. Pure.
//!
//! Times do not affect the verdict. They are reported only if they differ beyond noise, see
//! [`Comparison::timings`].

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use crate::event::TestReport;
use crate::origin::Platform;
use crate::outcome::Outcome;

pub mod json;

/// An event of a comparison of two QEMUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompareEvent {
    /// The comparison started.
    Started {
        /// Seed of all choices, on both sides.
        seed: u64,
        /// Number of pairs, or that of the first round if the number of rounds is unlimited.
        total: usize,
        /// The directory of logs and reports.
        run_dir: Utf8PathBuf,
        /// Whether the sides differ in how guests start: the old side always boots them.
        by_start: bool,
        /// Versions of the old QEMUs by architecture.
        old: BTreeMap<String, String>,
        /// Versions of the new QEMUs by architecture.
        new: BTreeMap<String, String>,
        /// The platforms of the old and the new side.
        platforms: [Vec<Platform>; 2],
    },
    /// A test has ended on both sides.
    Paired(Box<Pair>),
    /// The comparison has ended.
    Finished(Box<Comparison>),
}

/// The results of a test with both QEMUs and the same seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The report with the old QEMU.
    pub old: TestReport,
    /// The report with the new QEMU.
    pub new: TestReport,
}

/// How the result of a test changed from the old to the new QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Unchanged.
    Same,
    /// Another outcome that is neither better nor worse.
    Changed,
    /// It passes now and did not before.
    Better,
    /// It fails or is skipped now and did not before.
    Worse,
}

impl Verdict {
    /// The name that every report prints.
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

/// A subtest whose result changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubtestChange {
    /// The subtest's name.
    pub name: String,
    /// The old result, or `absent`.
    pub old: &'static str,
    /// The new result, or `absent`.
    pub new: &'static str,
}

impl Pair {
    /// How the result of the test changed.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let whole = judge(Some(&self.old.outcome), Some(&self.new.outcome));
        let (old, new) = (results(&self.old), results(&self.new));
        let parts =
            names(&old, &new).map(|name| judge(old.get(name).copied(), new.get(name).copied()));
        let parts = joined(parts);
        match whole {
            Verdict::Same if parts != Verdict::Same => parts,
            Verdict::Same
                if self.chooses_otherwise() || self.old.evidence.diff != self.new.evidence.diff =>
            {
                Verdict::Changed
            }
            whole => whole,
        }
    }

    /// Whether the same seed led to different choices, because the QEMUs offer different features.
    #[must_use]
    pub fn chooses_otherwise(&self) -> bool {
        self.old.setup.choices != self.new.setup.choices
    }

    /// The changed subtests by name.
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

/// Ranks an outcome. A missing result ranks like a skipped one.
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

/// Combines several verdicts. Better and worse together give `Changed`.
fn joined(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    let found: BTreeSet<Verdict> = verdicts.into_iter().collect();
    if found.contains(&Verdict::Better) && found.contains(&Verdict::Worse) {
        return Verdict::Changed;
    }
    found.last().copied().unwrap_or(Verdict::Same)
}

fn results(report: &TestReport) -> BTreeMap<&str, &Outcome> {
    let subtests = report.evidence.subtests.iter();
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

/// The result of a comparison of two QEMUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Every test that ran with both, in the order of selection, round by round.
    pub pairs: Vec<Pair>,
    /// The directory of logs and reports.
    pub run_dir: Utf8PathBuf,
    /// Total duration.
    pub duration_ms: u64,
    /// The signal that ended the comparison early.
    pub interrupted: Option<i32>,
}

/// A test whose duration changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// Full name of the test.
    pub name: String,
    /// Median with the old QEMU.
    pub old_ms: u64,
    /// Median with the new QEMU.
    pub new_ms: u64,
    /// Number of rounds.
    pub rounds: usize,
}

/// The minimum number of passed rounds on both sides before a duration is reported. With five, all
/// times of one side exceed all times of the other by chance in one of 126 tests (2 in 10 over 5).
pub const ROUNDS: usize = 5;
/// The minimum difference of the medians in percent.
const PERCENT: u64 = 10;

impl Comparison {
    /// The verdict on each test over all its rounds.
    #[must_use]
    pub fn verdicts(&self) -> BTreeMap<&str, Verdict> {
        let by_name = self.by_name().into_iter();
        by_name
            .map(|(name, pairs)| (name, joined(pairs.into_iter().map(Pair::verdict))))
            .collect()
    }

    /// The tests whose duration changed beyond noise: at least five rounds passed on both sides,
    /// each time of one side exceeds each of the other, and the medians differ by at least a tenth.
    #[must_use]
    pub fn timings(&self) -> Vec<Timing> {
        let by_name = self.by_name().into_iter();
        by_name
            .filter_map(|(name, pairs)| timing(name, &pairs))
            .collect()
    }

    /// The exit code: 0, 4 no test, 100 a regression in a test that is not marked unstable, 130 or
    /// 143 interrupted.
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
        .map(|pair| (pair.old.times.duration_ms, pair.new.times.duration_ms))
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

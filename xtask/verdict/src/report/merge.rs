//! Joins the parts of a run that several machines made into the report of one run, or says why they
//! are none.

use std::collections::{BTreeMap, BTreeSet};

use crate::coverage::Coverage;
use crate::event::{RunReport, SCHEMA, TestReport};
use crate::origin::{Origin, Platform};
use crate::partition::Partition;

/// Why reports are not the parts of one run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// No report was given.
    #[error("no reports to merge")]
    Nothing,
    /// Something that all parts have in common is not the same.
    #[error("`{one}` and `{other}` are from different runs: {what} is `{ours}` and `{theirs}`")]
    Differs {
        /// What is not the same, such as `the seed`.
        what: String,
        /// Where the first of the two lies.
        one: String,
        /// Where the second lies.
        other: String,
        /// In the first.
        ours: String,
        /// In the second.
        theirs: String,
    },
    /// Parts that were planned are not there.
    #[error("{arches}: missing report of {}", .parts.join(", "))]
    Missing {
        /// Of these architectures.
        arches: String,
        /// Such as `slice:2/3`.
        parts: Vec<String>,
    },
    /// An architecture that was asked for is in no report.
    #[error("missing report of {0}")]
    NoArch(String),
    /// A part, or a test, occurs twice.
    #[error("`{one}` and `{other}` both have {what}")]
    Doubled {
        /// The part or the test.
        what: String,
        /// Where one lies.
        one: String,
        /// Where the other lies.
        other: String,
    },
    /// A partition that this Kiln cannot read.
    #[error("invalid partition `{0}`")]
    Partition(String),
}

impl MergeError {
    /// What fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Differs { what, .. } if what == "the seed" => {
                Some("give all parts the same `--seed`".to_owned())
            }
            Self::Missing { parts, .. } => {
                Some(format!("cargo xtask test --partition {}", parts.first()?))
            }
            Self::NoArch(arch) => Some(format!("cargo xtask test --arch {arch}")),
            _ => None,
        }
    }
}

/// Joins parts; each lies in its `run_dir`. All of `arches` are to be among them.
pub fn merge(
    parts: &[RunReport],
    arches: &[String],
    argv: &[String],
) -> Result<RunReport, MergeError> {
    let [first, rest @ ..] = parts else {
        return Err(MergeError::Nothing);
    };
    for other in rest {
        same(first, other)?;
    }
    complete(parts)?;
    let platforms = platforms(parts)?;
    let absent = arches
        .iter()
        .find(|arch| platforms.iter().all(|one| one.arch != **arch));
    if let Some(arch) = absent {
        return Err(MergeError::NoArch(arch.clone()));
    }
    let started = parts.iter().map(|part| &part.origin.started).min();
    Ok(RunReport {
        // What one part does not record, the whole does not either.
        schema: parts.iter().map(|part| part.schema).min().unwrap_or(SCHEMA),
        origin: Origin {
            started: started.cloned().unwrap_or_default(),
            argv: argv.to_vec(),
            partition: None,
            ..first.origin.clone()
        },
        tests: all_tests(parts, &platforms)?,
        platforms,
        duration_ms: parts.iter().map(|part| part.duration_ms).max().unwrap_or(0),
        interrupted: parts.iter().find_map(|part| part.interrupted),
        coverage: coverage(parts),
        ..first.clone()
    })
}

/// What every part has in common with the first.
fn same(one: &RunReport, other: &RunReport) -> Result<(), MergeError> {
    let facts = |run: &RunReport| {
        let commit = run.origin.commit.clone();
        [
            ("the seed", run.seed.to_string()),
            ("Kiln", run.origin.kiln.clone()),
            ("the commit", commit.unwrap_or_else(|| "none".to_owned())),
        ]
    };
    for ((what, ours), (_, theirs)) in facts(one).into_iter().zip(facts(other)) {
        differs(what, (one, ours), (other, theirs))?;
    }
    Ok(())
}

fn differs(
    what: &str,
    (one, ours): (&RunReport, String),
    (other, theirs): (&RunReport, String),
) -> Result<(), MergeError> {
    if ours == theirs {
        return Ok(());
    }
    Err(MergeError::Differs {
        what: what.to_owned(),
        one: one.run_dir.to_string(),
        other: other.run_dir.to_string(),
        ours,
        theirs,
    })
}

/// Each architecture, or set of them that ran together, has all its parts, and each of them once.
fn complete(parts: &[RunReport]) -> Result<(), MergeError> {
    let mut groups: BTreeMap<String, Vec<(&RunReport, Partition)>> = BTreeMap::new();
    for run in parts {
        let text = run.origin.partition.as_deref().unwrap_or("slice:1/1");
        let wrong = |_| MergeError::Partition(text.to_owned());
        let partition = text.parse().map_err(wrong)?;
        let arches: Vec<&str> = run.platforms.iter().map(|one| one.arch.as_str()).collect();
        groups
            .entry(arches.join(", "))
            .or_default()
            .push((run, partition));
    }
    for (arches, group) in groups {
        let mut here: BTreeMap<String, &RunReport> = BTreeMap::new();
        let (first, plan) = group[0];
        for (run, partition) in &group {
            let [ours, theirs] = [plan, *partition].map(|one| one.last().to_string());
            differs("the last part", (first, ours), (run, theirs))?;
            if let Some(other) = here.insert(partition.to_string(), run) {
                return Err(MergeError::Doubled {
                    what: partition.to_string(),
                    one: other.run_dir.to_string(),
                    other: run.run_dir.to_string(),
                });
            }
        }
        let all = plan.all().map(|part| part.to_string());
        let parts: Vec<String> = all.filter(|part| !here.contains_key(part)).collect();
        if !parts.is_empty() {
            return Err(MergeError::Missing { arches, parts });
        }
    }
    Ok(())
}

/// One for each architecture: the same image and QEMU in all parts that have it.
fn platforms(parts: &[RunReport]) -> Result<Vec<Platform>, MergeError> {
    let mut found: Vec<(&RunReport, &Platform)> = Vec::new();
    for run in parts {
        for platform in &run.platforms {
            let known = found.iter_mut().find(|(_, one)| one.arch == platform.arch);
            let Some(known) = known else {
                found.push((run, platform));
                continue;
            };
            if known.1.image.is_empty() {
                *known = (run, platform);
                continue;
            }
            let (other, one) = *known;
            let arch = &platform.arch;
            let facts = |of: &Platform| [of.image.clone(), of.qemu.clone(), of.accel.clone()];
            let names = ["image", "QEMU", "accelerator"];
            for ((name, ours), theirs) in names.iter().zip(facts(one)).zip(facts(platform)) {
                // A part whose tests boot no guest has neither image nor accelerator.
                if ours.is_empty() || theirs.is_empty() {
                    continue;
                }
                differs(
                    &format!("the {name} of {arch}"),
                    (other, ours),
                    (run, theirs),
                )?;
            }
        }
    }
    Ok(found
        .into_iter()
        .map(|(_, platform)| platform.clone())
        .collect())
}

/// All tests, each once, in the order of a run that was never parted.
fn all_tests(parts: &[RunReport], platforms: &[Platform]) -> Result<Vec<TestReport>, MergeError> {
    let mut origin: BTreeMap<_, &RunReport> = BTreeMap::new();
    let mut all = Vec::new();
    for run in parts {
        // Within a part a test is there as often as it was meant to be.
        let mut own = BTreeSet::new();
        for test in &run.tests {
            own.insert(test.name.as_str());
            all.push(test.clone());
        }
        for name in own {
            if let Some(other) = origin.insert(name, run) {
                return Err(MergeError::Doubled {
                    what: name.to_owned(),
                    one: other.run_dir.to_string(),
                    other: run.run_dir.to_string(),
                });
            }
        }
    }
    let place = |arch: &str| platforms.iter().position(|one| one.arch == arch);
    all.sort_by(|one, other| {
        let key = |test: &TestReport| (test.round, place(&test.arch));
        (key(one), &one.area, &one.test).cmp(&(key(other), &other.area, &other.test))
    });
    Ok(all)
}

/// A device is covered where any part has it covered.
fn coverage(parts: &[RunReport]) -> Option<Vec<Coverage>> {
    let mut joined: Vec<Coverage> = Vec::new();
    for coverage in parts
        .iter()
        .filter_map(|part| part.coverage.as_ref())
        .flatten()
    {
        match joined.iter_mut().find(|one| one.arch == coverage.arch) {
            Some(known) => known.add(coverage),
            None => joined.push(coverage.clone()),
        }
    }
    (!joined.is_empty()).then_some(joined)
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;

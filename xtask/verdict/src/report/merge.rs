//! Merges the partial reports of several machines into the report of one run.

use std::collections::{BTreeMap, BTreeSet};

use crate::coverage::Coverage;
use crate::event::{RunReport, SCHEMA, TestReport};
use crate::origin::{Origin, Platform};
use crate::partition::Partition;

/// Why reports cannot be merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// No report was given.
    #[error("no reports to merge")]
    Nothing,
    /// The reports differ in something that must be equal.
    #[error("`{one}` and `{other}` are from different runs: {what} is `{ours}` and `{theirs}`")]
    Differs {
        /// What differs, such as `the seed`.
        what: String,
        /// The path of the first report.
        one: String,
        /// The path of the second report.
        other: String,
        /// The value in the first report.
        ours: String,
        /// The value in the second report.
        theirs: String,
    },
    /// Parts are missing.
    #[error("{arches}: missing report of {}", .parts.join(", "))]
    Missing {
        /// The architectures.
        arches: String,
        /// The missing parts, such as `slice:2/3`.
        parts: Vec<String>,
    },
    /// No report covers a requested architecture.
    #[error("missing report of {0}")]
    NoArch(String),
    /// Two reports contain the same part or test.
    #[error("`{one}` and `{other}` both have {what}")]
    Doubled {
        /// The part or the test.
        what: String,
        /// The path of one report.
        one: String,
        /// The path of the other report.
        other: String,
    },
    /// A report has an invalid partition.
    #[error("invalid partition `{0}`")]
    Partition(String),
}

impl MergeError {
    /// The command that fixes the error.
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

/// Merges parts, each with its path in `run_dir`. All of `arches` must be among them.
pub fn merge(
    parts: &[RunReport],
    arches: &[String],
    argv: &[String],
) -> Result<RunReport, MergeError> {
    let [first, rest @ ..] = parts else {
        return Err(MergeError::Nothing);
    };
    for other in rest {
        check_common_values(first, other)?;
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
        // If one part lacks information, the whole lacks it too.
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

/// Checks the values that all parts must have in common.
fn check_common_values(one: &RunReport, other: &RunReport) -> Result<(), MergeError> {
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

/// Checks that each set of architectures has all its parts exactly once.
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

/// One platform per architecture. All parts must have the same image and QEMU for it.
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

/// All tests in the order of an unpartitioned run. No test may be in two parts.
fn all_tests(parts: &[RunReport], platforms: &[Platform]) -> Result<Vec<TestReport>, MergeError> {
    let mut origin: BTreeMap<_, &RunReport> = BTreeMap::new();
    let mut all = Vec::new();
    for run in parts {
        // Within one part, a test may occur several times.
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
        let key = |test: &TestReport| (test.setup.round, place(&test.arch));
        (key(one), &one.area, &one.test).cmp(&(key(other), &other.area, &other.test))
    });
    Ok(all)
}

/// A device is covered if any part covers it.
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

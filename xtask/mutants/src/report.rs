//! The results as a table for a terminal, as JSON and as one HTML page. Pure.

use plan::template::{self, TemplateError};
use serde::Serialize;
use serde_json::json;

use crate::score::{Scores, Trial, Verdict};
use crate::set::Class;

const PAGE: &str = include_str!("report.html.hbs");
/// Raised when a field is renamed, removed or gets another meaning.
const SCHEMA: u32 = 1;

/// The results of a measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The version of this format.
    pub schema: u32,
    /// Version of QEMU.
    pub qemu: String,
    /// The seed of all choices.
    pub seed: u64,
    /// Counts.
    pub scores: Scores,
    /// Each mutant on each architecture.
    pub trials: Vec<Trial>,
}

impl Report {
    /// The report of some trials.
    #[must_use]
    pub fn new(qemu: &str, seed: u64, trials: Vec<Trial>) -> Self {
        Self {
            schema: SCHEMA,
            qemu: qemu.to_owned(),
            seed,
            scores: Scores::of(&trials),
            trials,
        }
    }

    /// Formats the report as JSON.
    pub fn json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Formats the report as a web page.
    pub fn html(&self) -> Result<String, TemplateError> {
        let trials = self.trials.iter().map(|trial| {
            json!({
                "name": trial.mutant.name,
                "target": trial.target,
                "device": trial.mutant.device,
                "place": format!("{}: {}", trial.mutant.file, trial.mutant.function),
                "class": trial.mutant.class.label(),
                "description": trial.mutant.description,
                "verdict": trial.verdict.label(),
                "kind": trial.verdict.label().replace(' ', "-"),
                "why": why(&trial.verdict),
            })
        });
        let scores = self.rows().into_iter().map(|row| json!({ "cells": row }));
        let values = json!({
            "qemu": self.qemu,
            "percent": self.scores.overall.percent(),
            "caught": self.scores.overall.caught,
            "total": self.scores.overall.total(),
            "heads": HEADS,
            "scores": scores.collect::<Vec<_>>(),
            "trials": trials.collect::<Vec<_>>(),
        });
        template::page("mutants", PAGE, &values)
    }

    /// Formats the report for a terminal: the mutants that were not caught, then the counts.
    #[must_use]
    pub fn table(&self) -> String {
        let open = self.trials.iter().filter(|trial| match &trial.verdict {
            Verdict::Caught { diagnosis, .. } => !diagnosis.is_complete(),
            _ => true,
        });
        let mut lines: Vec<String> = open.map(line).collect();
        let mut rows = vec![HEADS.map(str::to_owned).to_vec()];
        rows.extend(self.rows());
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
        lines.push(String::new());
        lines.extend(rows.iter().map(|row| {
            let cells = row.iter().zip(&widths).enumerate();
            let cells = cells.map(|(column, (cell, width))| match column {
                0 | 1 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            cells.collect::<Vec<_>>().join("  ")
        }));
        lines.join("\n").trim_start().to_owned()
    }

    /// The counts: one row per architecture and class, then the total.
    fn rows(&self) -> Vec<Vec<String>> {
        let row = |target: &str, class: &str, score: &crate::score::Score| {
            let counts = [
                score.caught,
                score.survived,
                score.not_reached,
                score.left_out,
                score.explained,
            ];
            let counts = counts.map(|count| count.to_string());
            let names = [target.to_owned(), class.to_owned()].into_iter();
            let percent = format!("{} %", score.percent());
            names.chain(counts).chain([percent]).collect()
        };
        let mut rows = Vec::new();
        for (target, classes) in &self.scores.classes {
            for class in Class::ALL {
                if let Some(score) = classes.get(&class) {
                    rows.push(row(target, class.label(), score));
                }
            }
        }
        rows.push(row("all", "", &self.scores.overall));
        rows
    }
}

const HEADS: [&str; 8] = [
    "target",
    "class",
    "caught",
    "survived",
    "not reached",
    "left out",
    "explained",
    "score",
];

/// A trial in one line.
#[must_use]
pub fn line(trial: &Trial) -> String {
    let Trial {
        mutant,
        target,
        verdict,
    } = trial;
    let description = match why(verdict) {
        why if why.is_empty() => mutant.description.clone(),
        why => format!("{}: {why}", mutant.description),
    };
    format!(
        "{} {target}::{}: {description}",
        verdict.label(),
        mutant.name
    )
}

fn why(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Caught {
            test,
            outcome,
            cause,
            ..
        } => format!("`{test}` {outcome}: {cause}"),
        Verdict::Survived { tests: 1 } => "1 test passed".to_owned(),
        Verdict::Survived { tests } => format!("{tests} tests passed"),
        Verdict::NotReached { tests: 0 } => "no test was run".to_owned(),
        Verdict::NotReached { tests } => format!("{tests} tests do not use it"),
        Verdict::LeftOut { why } => why.clone(),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::score::Diagnosis;
    use crate::set::Mutant;
    use crate::set::tests::mutant;

    fn report() -> Report {
        let trial = |name: &str, class: Class, verdict: Verdict| Trial {
            mutant: Mutant {
                class,
                ..mutant(name)
            },
            target: "arch".to_owned(),
            verdict,
        };
        let caught = |cause: &str| Verdict::Caught {
            test: "arch::block::flush".to_owned(),
            outcome: "failed".to_owned(),
            cause: cause.to_owned(),
            diagnosis: Diagnosis::of(cause),
        };
        Report::new(
            "10.0.2",
            7,
            vec![
                trial(
                    "explained",
                    Class::Plain,
                    caught(
                        "guest-tests/block/flush.sh:8: `test \"$x\" = <6>`, expanded to `test 5 = <6>`",
                    ),
                ),
                trial("unexplained", Class::Ordinary, caught("exit status 1")),
                trial("survivor", Class::Ordinary, Verdict::Survived { tests: 2 }),
                trial("elsewhere", Class::Rare, Verdict::NotReached { tests: 0 }),
                trial(
                    "old",
                    Class::Rare,
                    Verdict::LeftOut {
                        why: "the file does not define `flush`".to_owned(),
                    },
                ),
            ],
        )
    }

    #[test]
    fn table_lists_what_needs_attention() {
        assert_snapshot!(report().table());
    }

    #[test]
    fn page_lists_every_mutant() {
        let page = report().html().unwrap();
        let (_, body) = page.split_once("</style>").unwrap();
        assert_snapshot!(body);
    }

    #[test]
    fn json_has_scores_and_trials() {
        let value: serde_json::Value = serde_json::from_str(&report().json().unwrap()).unwrap();
        assert_eq!(value["scores"]["overall"]["caught"], 2);
        assert_eq!(value["scores"]["classes"]["arch"]["rare"]["left_out"], 1);
        assert_eq!(value["trials"][1]["verdict"], "caught");
        assert_eq!(value["trials"][1]["diagnosis"]["command"], false);
        assert_eq!(value["trials"][2]["name"], "survivor");
    }
}

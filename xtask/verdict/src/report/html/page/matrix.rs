//! The table of all tests by area, with a column per architecture.

use std::collections::BTreeMap;

use plan::duration;
use serde::Serialize;

use crate::event::{RunReport, TestReport};
use crate::report::labels::{Kind, is_notable, kind};

/// The maximum number of results of one test on one architecture that are listed. More are only
/// counted.
const SHOWN: usize = 4;

/// A result with its number in the run, from 1.
type Numbered<'a> = (usize, &'a TestReport);
/// Results by test.
type Rows<'a> = BTreeMap<&'a str, Vec<Numbered<'a>>>;

/// The tests of an area.
#[derive(Serialize)]
pub(super) struct Area<'a> {
    name: &'a str,
    rows: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    test: &'a str,
    description: &'a str,
    /// The labels of all outcomes in the row, for the filter.
    words: String,
    cells: Vec<Cell<'a>>,
}

#[derive(Serialize)]
struct Cell<'a> {
    arch: &'a str,
    results: Vec<Outcome>,
}

#[derive(Serialize)]
struct Outcome {
    word: &'static str,
    kind: Kind,
    /// Text next to the label, such as `1.23s` or `× 12`.
    beside: String,
    /// Text below the label: choices, rounds, or the reason of a skip.
    below: String,
    /// The number of the failure on the same page.
    link: Option<usize>,
}

/// All areas of a run, in order.
pub(super) fn areas<'a>(run: &'a RunReport, arches: &[&'a str]) -> Vec<Area<'a>> {
    let mut areas: BTreeMap<&str, Rows<'_>> = BTreeMap::new();
    for (number, test) in (1..).zip(&run.tests) {
        let rows = areas.entry(&test.area).or_default();
        rows.entry(&test.test).or_default().push((number, test));
    }
    let area = |(name, rows): (&'a str, Rows<'a>)| {
        let rows = rows
            .into_iter()
            .map(|(test, reports)| row(test, &reports, arches));
        Area {
            name,
            rows: rows.collect(),
        }
    };
    areas.into_iter().map(area).collect()
}

fn row<'a>(test: &'a str, reports: &[Numbered<'a>], arches: &[&'a str]) -> Row<'a> {
    let mut words: Vec<&str> = reports.iter().map(|(_, test)| test.label()).collect();
    words.sort_unstable();
    words.dedup();
    let cell = |arch: &&'a str| {
        let own = reports.iter().filter(|(_, test)| test.arch == **arch);
        Cell {
            arch,
            results: results(&own.copied().collect::<Vec<_>>()),
        }
    };
    Row {
        test,
        description: reports.first().map_or("", |(_, test)| &test.description),
        words: words.join("|"),
        cells: arches.iter().map(cell).collect(),
    }
}

fn results(reports: &[Numbered<'_>]) -> Vec<Outcome> {
    if reports.len() <= SHOWN {
        return reports
            .iter()
            .map(|(number, test)| single(*number, test))
            .collect();
    }
    let mut words: BTreeMap<(Kind, &str), Vec<usize>> = BTreeMap::new();
    for (number, test) in reports {
        words
            .entry((kind(test), test.label()))
            .or_default()
            .push(*number);
    }
    let several = |((kind, word), numbers): ((Kind, &'static str), Vec<usize>)| Outcome {
        word,
        kind,
        beside: format!("× {}", numbers.len()),
        below: String::new(),
        link: reports
            .iter()
            .find(|(number, test)| numbers[0] == *number && is_notable(test))
            .map(|(number, _)| *number),
    };
    words.into_iter().map(several).collect()
}

fn single(number: usize, test: &TestReport) -> Outcome {
    use crate::outcome::Outcome as End;
    let mut below: Vec<String> = test.setup.choices.iter().map(ToString::to_string).collect();
    if test.setup.round > 0 {
        below.push(format!("round {}", test.setup.round));
    }
    if test.slow {
        below.push("slow".to_owned());
    }
    let is_run = !matches!(test.outcome, End::Skipped { .. } | End::NotRun { .. });
    Outcome {
        word: test.label(),
        kind: kind(test),
        beside: if is_run {
            duration::show(test.duration())
        } else {
            String::new()
        },
        below: if is_run {
            below.join(", ")
        } else {
            test.outcome.cause()
        },
        link: is_notable(test).then_some(number),
    }
}

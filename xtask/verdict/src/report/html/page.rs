//! The content of the page, prepared for its template.

use std::time::Duration;

use plan::duration;
use serde::Serialize;

use super::super::labels::{Kind, Tally, arches, is_notable, tallies, verdict};
use crate::event::{RunReport, TestReport};
use crate::origin::Platform;

mod detail;
mod matrix;

use detail::Detail;
use matrix::Area;

/// The maximum number of failures with all details. The table contains all.
const DETAILED: usize = 100;

/// The whole page.
#[derive(Serialize)]
pub(super) struct Page<'a> {
    style: &'a str,
    script: &'a str,
    verdict: String,
    kind: Kind,
    started: String,
    started_exactly: &'a str,
    time: String,
    seed: u64,
    kiln: &'a str,
    commit: Option<&'a str>,
    command: String,
    interrupted: Option<i32>,
    tallies: Vec<Tally>,
    failures: Vec<Detail<'a>>,
    oddities: Vec<Detail<'a>>,
    not_detailed: usize,
    arches: Vec<&'a str>,
    /// The number of columns of the table of tests.
    columns: usize,
    areas: Vec<Area<'a>>,
    coverage: Vec<Devices<'a>>,
    platforms: &'a [Platform],
    run_dir: &'a str,
}

#[derive(Serialize)]
struct Devices<'a> {
    arch: &'a str,
    covered: usize,
    total: usize,
    percent: String,
    not_covered: Vec<&'a str>,
}

impl<'a> Page<'a> {
    pub(super) fn new(run: &'a RunReport, style: &'a str, script: &'a str) -> Self {
        let (failures, oddities): (Vec<_>, Vec<_>) = notable(run)
            .into_iter()
            .partition(|(_, test)| test.is_fatal());
        let all = failures.len() + oddities.len();
        let details = |tests: &[(usize, &'a TestReport)], room: usize| -> Vec<Detail<'a>> {
            let tests = tests.iter().take(room);
            tests
                .map(|(number, test)| Detail::new(*number, test))
                .collect()
        };
        let left = DETAILED.saturating_sub(failures.len());
        let arches = arches(run);
        Self {
            style,
            script,
            verdict: verdict(run),
            kind: if run.exit_code() == 0 {
                Kind::Good
            } else {
                Kind::Bad
            },
            started: run.origin.started.replace('T', " ").replace('Z', " UTC"),
            started_exactly: &run.origin.started,
            time: duration::show(Duration::from_millis(run.duration_ms)),
            seed: run.seed,
            kiln: &run.origin.kiln,
            commit: run.origin.commit.as_deref(),
            command: format!("cargo xtask {}", run.origin.argv.join(" ")),
            interrupted: run.interrupted,
            tallies: tallies(run),
            failures: details(&failures, DETAILED),
            oddities: details(&oddities, left),
            not_detailed: all.saturating_sub(DETAILED),
            columns: arches.len() + 1,
            areas: matrix::areas(run, &arches),
            arches,
            coverage: coverage(run),
            platforms: &run.platforms,
            run_dir: run.run_dir.as_str(),
        }
    }
}

/// The tests with details, with their numbers in the run. Tests that did not run are only counted.
fn notable(run: &RunReport) -> Vec<(usize, &TestReport)> {
    let tests = (1..).zip(&run.tests);
    tests.filter(|(_, test)| is_notable(test)).collect()
}

fn coverage(run: &RunReport) -> Vec<Devices<'_>> {
    let coverage = run.coverage.iter().flatten();
    coverage
        .map(|coverage| Devices {
            arch: &coverage.arch,
            covered: coverage.covered.len(),
            total: coverage.total(),
            percent: format!("{:.1}", coverage.percent()),
            not_covered: coverage.not_covered.iter().map(String::as_str).collect(),
        })
        .collect()
}

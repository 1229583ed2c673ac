//! Writes the output of passed tests as golden output at the end of a run with `--bless`.

use std::io;

use verdict::event::TestReport;
use verdict::golden::bless::{Blessed, Blessing, plan};
use verdict::golden::{GoldenTarget, compare, variant};
use verdict::outcome::Outcome;

use crate::config::Config;

/// One line per written file, and per test that was not blessed.
pub(super) fn perform(config: &Config, reports: &[TestReport]) -> io::Result<Vec<String>> {
    let mut notes = Vec::new();
    if config.case.bless == Blessing::No {
        return Ok(notes);
    }
    let mut blessed = Vec::new();
    for report in reports {
        let is_it = |area: &str, test: &str| area == report.area && test == report.test;
        let tests = &config.suite.tests;
        let test = tests.iter().find(|file| is_it(&file.area, &file.test));
        let run = config
            .arches
            .iter()
            .find(|run| run.arch.name == report.arch);
        let (Some(test), Some(run)) = (test, run) else {
            continue;
        };
        let place = GoldenTarget {
            arch: &report.arch,
            machine: &report.setup.machine,
            qemu: run.facts.version,
        };
        if config.case.bless == Blessing::Existing && variant(&test.golden, place).is_none() {
            continue;
        }
        match (&report.outcome, &report.evidence.log_dir) {
            (Outcome::Passed, Some(logs)) => {
                let printed = fs_err::read(logs.join("output.log"))?;
                let limit = test.header.timeout;
                match compare::filtered(&printed, &test.header.filters, limit) {
                    Ok(printed) => blessed.push(Blessed {
                        script: &test.path,
                        golden: &test.golden,
                        place,
                        printed,
                    }),
                    Err(end) => notes.push(format!("{} is not blessed: {end}", report.name)),
                }
            }
            (outcome, _) => notes.push(format!(
                "{} is not blessed: it {}",
                report.name,
                match outcome {
                    Outcome::Passed => "left no log",
                    Outcome::Skipped { .. } => "was skipped",
                    Outcome::NotRun { .. } => "was not run",
                    _ => "failed",
                }
            )),
        }
    }
    let plan = plan(&blessed, config.case.bless);
    notes.extend(plan.write()?.iter().map(|path| format!("wrote {path}")));
    notes.extend(plan.refused);
    Ok(notes)
}

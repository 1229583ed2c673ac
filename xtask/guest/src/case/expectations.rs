//! Judges the output of a test: its KTAP results and its golden output.
//!
//! Both can only turn a pass into a failure. If the test failed for another reason, the findings
//! become notes.

use std::time::Duration;

use camino::Utf8Path;
use verdict::event::TestReport;
use verdict::golden::compare::{self, FilterEnd};
use verdict::golden::{self, GoldenTarget, bless::Blessing};
use verdict::ktap;
use verdict::outcome::{Outcome, Phase};
use verdict::text;

use super::Setting;

/// Maximum number of lines of a diff in a report. `output.diff` has all of them.
const LINES: usize = 200;

/// Reads and judges the output log.
///
/// The time limit of the filters is `limit`, that of the test itself.
pub(super) fn judge(setting: &Setting<'_>, limit: Duration, report: &mut TestReport) {
    if matches!(
        report.outcome,
        Outcome::Skipped { .. } | Outcome::NotRun { .. }
    ) {
        return;
    }
    let printed = match fs_err::read(setting.logs.join("output.log")) {
        Ok(printed) => printed,
        Err(error) => return fail(report, |message| Outcome::HarnessError { message }, &error),
    };
    let results = ktap::parse(&printed);
    if let Some(cause) = results.cause()
        && report.outcome == Outcome::Passed
    {
        report.outcome = Outcome::Failed { cause };
    }
    let faults = results.faults.into_iter();
    report
        .evidence
        .notes
        .extend(faults.map(|fault| format!("KTAP: {fault}")));
    report.evidence.subtests = results.subtests;
    if setting.config.bless == Blessing::No
        && let Err(error) = compare(setting, limit, report, &printed)
    {
        fail(report, |message| Outcome::HarnessError { message }, &error);
    }
}

/// Sets an outcome, unless the test has already failed for a better reason.
fn fail(report: &mut TestReport, outcome: fn(String) -> Outcome, error: &std::io::Error) {
    if report.outcome.is_success() {
        report.outcome = outcome(error.to_string());
    } else {
        report.evidence.notes.push(error.to_string());
    }
}

fn compare(
    setting: &Setting<'_>,
    limit: Duration,
    report: &mut TestReport,
    printed: &[u8],
) -> std::io::Result<()> {
    let test = setting.test.test;
    let place = GoldenTarget {
        arch: setting.test.arch,
        machine: &report.setup.machine,
        qemu: setting.arch.facts.version,
    };
    let Some(golden) = golden::variant(&test.golden, place) else {
        return Ok(());
    };
    let name = golden.path.file_name().unwrap_or_default();
    let wanted = fs_err::read(&golden.path)?;
    let wanted = String::from_utf8_lossy(&wanted);
    let filtered = compare::filtered(printed, &test.header.filters, limit);
    let printed = match filtered {
        Ok(printed) => printed,
        Err(end) => {
            let outcome = match end {
                FilterEnd::Late => Outcome::timed_out(Phase::Test, limit),
                FilterEnd::Interrupted => Outcome::NotRun {
                    why: end.to_string(),
                },
                FilterEnd::Broken => Outcome::HarnessError {
                    message: end.to_string(),
                },
            };
            if report.outcome == Outcome::Passed {
                report.outcome = outcome;
            }
            report
                .evidence
                .notes
                .push(format!("`filter` of the header: {end}"));
            return Ok(());
        }
    };
    let path = relative(&golden.path, &setting.config.suite);
    let Some(diff) = compare::difference(path.as_str(), &wanted, &printed) else {
        return Ok(());
    };
    fs_err::write(setting.logs.join("output.diff"), &diff)?;
    let lines = diff.lines().map(|line| text::short_line(line.as_bytes()));
    report.evidence.diff = lines.take(LINES).collect();
    let more = diff.lines().count().saturating_sub(LINES);
    if more > 0 {
        report
            .evidence
            .diff
            .push(format!("… {more} more lines in output.diff"));
    }
    if report.outcome == Outcome::Passed {
        report.outcome = Outcome::Failed {
            cause: format!("output differs from `{name}`"),
        };
        report.evidence.notes.push(format!(
            "if the new output is right: cargo xtask test --exact {} --arch {} --bless",
            report.name, report.arch
        ));
    }
    Ok(())
}

/// The path for `patch -p0` in the folder above the suite's.
fn relative<'a>(path: &'a Utf8Path, suite: &Utf8Path) -> &'a Utf8Path {
    let root = suite.parent().unwrap_or(suite);
    path.strip_prefix(root).unwrap_or(path)
}

//! A script of ktest in a guest, which runs as a guest script does.

use suite::Scripts;
use suite::ktest_script::Script;
use verdict::event::TestReport;
use verdict::outcome::Outcome;

use super::{Setting, run_script};

/// Runs it to its report.
pub(super) fn run(setting: &Setting<'_>, script: &Script, mut report: TestReport) -> TestReport {
    if let Some(reason) = script.skip.clone() {
        report.outcome = Outcome::Skipped { reason };
        return report;
    }
    let mut report = run_script(setting, Scripts::Both, report);
    // It would be one of Kiln's own script around it.
    report.evidence.line = None;
    report
}

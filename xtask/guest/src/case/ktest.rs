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
    if let Outcome::Failed { cause } = &report.outcome
        && let Some(program) = missing_program(cause)
    {
        let note = format!("install `{program}`: scripts get the programs of this host");
        report.evidence.notes.push(note);
    }
    report
}

/// The program in bash's message that it was not found.
fn missing_program(cause: &str) -> Option<&str> {
    cause
        .strip_suffix(": command not found")?
        .rsplit(": ")
        .next()
}

#[cfg(test)]
mod tests {
    use super::missing_program;

    #[test]
    fn missing_program_is_named() {
        let check = |cause: &str, expect| assert_eq!(missing_program(cause), expect, "{cause}");
        check("blkdev.ktest: line 13: fio: command not found", Some("fio"));
        check("blkdev.ktest: line 13: fio: failed", None);
    }
}

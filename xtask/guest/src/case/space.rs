//! Withdraws a failure that was caused by a full disk. The guest sees missing space for QEMU's
//! files as an I/O error, so such a test has no result. A passed test had enough space.

use camino::Utf8Path;
use verdict::event::TestReport;
use verdict::outcome::Outcome;

use super::Setting;

/// Withdraws a failure if a directory of the test has no space left.
pub(super) fn judge(setting: &Setting<'_>, report: &mut TestReport) {
    let is_full = |path: &Utf8Path| {
        // The test's own folder may not exist yet.
        let found = path.ancestors().find(|folder| folder.is_dir());
        found.is_some_and(|folder| host::files::is_full(folder).unwrap_or(false))
    };
    let options = [("TMPDIR", &setting.scratch), ("--runs", &setting.logs)];
    let full = options.iter().find(|(_, path)| is_full(path));
    if let Some(why) = withdrawn(&report.outcome, full.map(|(option, _)| *option)) {
        report.outcome = Outcome::NotRun { why };
    }
}

/// Why an outcome does not count, with the option that sets the full directory.
fn withdrawn(outcome: &Outcome, full: Option<&str>) -> Option<String> {
    let option = full?;
    if outcome.is_success() || matches!(outcome, Outcome::NotRun { .. }) {
        return None;
    }
    let (label, cause) = (outcome.label(), outcome.cause());
    Some(format!(
        "no space left in `{option}`, so the result does not count: {label}: {cause}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_without_space_are_withdrawn() {
        let failed = || Outcome::Failed {
            cause: "I/O error".to_owned(),
        };
        let broken = Outcome::HarnessError {
            message: "x".to_owned(),
        };
        let not_run = Outcome::NotRun {
            why: "interrupted".to_owned(),
        };
        let check = |outcome: &Outcome, full, expect: Option<&str>| {
            let found = withdrawn(outcome, full);
            assert_eq!(found.as_deref(), expect, "{outcome:?} {full:?}");
        };
        let expect = "no space left in `TMPDIR`, so the result does not count: failed: I/O error";
        check(&failed(), Some("TMPDIR"), Some(expect));
        check(&failed(), None, None);
        let expect = "no space left in `--runs`, so the result does not count: harness error: x";
        check(&broken, Some("--runs"), Some(expect));
        check(&not_run, Some("TMPDIR"), None);
        check(&Outcome::Passed, Some("TMPDIR"), None);
    }
}

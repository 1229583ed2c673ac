//! Checks the subjects of commits: `area: summary`, at most 72 characters, as in QEMU and Linux.

use std::time::Duration;

use host::process::Command;

use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output;

/// Time limit of git.
const LIMIT: Duration = Duration::from_secs(30);
/// Maximum length of a subject.
const MOST: usize = 72;

/// Checks the commits since `base`, or since the last tag.
pub(super) fn check(context: &Context, base: Option<&str>) -> CommandResult {
    let base = base.map_or_else(|| last_tag(context), |base| Some(base.to_owned()));
    let Some(base) = base else {
        output::note("not checked: commit subjects (no tag; cargo xtask ci --base REVISION)");
        return Ok(Exit::Success);
    };
    let range = format!("{base}..HEAD");
    let log = git(context, &["log", "--no-merges", "--format=%h %s", &range])
        .map_err(|error| Failure::new(Exit::Usage, error).hint(Some("git tag".to_owned())))?;
    let wrong: Vec<String> = log.lines().filter_map(find_fault).collect();
    for fault in &wrong {
        output::result(fault);
    }
    Ok(if wrong.is_empty() {
        Exit::Success
    } else {
        Exit::Failed
    })
}

fn last_tag(context: &Context) -> Option<String> {
    let tag = git(context, &["describe", "--tags", "--abbrev=0"]).ok()?;
    Some(tag.trim().to_owned()).filter(|tag| !tag.is_empty())
}

fn git(context: &Context, args: &[&str]) -> Result<String, host::process::ProcessError> {
    Command::new("git")
        .args(args)
        .current_dir(&context.root)
        .read(LIMIT)
}

/// The error in a line of `git log --format='%h %s'`, if any.
fn find_fault(line: &str) -> Option<String> {
    let (commit, subject) = line.split_once(' ').unwrap_or((line, ""));
    let characters = subject.chars().count();
    let is_area = |area: &str| {
        let allowed =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_./, -".contains(c);
        !area.is_empty() && area.chars().all(allowed)
    };
    let fault = match subject.split_once(": ") {
        _ if characters > MOST => format!("expected at most {MOST} characters, found {characters}"),
        Some((area, summary)) if is_area(area) && !summary.trim().is_empty() => return None,
        _ => "expected `area: summary`".to_owned(),
    };
    Some(format!("{commit}: {fault}: `{subject}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_needs_area_and_at_most_72_characters() {
        let check = |subject: &str, expect: Option<&str>| {
            let fault = find_fault(&format!("abc {subject}"));
            let expect = expect.map(|text| format!("abc: {text}: `{subject}`"));
            assert_eq!(fault, expect);
        };
        let area = Some("expected `area: summary`");
        check("guest/session: accept a second hello", None);
        check("tests/run, docs: rename an option", None);
        check("Fix a bug", area);
        check("Guest: fix a bug", area);
        check("guest: ", area);
        check("", area);
        check(&format!("guest: {}", "x".repeat(65)), None);
        let long = "expected at most 72 characters, found 73";
        check(&format!("guest: {}", "x".repeat(66)), Some(long));
    }
}

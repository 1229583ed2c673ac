//! The end of a run in a terminal: the counts, and what deserves a look named again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use guest::event::{RunReport, TestReport};
use guest::outcome::Outcome;

use super::{heading, plural};
use crate::output::{Color, Style};
use crate::render::quantity;

/// Tests of a kind that are named; the others are counted.
const NAMED: usize = 50;

/// The lines of the summary, without the last line's end.
pub(super) fn lines(style: Style, run: &RunReport) -> String {
    let counts: Vec<String> = run
        .counts()
        .iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let counts = if counts.is_empty() {
        "none selected".to_owned()
    } else {
        counts.join(", ")
    };
    let total = plural(run.tests.len(), "test");
    let color = if run.exit_code() == 0 {
        Color::Green
    } else {
        Color::Red
    };
    let time = quantity::time(Duration::from_millis(run.duration_ms));
    let summary = format!("[{time:>7}] {total}: {counts}");
    let mut text = heading(style, color, "Summary", &summary);
    let is_not_run = |test: &&TestReport| matches!(test.outcome, Outcome::NotRun { .. });
    let failed: Vec<_> = run
        .tests
        .iter()
        .filter(|test| test.is_fatal() && !is_not_run(test))
        .collect();
    // A single failure stands right above.
    if failed.len() > 1 || run.tests.len() > NAMED {
        named(&mut text, style, Color::Red, &failed);
    }
    let marked = |word: &str| -> Vec<_> {
        let tests = run.tests.iter();
        tests.filter(|test| test.word() == word).collect()
    };
    named(&mut text, style, Color::Yellow, &marked("unstable"));
    named(&mut text, style, Color::Yellow, &marked("flaky"));
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for test in run.tests.iter().filter(is_not_run) {
        *reasons.entry(test.outcome.cause()).or_default() += 1;
    }
    for (reason, count) in reasons {
        let tests = format!("{}: {reason}", plural(count, "test"));
        let line = heading(style, Color::Yellow, "not run", &tests);
        let _ = write!(text, "\n{line}");
    }
    text
}

fn named(text: &mut String, style: Style, color: Color, tests: &[&TestReport]) {
    for test in tests.iter().take(NAMED) {
        let round = match test.round {
            0 => String::new(),
            round => format!(" (round {round})"),
        };
        let name = format!("{}{round}", test.name);
        let line = heading(style, color, shown(test), &name);
        let _ = write!(text, "\n{line}");
    }
    if tests.len() > NAMED {
        let more = format!("and {} more", tests.len() - NAMED);
        let line = heading(style, color, "", &more);
        let _ = write!(text, "\n{line}");
    }
}

/// The one word that is wider than the column is shortened.
fn shown(test: &TestReport) -> &'static str {
    match &test.outcome {
        Outcome::QemuDidNotStart { .. } => "not started",
        Outcome::GuestPanicked { .. } => "panicked",
        Outcome::GuestOopsed { .. } => "oopsed",
        Outcome::HarnessError { .. } => "error",
        _ => test.word(),
    }
}

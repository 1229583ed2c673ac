//! Renders the end of a run: the counts, and the tests that deserve attention.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use verdict::event::{RunReport, TestReport};
use verdict::outcome::Outcome;
use verdict::report::labels::{self, Kind};

use super::{COLUMNS, WIDTH, heading, plural};
use crate::output::{Color, Style};
use crate::render::quantity;

/// Width of the text before the counts: a time in brackets, and a space.
const TIME: usize = 10;
/// Maximum number of listed tests per kind. More are only counted.
const NAMED: usize = 50;

/// The lines of the summary, without the last newline.
pub(super) fn lines(style: Style, run: &RunReport) -> String {
    let total = plural(run.tests.len(), "test");
    let color = if run.exit_code() == 0 {
        Color::Green
    } else {
        Color::Red
    };
    let time = quantity::time(Duration::from_millis(run.duration_ms));
    let lead = format!("[{time:>7}] {total}:");
    let mut text = heading(style, color, "Summary", &counts(style, run, &lead));
    let is_not_run = |test: &&TestReport| matches!(test.outcome, Outcome::NotRun { .. });
    let failed: Vec<_> = run
        .tests
        .iter()
        .filter(|test| test.is_fatal() && !is_not_run(test))
        .collect();
    // A single failure was printed directly above.
    if failed.len() > 1 || run.tests.len() > NAMED {
        named(&mut text, style, Color::Red, &failed);
    }
    let marked = |word: &str| -> Vec<_> {
        let tests = run.tests.iter();
        tests.filter(|test| test.label() == word).collect()
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

/// The counts after the lead, the most serious first, wrapped to the terminal.
fn counts(style: Style, run: &RunReport, lead: &str) -> String {
    let tallies = labels::tallies(run);
    if tallies.is_empty() {
        return format!("{lead} no test selected");
    }
    let (mut text, mut column) = (lead.to_owned(), WIDTH + 1 + lead.chars().count());
    for (index, tally) in tallies.iter().enumerate() {
        let comma = if index + 1 < tallies.len() { "," } else { "" };
        let count = format!("{} {}{comma}", tally.count, tally.word);
        if column + 1 + count.len() > COLUMNS {
            // Aligned below the number of tests, which follows the time.
            column = WIDTH + 1 + TIME;
            let _ = write!(text, "\n{:column$}", "");
        } else {
            text.push(' ');
            column += 1;
        }
        column += count.len();
        text.push_str(&style.paint(color(tally.kind), &count));
    }
    text
}

fn color(kind: Kind) -> Color {
    match kind {
        Kind::Bad => Color::Red,
        Kind::Odd => Color::Yellow,
        Kind::Good => Color::Green,
        Kind::Mute => Color::Dim,
    }
}

fn named(text: &mut String, style: Style, color: Color, tests: &[&TestReport]) {
    for test in tests.iter().take(NAMED) {
        let round = match test.setup.round {
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

/// The label. Shortens the only one that is wider than the column.
fn shown(test: &TestReport) -> &'static str {
    match &test.outcome {
        Outcome::QemuDidNotStart { .. } => "not started",
        Outcome::GuestPanicked { .. } => "panicked",
        Outcome::GuestOopsed { .. } => "oopsed",
        Outcome::HarnessError { .. } => "error",
        _ => test.label(),
    }
}

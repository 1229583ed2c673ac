//! Renders one test: one line, and for a failure the details that help to continue.

use std::fmt::Write as _;

use verdict::event::TestReport;
use verdict::kind::TestKind;
use verdict::outcome::Outcome;
use verdict::report::labels::{excerpt, is_fault};

use super::{COLUMNS, WIDTH, heading};
use crate::output::{Color, Style};
use crate::render::quantity;

/// Maximum number of lines of output or console of a failure.
const TAIL_LINES: usize = 15;
/// Maximum number of lines of a kernel's fault report, which is read from its beginning.
const FAULT_LINES: usize = 40;
/// Maximum number of lines of a diff, which is read from its beginning.
const DIFF_LINES: usize = 40;

/// The lines of a test, without the last newline.
pub(super) fn lines(style: Style, verbose: bool, report: &TestReport) -> String {
    let mut block = Block {
        style,
        verbose,
        text: String::new(),
    };
    block.head(report);
    if matches!(
        report.outcome,
        Outcome::Skipped { .. } | Outcome::NotRun { .. }
    ) {
        return block.text;
    }
    block.tries(report);
    if !report.outcome.is_success() {
        block.failure(report);
    } else if verbose {
        block.notes(report);
    }
    block.text
}

struct Block {
    style: Style,
    verbose: bool,
    text: String,
}

impl Block {
    fn head(&mut self, report: &TestReport) {
        let (word, color) = label(report);
        let time = quantity::time(report.duration());
        let name = format!("[{time:>7}] {}", report.name);
        self.text = heading(self.style, color, word, &name);
        let detail = match &report.outcome {
            Outcome::Skipped { .. } | Outcome::NotRun { .. } => report.outcome.cause(),
            _ => circumstances(report),
        };
        let separator = match &report.outcome {
            Outcome::Skipped { .. } | Outcome::NotRun { .. } => ": ",
            _ => " ",
        };
        let width = WIDTH + 1 + name.chars().count() + separator.len() + detail.chars().count();
        if detail.is_empty() {
        } else if width <= COLUMNS {
            let _ = write!(self.text, "{separator}{detail}");
        } else {
            let indent = WIDTH + 1 + time.len().max(7) + 3;
            let _ = write!(self.text, "\n{:indent$}{detail}", "");
        }
    }

    fn failure(&mut self, report: &TestReport) {
        let outcome = &report.outcome;
        self.folded(
            "cause",
            &format!("{}: {}", outcome.label(), outcome.cause()),
        );
        if let Some(location) = report.location() {
            self.labelled("at", &location);
        }
        self.subtests(report);
        self.diff(report);
        if report.evidence.diff.is_empty() {
            self.tail("output", &report.evidence.output_tail);
        }
        let most = match (self.verbose, is_fault(&report.evidence.console_tail)) {
            (true, _) => usize::MAX,
            (false, true) => FAULT_LINES,
            (false, false) => TAIL_LINES,
        };
        let console = excerpt(&report.evidence.console_tail, most);
        self.barred("console", console.iter().map(String::as_str));
        self.notes(report);
        if let Some(reason) = &report.unstable {
            self.labelled("unstable", reason);
        }
        if let Some(dir) = &report.evidence.log_dir {
            self.labelled("logs", dir.as_str());
        }
        let again = self.style.paint(Color::Cyan, &report.reproduce);
        self.labelled("repeat", &again);
    }

    fn labelled(&mut self, label: &str, text: &str) {
        let line = heading(self.style, Color::Bold, label, text);
        let _ = write!(self.text, "\n{line}");
    }

    /// A sentence, wrapped to the terminal. Long words are not broken, so that they can be copied.
    fn folded(&mut self, label: &str, text: &str) {
        let mut label = label;
        for line in fold(text, COLUMNS - WIDTH - 1) {
            self.labelled(label, &line);
            label = "";
        }
    }

    /// Lines of a file or list with a bar on the left. The label precedes the first.
    fn barred<'a>(&mut self, label: &str, lines: impl IntoIterator<Item = &'a str>) {
        for (index, line) in lines.into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            self.labelled(label, &format!("| {line}"));
        }
    }

    fn tail(&mut self, label: &str, lines: &[String]) {
        let most = if self.verbose {
            lines.len()
        } else {
            TAIL_LINES
        };
        let from = lines.len().saturating_sub(most);
        self.barred(label, lines[from..].iter().map(String::as_str));
    }

    fn subtests(&mut self, report: &TestReport) {
        let failed = report.evidence.subtests.iter();
        let failed: Vec<String> = failed
            .filter(|subtest| !subtest.outcome.is_success())
            .map(|subtest| format!("{}: {}", subtest.name, subtest.outcome.cause()))
            .collect();
        let most = if self.verbose {
            failed.len()
        } else {
            TAIL_LINES
        };
        let shown = failed.iter().take(most).map(String::as_str);
        self.barred("subtests", shown);
        if failed.len() > most {
            let more = format!("| … {} more failed", failed.len() - most);
            self.labelled("", &more);
        }
    }

    fn diff(&mut self, report: &TestReport) {
        let most = if self.verbose {
            report.evidence.diff.len()
        } else {
            DIFF_LINES
        };
        let paint = |line: &String| match line.as_bytes().first() {
            Some(b'+') => self.style.paint(Color::Green, line),
            Some(b'-') => self.style.paint(Color::Red, line),
            Some(b'@') => self.style.paint(Color::Dim, line),
            _ => line.clone(),
        };
        let mut lines: Vec<String> = report.evidence.diff.iter().take(most).map(paint).collect();
        if report.evidence.diff.len() > most {
            lines.push(format!(
                "… {} more lines",
                report.evidence.diff.len() - most
            ));
        }
        self.barred("diff", lines.iter().map(String::as_str));
    }

    fn tries(&mut self, report: &TestReport) {
        for (index, failed) in report.failed_tries.iter().enumerate() {
            let outcome = &failed.outcome;
            let said = format!("{}: {}", outcome.label(), outcome.cause());
            self.labelled(&format!("try {}", index + 1), &said);
            if let Some(dir) = &failed.log_dir {
                self.labelled("logs", dir.as_str());
            }
        }
    }

    fn notes(&mut self, report: &TestReport) {
        for note in &report.evidence.notes {
            self.folded("note", note);
        }
    }
}

fn label(report: &TestReport) -> (&'static str, Color) {
    match &report.outcome {
        Outcome::Passed if report.is_flaky() => ("FLAKY", Color::Yellow),
        Outcome::Passed => ("PASS", Color::Green),
        Outcome::Skipped { .. } => ("SKIP", Color::Yellow),
        Outcome::NotRun { .. } => ("NOT RUN", Color::Yellow),
        _ if !report.is_fatal() => ("UNSTABLE", Color::Yellow),
        Outcome::TimedOut { .. } => ("TIMEOUT", Color::Red),
        Outcome::HarnessError { .. } => ("ERROR", Color::Red),
        _ => ("FAIL", Color::Red),
    }
}

/// What distinguishes this result from others of the test: round, choices and seed.
fn circumstances(report: &TestReport) -> String {
    let mut parts = Vec::new();
    // A test with a guest is the default and needs no mention.
    parts.extend((report.kind == Some(TestKind::Host)).then(|| "host".to_owned()));
    if report.setup.round > 0 {
        parts.push(format!("round {}", report.setup.round));
    }
    let choices: Vec<String> = report
        .setup
        .choices
        .iter()
        .map(ToString::to_string)
        .collect();
    if !choices.is_empty() {
        parts.push(choices.join(" "));
    }
    if !choices.is_empty() || report.setup.round > 0 {
        parts.push(format!("seed {}", report.setup.seed));
    }
    if report.slow {
        parts.push("slow".to_owned());
    }
    if parts.is_empty() {
        String::new()
    } else {
        format!("({})", parts.join(", "))
    }
}

/// Wraps a text at spaces.
fn fold(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let width = word.chars().count();
        if used > 0 && used + 1 + width > columns {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += width;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_only_at_spaces() {
        let check = |text: &str, expect: &[&str]| assert_eq!(fold(text, 7), expect, "{text}");
        check("", &[""]);
        check("one two", &["one two"]);
        check("one two three", &["one two", "three"]);
        check("/a/very/long/path one", &["/a/very/long/path", "one"]);
        check("äöü äöü ä", &["äöü äöü", "ä"]);
    }
}

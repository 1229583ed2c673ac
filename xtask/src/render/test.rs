//! A run of guest tests as a person sees it: a line a test, failures with their cause, the end of the
//! console, where the logs are and what runs the test again; a summary at the end.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use guest::event::{RunEvent, RunReport, TestReport};
use guest::outcome::Outcome;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::quantity;
use crate::output::{self, Color, Style};

/// Shows a run until it is dropped.
pub(crate) struct TestProgress {
    style: Style,
    quiet: bool,
    verbose: bool,
    bar: ProgressBar,
    running: BTreeSet<String>,
}

/// How many lines of a console a failure shows.
const TAIL_LINES: usize = 15;

impl TestProgress {
    /// Begins with nothing to show.
    pub(crate) fn new(style: Style, quiet: bool, verbose: bool) -> Self {
        let target = if style.interactive && !quiet {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let template = "{elapsed:>12} [{bar:20}] {pos}/{len} {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            style,
            quiet,
            verbose,
            bar,
            running: BTreeSet::new(),
        }
    }

    /// Shows one event.
    pub(crate) fn show(&mut self, event: &RunEvent) {
        match event {
            RunEvent::RunStarted { seed, total, .. } => {
                self.bar.set_length(*total as u64);
                self.bar.enable_steady_tick(Duration::from_millis(200));
                let tests = plural(*total, "test");
                self.say(&self.heading(Color::Green, "Running", &format!("{tests}, seed {seed}")));
            }
            RunEvent::Note { text } => self.say(&self.heading(Color::Cyan, "Note", text)),
            RunEvent::TestStarted { name } => {
                self.running.insert(name.clone());
                self.show_running();
            }
            RunEvent::TestOutput { bytes, .. } => {
                let text = guest::text::plain(bytes);
                self.bar.suspend(|| output::raw(text.as_bytes()));
            }
            RunEvent::TestFinished(report) => {
                self.running.remove(&report.name);
                self.bar.inc(1);
                self.show_running();
                let shown = !self.quiet || !report.outcome.is_success();
                if shown {
                    let lines = self.finished(report);
                    self.bar.suspend(|| output::result(lines));
                }
            }
            RunEvent::RunFinished(report) => {
                self.bar.finish_and_clear();
                output::result(self.summary(report));
            }
        }
    }

    fn show_running(&self) {
        let names: Vec<&str> = self.running.iter().map(String::as_str).collect();
        self.bar.set_message(names.join(", "));
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| output::note(line));
        }
    }

    fn heading(&self, color: Color, word: &str, text: &str) -> String {
        format!("{} {text}", self.style.paint(color, &format!("{word:>12}")))
    }

    /// One test: one line, and for a failure what a person needs to go on.
    fn finished(&self, report: &TestReport) -> String {
        let (word, color) = match &report.outcome {
            Outcome::Passed if report.is_flaky() => ("FLAKY", Color::Yellow),
            Outcome::Passed => ("PASS", Color::Green),
            Outcome::Skipped { .. } => ("SKIP", Color::Yellow),
            Outcome::NotRun { .. } => ("NOT RUN", Color::Yellow),
            Outcome::TimedOut { .. } => ("TIMEOUT", Color::Red),
            Outcome::HarnessError { .. } => ("ERROR", Color::Red),
            _ if !report.is_fatal() => ("UNSTABLE", Color::Yellow),
            _ => ("FAIL", Color::Red),
        };
        let time = quantity::time(report.duration());
        let mut text = self.heading(color, word, &format!("[{time:>7}] {}", report.name));
        let choices: Vec<String> = report
            .choices
            .iter()
            .map(std::string::ToString::to_string)
            .collect();
        let seeded = !choices.is_empty() || report.round > 0;
        let seed = seeded.then(|| format!("seed {}", report.seed));
        let made = (!choices.is_empty()).then(|| choices.join(" "));
        let made: Vec<String> = made.into_iter().chain(seed).collect();
        if !made.is_empty() {
            let _ = write!(text, " ({})", made.join(", "));
        }
        if matches!(
            report.outcome,
            Outcome::Skipped { .. } | Outcome::NotRun { .. }
        ) {
            let _ = write!(text, ": {}", report.outcome.cause());
            return text;
        }
        let label = |label: &str| self.style.paint(Color::Bold, &format!("{label:>12}"));
        let tries = |text: &mut String| {
            for (index, failed) in report.failed_tries.iter().enumerate() {
                let number = format!("try {}", index + 1);
                let (word, cause) = (failed.outcome.word(), failed.outcome.cause());
                let _ = write!(text, "\n{} {word}: {cause}", label(&number));
                if let Some(dir) = &failed.log_dir {
                    let _ = write!(text, "\n{} {dir}", label("logs"));
                }
            }
        };
        let notes = |text: &mut String| {
            for note in &report.notes {
                let _ = write!(text, "\n{} {note}", label("note"));
            }
        };
        tries(&mut text);
        if report.outcome.is_success() {
            if self.verbose {
                notes(&mut text);
            }
            return text;
        }
        let _ = write!(
            text,
            "\n{} {}: {}",
            label("cause"),
            report.outcome.word(),
            report.outcome.cause()
        );
        for (name, lines) in [
            ("output", &report.output_tail),
            ("console", &report.console_tail),
        ] {
            let limit = if self.verbose {
                lines.len()
            } else {
                TAIL_LINES
            };
            let from = lines.len().saturating_sub(limit);
            for (index, line) in lines[from..].iter().enumerate() {
                let head = if index == 0 {
                    label(name)
                } else {
                    " ".repeat(12)
                };
                let _ = write!(text, "\n{head} | {line}");
            }
        }
        notes(&mut text);
        if let Some(reason) = &report.unstable {
            let _ = write!(text, "\n{} {reason}", label("unstable"));
        }
        if let Some(dir) = &report.log_dir {
            let _ = write!(text, "\n{} {dir}", label("logs"));
        }
        let again = self.style.paint(Color::Cyan, &report.reproduce);
        let _ = write!(text, "\n{} {again}", label("again"));
        text
    }

    /// The counts, with the failures named again.
    fn summary(&self, report: &RunReport) -> String {
        let mut text = String::new();
        let failed: Vec<&TestReport> = report.tests.iter().filter(|test| test.is_fatal()).collect();
        let counts: Vec<String> = report
            .counts()
            .iter()
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        let good = failed.is_empty() && report.interrupted.is_none() && !report.tests.is_empty();
        let color = if good { Color::Green } else { Color::Red };
        let time = quantity::time(Duration::from_millis(report.duration_ms));
        let total = plural(report.tests.len(), "test");
        let counts = if counts.is_empty() {
            "none selected".to_owned()
        } else {
            counts.join(", ")
        };
        text.push_str(&self.heading(color, "Summary", &format!("[{time:>7}] {total}: {counts}")));
        if failed.len() > 1 {
            for test in failed {
                let word = test.outcome.word();
                let round = match test.round {
                    0 => String::new(),
                    round => format!(", round {round}"),
                };
                let _ = write!(text, "\n{:>12} {} ({word}{round})", "", test.name);
            }
        }
        text
    }
}

impl Drop for TestProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

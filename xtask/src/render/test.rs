//! Renders a run of tests: one line per test; for failures the cause, the end of the console, the
//! path of the logs and the command that repeats the test; and a summary.

use std::collections::BTreeSet;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use verdict::event::{RunEvent, RunReport, TestReport};
use verdict::origin::Platform;
use verdict::outcome::Outcome;

use crate::output::{self, Color, Style};

mod result;
mod summary;

/// Shows a run until it is dropped.
pub(crate) struct TestProgress {
    style: Style,
    quiet: bool,
    verbose: bool,
    bar: ProgressBar,
    running: BTreeSet<String>,
}

/// Renders a finished run. Tests that did not run are only counted.
pub(crate) fn finished_run(style: Style, verbose: bool, run: &RunReport) -> String {
    let was_run = |test: &&TestReport| !matches!(test.outcome, Outcome::NotRun { .. });
    let tests = run.tests.iter().filter(was_run);
    let mut blocks: Vec<String> = tests
        .map(|test| result::lines(style, verbose, test))
        .collect();
    blocks.push(summary::lines(style, run));
    blocks.join("\n") + "\n"
}

impl TestProgress {
    /// Creates an empty display.
    pub(crate) fn new(style: Style, quiet: bool, verbose: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), target(style, quiet));
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
            RunEvent::RunStarted {
                seed,
                total,
                platforms,
                ..
            } => {
                self.bar.set_length(*total as u64);
                self.bar.enable_steady_tick(Duration::from_millis(200));
                let tests = plural(*total, "test");
                self.print_line(&heading(
                    self.style,
                    Color::Green,
                    "Running",
                    &format!("{tests}, seed {seed}"),
                ));
                for one in platforms {
                    self.print_line(&heading(self.style, Color::Cyan, "QEMU", &platform(one)));
                }
            }
            RunEvent::Note { text } => {
                self.print_line(&heading(self.style, Color::Cyan, "Note", text));
            }
            RunEvent::TestStarted { name } => {
                self.running.insert(name.clone());
                self.show_running();
            }
            RunEvent::TestOutput { bytes, .. } => {
                let text = verdict::text::plain(bytes);
                self.bar.suspend(|| output::raw(text.as_bytes()));
            }
            RunEvent::ShellOpened {
                name,
                cause,
                output,
            } => {
                // The guest uses the terminal now, and a bar would overwrite the shell.
                let erased = if self.bar.is_hidden() { "" } else { ERASE_LINE };
                self.bar.set_draw_target(ProgressDrawTarget::hidden());
                let title = heading(self.style, Color::Red, "FAIL", name);
                output::note(format!("{erased}{title}"));
                output::note(heading(self.style, Color::Bold, "cause", cause));
                let from = output.len().saturating_sub(SHELL_LINES);
                for line in &output[from..] {
                    let line = format!("| {line}");
                    output::note(heading(self.style, Color::Bold, "output", &line));
                }
                let text = "opened in the guest; `exit` ends it, Ctrl-] ends the run";
                output::note(heading(self.style, Color::Cyan, "Shell", text));
            }
            RunEvent::ShellOutput { bytes } => output::raw(bytes),
            RunEvent::TestFinished(report) => {
                // A new target would not erase the bar that the old one has drawn.
                if self.bar.is_hidden() {
                    self.bar.set_draw_target(target(self.style, self.quiet));
                }
                self.running.remove(&report.name);
                self.bar.inc(1);
                self.show_running();
                let shown = !self.quiet || !report.outcome.is_success();
                if shown {
                    let lines = result::lines(self.style, self.verbose, report);
                    self.bar.suspend(|| output::result(lines));
                }
            }
            RunEvent::RunFinished(report) => {
                self.bar.finish_and_clear();
                output::result(summary::lines(self.style, report));
                if let Some(number) = report.run_dir.file_name() {
                    let text = format!("{number}, logs in {}", report.run_dir);
                    self.print_line(&heading(self.style, Color::Cyan, "Run", &text));
                }
            }
        }
    }

    fn show_running(&self) {
        let names: Vec<&str> = self.running.iter().map(String::as_str).collect();
        self.bar.set_message(names.join(", "));
    }

    fn print_line(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| output::note(line));
        }
    }
}

/// The output of the progress bar.
fn target(style: Style, quiet: bool) -> ProgressDrawTarget {
    if style.interactive && !quiet {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    }
}

impl Drop for TestProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Returns to the first column and erases the line (ECMA-48 EL), because a hidden bar stays on the
/// terminal.
const ERASE_LINE: &str = "\r\x1b[2K";
/// Every line begins with a word or a label that ends in this column.
const WIDTH: usize = 12;
/// Maximum width of a line before it is wrapped.
const COLUMNS: usize = 80;
/// Number of lines of output above a shell.
const SHELL_LINES: usize = 10;

pub(super) fn heading(style: Style, color: Color, word: &str, text: &str) -> String {
    format!("{} {text}", style.paint(color, &format!("{word:>WIDTH$}")))
}

/// The platform of an architecture's tests, with the path of QEMU so that the user can check it.
pub(crate) fn platform(on: &Platform) -> String {
    let mut line = format!("{}: {} {}", on.arch, on.binary, on.qemu);
    if !on.accel.is_empty() {
        line = format!("{line}, {}", on.accel);
    }
    match &on.kernel {
        Some(kernel) => format!("{line}, kernel {kernel}"),
        None => line,
    }
}

pub(super) fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

#[cfg(test)]
mod tests;

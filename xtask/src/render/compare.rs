//! Renders a comparison of two QEMUs: one line per test with its changes, and a summary.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use verdict::comparison::{CompareEvent, Comparison, Pair, Verdict};
use verdict::event::TestReport;
use verdict::origin::Platform;
use verdict::outcome::Outcome;

use super::quantity;
use super::test::{heading, platform, plural};
use crate::output::{self, Color, Style};

/// Maximum number of lines of a diff.
const DIFF_LINES: usize = 40;

/// Shows a comparison until it is dropped.
pub(crate) struct CompareProgress {
    style: Style,
    quiet: bool,
    /// The names of the sides.
    sides: [&'static str; 2],
    bar: ProgressBar,
}

const OLD_AND_NEW: [&str; 2] = ["old", "new"];
const COLD_AND_WARM: [&str; 2] = ["cold", "warm"];

impl CompareProgress {
    /// Creates an empty display.
    pub(crate) fn new(style: Style, quiet: bool) -> Self {
        let target = if style.interactive && !quiet {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(template) = ProgressStyle::with_template("{elapsed:>12} [{bar:20}] {pos}/{len}") {
            bar.set_style(template);
        }
        Self {
            style,
            quiet,
            sides: OLD_AND_NEW,
            bar,
        }
    }

    /// Shows one event.
    pub(crate) fn show(&mut self, event: &CompareEvent) {
        match event {
            CompareEvent::Started {
                seed,
                total,
                by_start,
                old,
                new,
                platforms,
                ..
            } => {
                if *by_start {
                    self.sides = COLD_AND_WARM;
                }
                self.bar.set_length(*total as u64);
                self.bar.enable_steady_tick(Duration::from_millis(200));
                if !self.quiet {
                    let what = if *by_start {
                        format!("cold with warm starts, QEMU {}", versions(new))
                    } else {
                        subject(old, new, platforms)
                    };
                    let what = format!("{what}: {}, seed {seed}", plural(*total, "test"));
                    output::note(heading(self.style, Color::Green, "Comparing", &what));
                    let headings: &[&str] = if *by_start {
                        &["QEMU"]
                    } else {
                        &["Old", "New"]
                    };
                    for (side, all) in headings.iter().zip(platforms) {
                        for one in all {
                            let text = platform(one);
                            output::note(heading(self.style, Color::Cyan, side, &text));
                        }
                    }
                }
            }
            CompareEvent::Paired(pair) => {
                self.bar.inc(1);
                if !self.quiet || pair.verdict() != Verdict::Same {
                    let lines = lines(self.style, self.sides, pair);
                    self.bar.suspend(|| output::result(lines));
                }
            }
            CompareEvent::Finished(comparison) => {
                self.bar.finish_and_clear();
                output::result(summary(self.style, comparison));
            }
        }
    }
}

impl Drop for CompareProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The compared items: the kernels if given, else the QEMUs.
fn subject(
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
    platforms: &[Vec<Platform>; 2],
) -> String {
    let kernel = |side: &Vec<Platform>| side.first()?.kernel.clone();
    match platforms.each_ref().map(kernel) {
        [Some(old), Some(new)] if old != new => format!("kernel {old} with {new}"),
        _ => format!("QEMU {} with {}", versions(old), versions(new)),
    }
}

/// One version, or one per architecture if they differ.
fn versions(all: &BTreeMap<String, String>) -> String {
    let mut values: Vec<&str> = all.values().map(String::as_str).collect();
    values.dedup();
    if let [one] = &values[..] {
        return (*one).to_owned();
    }
    let each = all.iter();
    let each = each.map(|(arch, version)| format!("{arch} {version}"));
    each.collect::<Vec<_>>().join(", ")
}

fn color(verdict: Verdict) -> Color {
    match verdict {
        Verdict::Same => Color::Dim,
        Verdict::Changed => Color::Yellow,
        Verdict::Better => Color::Green,
        Verdict::Worse => Color::Red,
    }
}

/// The lines of a test, without the last newline.
pub(crate) fn lines(style: Style, sides: [&str; 2], pair: &Pair) -> String {
    let verdict = pair.verdict();
    let (old, new) = (&pair.old, &pair.new);
    let round = match new.setup.round {
        0 => String::new(),
        round => format!(", round {round}"),
    };
    let (was, is) = (old.outcome.label(), new.outcome.label());
    let ends = if was == is {
        format!("{is} with both")
    } else {
        format!("{was}, now {is}")
    };
    let head = format!("{} ({ends}{round})", new.name);
    let mut text = heading(
        style,
        color(verdict),
        &verdict.label().to_uppercase(),
        &head,
    );
    if verdict == Verdict::Same {
        return text;
    }
    let mut add = |label: &str, what: &str| {
        let _ = write!(text, "\n{}", heading(style, Color::Bold, label, what));
    };
    for (label, report) in sides.into_iter().zip([old, new]) {
        if let Some(said) = cause_and_choices(report, pair.chooses_otherwise()) {
            add(label, &said);
        }
    }
    for (index, it) in pair.subtests().iter().enumerate() {
        let label = if index == 0 { "subtests" } else { "" };
        add(label, &format!("| {}: {}, now {}", it.name, it.old, it.new));
    }
    if old.evidence.diff != new.evidence.diff {
        let more = new.evidence.diff.len().saturating_sub(DIFF_LINES);
        let more = (more > 0).then(|| format!("… {more} more lines"));
        let shown = new
            .evidence
            .diff
            .iter()
            .take(DIFF_LINES)
            .chain(more.as_ref());
        for (index, line) in shown.enumerate() {
            let label = if index == 0 { "diff" } else { "" };
            add(label, &format!("| {line}"));
        }
    }
    if let Some(dir) = &new.evidence.log_dir {
        add("logs", dir.as_str());
    }
    add("repeat", &style.paint(Color::Cyan, &new.reproduce));
    text
}

/// The cause of the outcome, and the choices if they differ.
fn cause_and_choices(report: &TestReport, choices: bool) -> Option<String> {
    let chosen: Vec<String> = report
        .setup
        .choices
        .iter()
        .map(ToString::to_string)
        .collect();
    let chosen = (choices && !chosen.is_empty()).then(|| format!("({})", chosen.join(" ")));
    let cause = (report.outcome != Outcome::Passed).then(|| report.outcome.cause());
    let parts: Vec<String> = cause.into_iter().chain(chosen).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// The lines of the summary, without the last newline.
pub(crate) fn summary(style: Style, comparison: &Comparison) -> String {
    let verdicts = comparison.verdicts();
    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
    for verdict in verdicts.values() {
        *counts.entry(*verdict).or_default() += 1;
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(verdict, count)| format!("{count} {}", verdict.label()))
        .collect();
    let good = comparison.exit_code() == 0;
    let time = quantity::time(Duration::from_millis(comparison.duration_ms));
    let all = plural(verdicts.len(), "test");
    let head = format!("[{time:>7}] {all}: {}", counts.join(", "));
    let painted = if good { Color::Green } else { Color::Red };
    let mut text = heading(style, painted, "Summary", &head);
    let mut add = |color, label: &str, what: &str| {
        let _ = write!(text, "\n{}", heading(style, color, label, what));
    };
    for wanted in [Verdict::Worse, Verdict::Better, Verdict::Changed] {
        for (name, _) in verdicts.iter().filter(|(_, verdict)| **verdict == wanted) {
            add(color(wanted), wanted.label(), name);
        }
    }
    for timing in comparison.timings() {
        let (label, color) = if timing.new_ms > timing.old_ms {
            ("slower", Color::Yellow)
        } else {
            ("faster", Color::Green)
        };
        let time = |ms| quantity::time(Duration::from_millis(ms));
        let (old, new) = (time(timing.old_ms), time(timing.new_ms));
        let what = format!(
            "{}: {old}, now {new} (medians of {})",
            timing.name, timing.rounds
        );
        add(color, label, &what);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style {
        color: false,
        interactive: false,
    };

    fn report(outcome: Outcome, time: u64) -> TestReport {
        let value = serde_json::json!({
            "name": "arch::net::nic", "arch": "arch", "area": "net", "test": "nic",
            "description": "", "outcome": "passed", "duration_ms": time, "boot_ms": 0,
            "qemu_ms": 0, "choices": [], "accel": "tcg", "qemu": "10.0.0", "log_dir": "runs/1",
            "reproduce": "cargo xtask test --exact arch::net::nic", "console_tail": [],
            "output_tail": [], "notes": [], "machine": "m", "seed": 7, "round": 0,
            "failed_tries": [], "unstable": null, "slow": false, "devices": [], "subtests": [],
            "diff": [],
        });
        TestReport {
            outcome,
            ..serde_json::from_value(value).unwrap()
        }
    }

    #[test]
    fn regression_shows_both_outcomes_and_command() {
        let mut pair = Pair {
            old: report(Outcome::Passed, 1),
            new: report(
                Outcome::QemuCrashed {
                    signal: 11,
                    message: None,
                },
                1,
            ),
        };
        pair.new.evidence.diff = vec!["-link is up".to_owned()];
        insta::assert_snapshot!(lines(PLAIN, OLD_AND_NEW, &pair));
    }

    #[test]
    fn summary_names_changes_and_times_beyond_noise() {
        let mut pairs: Vec<Pair> = (0..5)
            .map(|_| Pair {
                old: report(Outcome::Passed, 1000),
                new: report(Outcome::Passed, 1500),
            })
            .collect();
        let mut worse = pairs[0].clone();
        worse.new.name = "arch::net::vlan".to_owned();
        let cause = "no link".to_owned();
        worse.new.outcome = Outcome::Failed { cause };
        pairs.push(worse);
        let comparison = Comparison {
            pairs,
            run_dir: "runs/1".into(),
            duration_ms: 12_345,
            interrupted: None,
        };
        insta::assert_snapshot!(summary(PLAIN, &comparison));
    }
}

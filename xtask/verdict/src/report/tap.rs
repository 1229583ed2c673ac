//! A run in the Test Anything Protocol, version 14: nested subtests, diagnostics in YAML, skips
//! with reasons, and `TODO` on failures of tests marked unstable.

use std::fmt::Write as _;

use crate::event::{RunReport, Subtest, TestReport};
use crate::outcome::Outcome;
use crate::text;

/// The version of TAP. Readers of version 13 skip the lines of subtests as unknown. The rest is the
/// same in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// For Perl's `TAP::Harness`.
    V13,
    /// The newest version.
    V14,
}

/// Renders a finished run.
#[must_use]
pub fn render(run: &RunReport, version: Version) -> String {
    let version = match version {
        Version::V13 => 13,
        Version::V14 => 14,
    };
    let mut tap = format!("TAP version {version}\n1..{}\n", run.tests.len());
    let _ = writeln!(tap, "# seed {}", run.seed);
    for platform in &run.platforms {
        let line = format!("{}: {platform}", platform.arch);
        let _ = writeln!(tap, "# {}", text::line(line.as_bytes()));
    }
    for (index, test) in run.tests.iter().enumerate() {
        subtests(&mut tap, test);
        point(&mut tap, index + 1, test);
    }
    if let Some(signal) = run.interrupted {
        let _ = writeln!(tap, "Bail out! interrupted by signal {signal}");
    }
    tap
}

fn point(tap: &mut String, number: usize, test: &TestReport) {
    let ok = if test.outcome.is_success() {
        "ok"
    } else {
        "not ok"
    };
    let directive = match (&test.outcome, &test.unstable) {
        (Outcome::Skipped { reason }, _) => format!(" # SKIP {}", escaped(reason)),
        (Outcome::Passed, _) | (_, None) => String::new(),
        (_, Some(reason)) => format!(" # TODO {}", escaped(reason)),
    };
    let name = escaped(&test.name);
    let _ = writeln!(tap, "{ok} {number} - {name}{directive}");
    let mut fields = Vec::new();
    let mut field = |key: &str, value: String| fields.push(format!("{key}: {value}"));
    if test.outcome != Outcome::Passed {
        field("outcome", quoted(test.outcome.label()));
        field("message", quoted(&test.outcome.cause()));
    }
    if let Some(kind) = test.kind {
        field("kind", kind.label().to_owned());
    }
    field("duration_ms", test.times.duration_ms.to_string());
    if !test.setup.choices.is_empty() {
        let choices: Vec<String> = test.setup.choices.iter().map(ToString::to_string).collect();
        field("choices", quoted(&choices.join(" ")));
        field("seed", test.setup.seed.to_string());
    }
    if test.setup.round > 0 {
        field("round", test.setup.round.to_string());
    }
    if !test.failed_tries.is_empty() {
        let causes = test
            .failed_tries
            .iter()
            .map(|failed| failed.outcome.cause());
        field("failed_tries", block(&causes.collect::<Vec<_>>()));
    }
    if !test.outcome.is_success() {
        field("reproduce", quoted(&test.reproduce));
        if let Some(dir) = &test.evidence.log_dir {
            field("logs", quoted(dir.as_str()));
        }
        for (key, lines) in [
            ("notes", &test.evidence.notes),
            ("diff", &test.evidence.diff),
            ("output", &test.evidence.output_tail),
            ("console", &test.evidence.console_tail),
        ] {
            if !lines.is_empty() {
                field(key, block(lines));
            }
        }
    }
    let _ = writeln!(tap, "  ---\n  {}\n  ...", fields.join("\n  "));
}

fn subtests(tap: &mut String, test: &TestReport) {
    if test.evidence.subtests.is_empty() {
        return;
    }
    let _ = writeln!(tap, "# Subtest: {}", escaped(&test.name));
    for (index, subtest) in test.evidence.subtests.iter().enumerate() {
        let Subtest { name, outcome } = subtest;
        let ok = if outcome.is_success() { "ok" } else { "not ok" };
        let directive = match outcome {
            Outcome::Skipped { reason } => format!(" # SKIP {}", escaped(reason)),
            _ => String::new(),
        };
        let number = index + 1;
        let _ = writeln!(tap, "    {ok} {number} - {}{directive}", escaped(name));
    }
    let _ = writeln!(tap, "    1..{}", test.evidence.subtests.len());
}

/// Escapes a text into one line without a directive.
fn escaped(text: &str) -> String {
    let line = text::line(text.as_bytes());
    line.trim().replace('\\', "\\\\").replace('#', "\\#")
}

/// Formats lines as a YAML block scalar, which all readers know.
fn block<T: AsRef<str>>(lines: &[T]) -> String {
    let lines: Vec<String> = lines
        .iter()
        .map(|line| text::line(line.as_ref().as_bytes()))
        .collect();
    // A first line that is empty or begins with a blank would hide the indentation of the block.
    let hides = |line: &String| line.is_empty() || line.starts_with(' ');
    let depth = if lines.first().is_some_and(hides) {
        "2"
    } else {
        ""
    };
    let mut block = format!("|{depth}");
    for line in lines {
        let _ = write!(block, "\n    {line}");
    }
    block
}

/// A scalar in double quotes with the syntax that YAML and JSON share.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            // Some readers of YAML end a line at these separators.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
#[path = "tap_tests.rs"]
mod tests;

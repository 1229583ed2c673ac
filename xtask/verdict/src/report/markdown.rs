//! A run as a short summary in Markdown for GitHub's job summaries and for issues: the number of
//! tests per label, and the details of each failure that help to continue.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use plan::duration;

use crate::event::{RunReport, TestReport};
use crate::kind::TestKind;
use crate::report::labels::{Kind, arches, excerpt, is_notable, kind, verdict};

/// The size in bytes after which no more failures are printed. GitHub refuses more than a megabyte.
const ROOM: usize = 256 << 10;
/// Maximum number of lines of a console or a diff.
const LINES: usize = 15;

/// Renders a finished run.
#[must_use]
pub fn render(run: &RunReport) -> String {
    let mut text = format!("## {}\n\n", verdict(run));
    table(&mut text, run);
    let time = duration::show(Duration::from_millis(run.duration_ms));
    let _ = writeln!(text, "\n- {time}, seed {}", run.seed);
    for platform in &run.platforms {
        let binary = escaped(platform.binary.as_str());
        let (qemu, arch) = (escaped(&platform.qemu), escaped(&platform.arch));
        let _ = write!(text, "- {arch}: QEMU {qemu} ({binary})");
        if !platform.accel.is_empty() {
            let _ = write!(text, ", {}", escaped(&platform.accel));
        }
        text.push('\n');
    }
    let mut notable: Vec<&TestReport> = run.tests.iter().filter(|test| is_notable(test)).collect();
    notable.sort_by_key(|test| kind(test));
    for (index, test) in notable.iter().enumerate() {
        if text.len() > ROOM {
            let _ = writeln!(text, "\nAnd {} more.", notable.len() - index);
            break;
        }
        failure(&mut text, test);
    }
    text
}

/// The table of labels, with a column per architecture.
fn table(text: &mut String, run: &RunReport) {
    let arches = arches(run);
    let mut rows: BTreeMap<(Kind, &str), BTreeMap<&str, usize>> = BTreeMap::new();
    for test in &run.tests {
        let row = rows.entry((kind(test), test.label())).or_default();
        *row.entry(&test.arch).or_default() += 1;
    }
    let heads: Vec<String> = arches.iter().map(|arch| escaped(arch)).collect();
    let _ = writeln!(text, "| | {} |", heads.join(" | "));
    let _ = writeln!(text, "|---|{}", "---:|".repeat(arches.len()));
    for ((_, word), row) in rows {
        let cell = |arch: &&str| row.get(arch).map_or_else(String::new, usize::to_string);
        let cells: Vec<String> = arches.iter().map(cell).collect();
        let _ = writeln!(text, "| {word} | {} |", cells.join(" | "));
    }
}

/// A folded section with the cause in its title.
fn failure(out: &mut String, test: &TestReport) {
    let cause = if test.outcome.is_success() {
        format!("failed tries: {}", test.failed_tries.len())
    } else {
        test.outcome.cause()
    };
    let (word, name) = (test.label(), escaped(&test.name));
    let cause = escaped(&cause);
    let _ = writeln!(
        out,
        "\n<details><summary><b>{word}</b> {name}: {cause}</summary>\n"
    );
    let mut lines = vec![test.reproduce.as_str()];
    let choices: Vec<String> = test.setup.choices.iter().map(ToString::to_string).collect();
    let kind = test.kind.map_or("", TestKind::label);
    let circumstances = [kind, &test.setup.machine, &choices.join(" "), "seed"];
    let circumstances = circumstances.map(str::trim).into_iter();
    let circumstances: Vec<&str> = circumstances.filter(|part| !part.is_empty()).collect();
    let circumstances = format!("{} {}", circumstances.join(" "), test.setup.seed);
    lines.push(&circumstances);
    lines.extend(test.unstable.as_deref());
    let tail = |lines: &[String]| lines.len().saturating_sub(LINES);
    lines.extend(test.evidence.diff.iter().take(LINES).map(String::as_str));
    if test.evidence.diff.is_empty() {
        let output = &test.evidence.output_tail;
        lines.extend(output[tail(output)..].iter().map(String::as_str));
    }
    let console = &test.evidence.console_tail;
    lines.extend(excerpt(console, LINES).iter().map(String::as_str));
    let _ = writeln!(
        out,
        "<pre>\n{}\n</pre>\n</details>",
        verbatim(&lines.join("\n"))
    );
}

/// Escapes text into one line without any markup: every character with a meaning in Markdown
/// becomes a character reference.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in crate::text::line(text.as_bytes()).chars() {
        if c.is_ascii_punctuation() && !matches!(c, ',' | '.' | '-' | '/' | '\'' | '%') {
            let _ = write!(escaped, "&#{};", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Escapes text for `<pre>`, in which Markdown recognises only the end of the element.
fn verbatim(text: &str) -> String {
    let text = crate::text::plain(text.as_bytes()).replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::event::tests::{run_report, test_report};
    use crate::outcome::Outcome;
    use crate::report::samples;

    #[test]
    fn run_summary_is_short() {
        assert_snapshot!(render(&samples::run()));
    }

    #[test]
    fn failed_run_stays_within_limits() {
        let crashed = || {
            let mut test = test_report(
                "x::a::b",
                Outcome::QemuCrashed {
                    signal: 6,
                    message: None,
                },
            );
            test.evidence.console_tail = vec!["<".repeat(400); 20];
            test.evidence.output_tail = test.evidence.console_tail.clone();
            test
        };
        let run = run_report(std::iter::repeat_with(crashed).take(500).collect());
        let account = render(&run);
        assert!(account.len() < 1 << 20, "{} bytes", account.len());
        assert!(account.ends_with(" more.\n"));
    }

    proptest! {
        #[test]
        fn guest_output_cannot_escape_its_element(printed in "\\PC*|[\\x00-\\x7f]*|</pre>.*|\n# .*|\\|.*") {
            let mut test = test_report("x::a::b", Outcome::Failed { cause: printed.clone() });
            test.evidence.console_tail = vec![printed];
            let text = render(&run_report(vec![test]));
            prop_assert_eq!(text.matches('<').count(), 8);
            prop_assert_eq!(text.lines().filter(|line| line.starts_with("<details>")).count(), 1);
            let (_, rest) = text.split_once("<pre>\n").unwrap();
            prop_assert!(rest.ends_with("</pre>\n</details>\n"));
            let (_, summary) = text.split_once("x&#58;&#58;a&#58;&#58;b: ").unwrap();
            let (cause, _) = summary.split_once("</").unwrap();
            let means = |c: char| "*_`|[]<>#!~@:$\\".contains(c);
            prop_assert!(!cause.replace("&#", "").contains(means), "{}", cause);
        }
    }
}

//! What a report says about a failure in addition to its outcome: where the script ended, the names in a
//! kernel's backtrace, and what to do about it.

use camino::Utf8Path;
use plan::arch::Machine;
use verdict::event::TestReport;
use verdict::outcome::{Outcome, Phase};
use verdict::text::short_line;

use super::Case;
use crate::symbols::Symbols;
use verdict::report::labels::is_fault;

/// Characters of a command that are shown.
const COMMAND: usize = 160;

impl Case<'_> {
    /// `failed_at "LINE [WORD]…"`, which the libraries call when a script ends early: file, line and
    /// command. The first call of a test counts for its report.
    pub(super) fn failed_at(&self, args: &[String]) -> Option<String> {
        let said = args.join(" ");
        let (line, words) = said.split_once(' ').unwrap_or((&said, ""));
        let number: u32 = line.parse().ok()?;
        let file = self.setting.test.test.shown_path();
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let source = self.script.lines().nth(index)?;
        self.state().failed_line.get_or_insert(number);
        Some(format!("{file}:{number}: {}", command(source, words)))
    }
}

/// A command as it is in the script, and as it was after expansion where that differs.
fn command(source: &str, words: &str) -> String {
    let short = |text: &str| {
        let mut text = short_line(text.trim().as_bytes());
        if let Some((cut, _)) = text.char_indices().nth(COMMAND) {
            text.truncate(cut);
            text.push('…');
        }
        text
    };
    let unquoted = |text: &str| text.replace(['"', '\''], "");
    let (source, words) = (short(source), short(words));
    if words.is_empty() || source.contains(&words) || unquoted(&source).contains(&words) {
        format!("`{source}`")
    } else {
        format!("`{source}`, expanded to `{words}`")
    }
}

/// Completes the report of a test that failed.
pub(super) fn complete(report: &mut TestReport, machine: &Machine, kernel: Option<&Utf8Path>) {
    if report.outcome.is_success() {
        return;
    }
    let advice = advice(report, machine);
    report.notes.extend(advice);
    drop_repetition(&report.outcome, &mut report.output_tail);
    if let Some(kernel) = kernel.filter(|_| is_fault(&report.console_tail)) {
        match Symbols::next_to(kernel) {
            Ok(symbols) => {
                for line in &mut report.console_tail {
                    *line = symbols.resolve(line);
                }
            }
            Err(error) => report.notes.push(error.to_string()),
        }
    }
}

/// What a reader who has only the report can try.
fn advice(report: &TestReport, machine: &Machine) -> Vec<String> {
    let mut advice = Vec::new();
    if let Outcome::TimedOut {
        phase: Phase::Boot, ..
    } = report.outcome
    {
        advice.push("on a slow host, `--timeout-factor 4` raises all limits".to_owned());
    }
    let known = |device: &String| machine.advice.get(device).cloned();
    advice.extend(report.devices.iter().filter_map(known));
    advice
}

/// The cause is not shown a second time as the end of the output.
fn drop_repetition(outcome: &Outcome, output: &mut Vec<String>) {
    let cause = outcome.cause();
    let repeats = |line: &String| {
        let line = line.trim();
        // What the helper command `qemu` prints: its outcome and the cause.
        let line = line
            .strip_prefix("qemu: ")
            .and_then(|rest| rest.strip_prefix(outcome.label()))
            .map_or(line, |rest| rest.trim_start_matches(": "));
        !line.is_empty() && (cause == line || cause.ends_with(&format!(", last line: {line}")))
    };
    while output.last().is_some_and(repeats) {
        output.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_is_shown_with_differing_expansion() {
        let check = |source: &str, words: &str, expect: &str| {
            assert_eq!(command(source, words), expect);
        };
        let expanded = "`test \"$x\" = 6`, expanded to `test 5 = 6`";
        check("    test \"$x\" = 6", "test 5 = 6", expanded);
        check("    test 1 = 2", "test 1 = 2", "`test 1 = 2`");
        check("grep -q 'a b' f", "grep -q a b f", "`grep -q 'a b' f`");
        check("cat x | grep y", "", "`cat x | grep y`");
        check("a\u{1b}[31m", "b\u{7}", "`a`, expanded to `b`");
        let long = "x".repeat(COMMAND + 1);
        check(&long, "", &format!("`{}…`", "x".repeat(COMMAND)));
    }

    #[test]
    fn notes_advise_on_slow_hosts_and_devices() {
        let machine = Machine {
            advice: [("pxb".to_owned(), "boot with `-machine b`".to_owned())].into(),
            ..machine()
        };
        let check = |outcome: Outcome, devices: &[&str], expect: &[&str]| {
            let mut report = TestReport::new("x86_64", "a", "b");
            report.outcome = outcome;
            report.devices = devices.iter().map(|&device| device.to_owned()).collect();
            complete(&mut report, &machine, Some(Utf8Path::new("/nonexistent")));
            assert_eq!(report.notes, expect);
        };
        let timed_out = |phase| Outcome::TimedOut {
            phase,
            limit_ms: 1000,
        };
        let factor = "on a slow host, `--timeout-factor 4` raises all limits";
        check(timed_out(Phase::Boot), &[], &[factor]);
        check(timed_out(Phase::Test), &["nvme"], &[]);
        check(
            timed_out(Phase::Boot),
            &["pxb"],
            &[factor, "boot with `-machine b`"],
        );
        let failed = || Outcome::Failed {
            cause: "exit status 1".to_owned(),
        };
        check(failed(), &["nvme", "pxb"], &["boot with `-machine b`"]);
        check(Outcome::Passed, &["pxb"], &[]);
    }

    fn machine() -> Machine {
        Machine {
            name: "a".to_owned(),
            options: Vec::new(),
            tcg_options: Vec::new(),
            cpu: None,
            kvm_cpu: None,
            append: String::new(),
            args: Vec::new(),
            control: String::new(),
            virtio: "pci".to_owned(),
            boot_timeout: None,
            hotplug: None,
            connectors: None,
            advice: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn end_of_output_does_not_repeat_cause() {
        let check = |cause: &str, output: &[&str], expect: &[&str]| {
            let outcome = Outcome::Failed {
                cause: cause.to_owned(),
            };
            let mut lines: Vec<String> = output.iter().map(|&line| line.to_owned()).collect();
            drop_repetition(&outcome, &mut lines);
            assert_eq!(lines, expect, "{cause}");
        };
        let cause = "exit status 1, last line: no disk";
        check(cause, &["one", "no disk"], &["one"]);
        check(
            cause,
            &["one", "no disk", &format!("qemu: failed: {cause}")],
            &["one"],
        );
        check(cause, &["no disk", "later"], &["no disk", "later"]);
        check("wrong size", &["wrong size"], &[]);
        check("wrong size", &["a wrong size"], &["a wrong size"]);
        check("x", &[], &[]);
    }
}

//! Judges a test by QEMU's exit status, its messages, and the guest's output.
//!
//! The rules are those of `scripts/vmm.bash`, `arch-run.bash` and `runtime.bash` of kvm-unit-tests.

use std::collections::BTreeMap;

use qemu::vm::Exit;
use verdict::event::Subtest;
use verdict::outcome::{Outcome, STATUS_SKIP};
use verdict::text;

use crate::harness::Status;

/// How QEMU ended.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// Its exit status.
    pub exit: Exit,
    /// Its stderr.
    pub messages: &'a str,
    /// The guest's output.
    pub console: &'a str,
}

/// The exit status of `abort()`.
const ABORTED: i32 = 127;

/// The outcome of a test that ended by itself.
#[must_use]
pub fn outcome(rule: Status, end: End<'_>) -> Outcome {
    let failed = |cause: String| Outcome::Failed { cause };
    let last_message = || text::last_line(end.messages.as_bytes());
    let status = match status(rule, end) {
        Ok(status) => status,
        Err(signal) => {
            return Outcome::QemuCrashed {
                signal,
                message: last_message(),
            };
        }
    };
    let summary = summary(end.console);
    match status {
        0 => Outcome::Passed,
        STATUS_SKIP => Outcome::Skipped {
            reason: summary.unwrap_or_else(|| "the test skipped itself".to_owned()),
        },
        ABORTED => failed("the test called abort()".to_owned()),
        1 if end.exit == Exit::Code(0) => Outcome::LostGuest {
            how: "QEMU ended with status 0: the guest reported no status".to_owned(),
        },
        1 if end.exit == Exit::Code(1) => {
            failed(format!("QEMU: {}", last_message().unwrap_or_default()))
        }
        status => failed(summary.unwrap_or_else(|| format!("exit status {status}"))),
    }
}

/// The status as `run_tests.sh` sees it, or the signal that ended QEMU.
fn status(rule: Status, end: End<'_>) -> Result<i32, i32> {
    let code = match end.exit {
        Exit::Signal(signal) => return Err(signal),
        // After some signals QEMU exits with status 0.
        Exit::Code(0) => match ending_signal(end.messages) {
            Some(signal) => return Err(signal),
            None => 1,
        },
        Exit::Code(1) => i32::from(has_error(end.messages)),
        Exit::Code(code) => code,
    };
    Ok(match (rule, printed(end.console)) {
        (Status::Printed, Some(status)) if code == 1 => {
            if status == 1 {
                0
            } else {
                status
            }
        }
        _ => code,
    })
}

/// Parses `terminating on signal 15 from …`.
fn ending_signal(messages: &str) -> Option<i32> {
    let (_, rest) = messages.split_once("terminating on signal ")?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Whether a line of the messages is more than a warning.
fn has_error(messages: &str) -> bool {
    let mut lines = messages.lines().filter(|line| !line.is_empty());
    lines.any(|line| !line.to_lowercase().contains("warning"))
}

/// The status in the first line `EXIT: STATUS=…`.
fn printed(console: &str) -> Option<i32> {
    let line = console.lines().find(|line| line.starts_with("EXIT: "))?;
    let (_, rest) = line.split_once("STATUS=")?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The last `SUMMARY:` among the last five lines.
#[must_use]
pub fn summary(console: &str) -> Option<String> {
    let lines: Vec<&str> = console.lines().collect();
    let last = &lines[lines.len().saturating_sub(5)..];
    let found = last
        .iter()
        .rev()
        .find_map(|line| line.strip_prefix("SUMMARY: "));
    found.map(|line| text::short_line(line.as_bytes()))
}

/// Why the dry run of a test, with a kernel that does not exist, failed before loading the kernel.
/// `None` if it reached the kernel. The last line decides.
#[must_use]
pub fn premature_failure(log: &str, kernel: &str) -> Option<String> {
    let got_there = |line: &str| {
        let line = line.to_lowercase();
        let refusals = [
            "could not load kernel",
            "could not open kernel",
            "error loading",
            "failed to load",
        ];
        line.contains(&kernel.to_lowercase()) && refusals.iter().any(|text| line.contains(text))
    };
    if log.lines().any(got_there) {
        return None;
    }
    let last = text::last_line(log.as_bytes());
    Some(last.unwrap_or_else(|| "QEMU did not try to load the kernel".to_owned()))
}

/// The results that a test reported line by line. Equal names get numbers.
#[must_use]
pub fn subtests(console: &str) -> Vec<Subtest> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let results = console.lines().filter_map(result);
    results
        .map(|(name, outcome)| {
            let count = seen.entry(name.clone()).or_default();
            *count += 1;
            let name = match *count {
                1 => name,
                count => format!("{name} ({count})"),
            };
            Subtest { name, outcome }
        })
        .collect()
}

/// Parses a line of `report()`.
fn result(line: &str) -> Option<(String, Outcome)> {
    let (word, name) = line.split_once(": ")?;
    let outcome = match word {
        "PASS" => Outcome::Passed,
        "FAIL" => Outcome::Failed {
            cause: "reported as FAIL".to_owned(),
        },
        "XPASS" => Outcome::Failed {
            cause: "passed, and was expected to fail".to_owned(),
        },
        // An expected failure and a known failure do not fail the test.
        "XFAIL" => Outcome::Skipped {
            reason: "failed as expected".to_owned(),
        },
        "KFAIL" => Outcome::Skipped {
            reason: "known failure".to_owned(),
        },
        "SKIP" => Outcome::Skipped {
            reason: "reported as SKIP".to_owned(),
        },
        _ => return None,
    };
    Some((text::short_line(name.as_bytes()), outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(rule: Status, exit: Exit, messages: &str, console: &str) -> String {
        let outcome = outcome(
            rule,
            End {
                exit,
                messages,
                console,
            },
        );
        format!("{}: {}", outcome.label(), outcome.cause())
    }

    #[test]
    fn exit_status_decides() {
        let check = |exit, messages: &str, console: &str, expect: &str| {
            let found = judged(Status::Exit, exit, messages, console);
            assert_eq!(found, expect, "{exit} {messages}");
        };
        check(Exit::Code(1), "", "", "passed: ");
        check(Exit::Code(1), "qemu: Warning: old\n", "", "passed: ");
        check(
            Exit::Code(1),
            "qemu: warning: old\nqemu: no\n",
            "",
            "failed: QEMU: qemu: no",
        );
        let lost = "lost guest: QEMU ended with status 0: the guest reported no status";
        check(Exit::Code(0), "", "PASS: all\n", lost);
        let signal = "qemu: terminating on signal 15 from pid 7 (timeout)\n";
        let crashed = "QEMU crashed: QEMU was killed by SIGTERM: ";
        check(
            Exit::Code(0),
            signal,
            "",
            &format!("{crashed}{}", signal.trim()),
        );
        check(
            Exit::Signal(6),
            "a\nqemu: Assertion `x' failed.\n",
            "",
            "QEMU crashed: QEMU was killed by SIGABRT: qemu: Assertion `x' failed.",
        );
        let summary = "SUMMARY: 3 tests, 1 unexpected failures\r\n";
        check(
            Exit::Code(3),
            "",
            summary,
            "failed: 3 tests, 1 unexpected failures",
        );
        check(Exit::Code(3), "", "", "failed: exit status 3");
        check(Exit::Code(155), "", "", "failed: exit status 155");
        check(
            Exit::Code(77),
            "",
            "SUMMARY: 1 tests, 1 skipped\n",
            "skipped: 1 tests, 1 skipped",
        );
        check(Exit::Code(77), "", "", "skipped: the test skipped itself");
        check(Exit::Code(127), "", "", "failed: the test called abort()");
        // A guest cannot exit with an even status, so it is QEMU's own.
        check(Exit::Code(2), "", "", "failed: exit status 2");
    }

    #[test]
    fn printed_status_decides() {
        let check = |exit, console: &str, expect: &str| {
            assert_eq!(
                judged(Status::Printed, exit, "", console),
                expect,
                "{console}"
            );
        };
        check(Exit::Code(0), "\nEXIT: STATUS=1\n", "passed: ");
        check(
            Exit::Code(0),
            "EXIT: STATUS=3\nEXIT: STATUS=1\n",
            "failed: exit status 3",
        );
        check(
            Exit::Code(0),
            "EXIT: STATUS=77\n",
            "skipped: the test skipped itself",
        );
        check(
            Exit::Code(0),
            "EXIT: STATUS=127\n",
            "failed: the test called abort()",
        );
        let lost = "lost guest: QEMU ended with status 0: the guest reported no status";
        check(Exit::Code(0), "x EXIT: STATUS=1\n", lost);
        // The status counts only if QEMU ended without an error.
        check(Exit::Code(2), "EXIT: STATUS=1\n", "failed: exit status 2");
    }

    #[test]
    fn dry_run_must_reach_the_kernel() {
        let check = |log: &str, expect: Option<&str>| {
            assert_eq!(premature_failure(log, "_NO_").as_deref(), expect, "{log}");
        };
        check(
            "qemu: could not open kernel file '_NO_': No such file\n",
            None,
        );
        check("qemu: Could not load kernel '_NO_'\n", None);
        check("warning: x\nqemu: failed to load \"_NO_\"\n", None);
        check(
            "qemu: could not open kernel file 'other'\n",
            Some("qemu: could not open kernel file 'other'"),
        );
        check(
            "a\nqemu: -cpu x: no such model\n",
            Some("qemu: -cpu x: no such model"),
        );
        check("", Some("QEMU did not try to load the kernel"));
    }

    #[test]
    fn report_lines_become_subtests() {
        let console = "enabling apic\r\nPASS: a: b\r\nFAIL: c\r\nXFAIL: d\nXPASS: e\nKFAIL: f\nSKIP: g\n\
                       INFO: h\nPASS: a: b\nPASSED: i\n";
        let found: Vec<_> = subtests(console)
            .into_iter()
            .map(|subtest| format!("{} {}", subtest.name, subtest.outcome.label()))
            .collect();
        let expect = [
            "a: b passed",
            "c failed",
            "d skipped",
            "e failed",
            "f skipped",
            "g skipped",
            "a: b (2) passed",
        ];
        assert_eq!(found, expect);
    }

    #[test]
    fn summary_is_among_the_last_lines() {
        assert_eq!(
            summary("SUMMARY: 1 tests\r\n\n"),
            Some("1 tests".to_owned())
        );
        assert_eq!(summary("SUMMARY: 1 tests\n1\n2\n3\n4\n5\n"), None);
        assert_eq!(summary(""), None);
    }
}

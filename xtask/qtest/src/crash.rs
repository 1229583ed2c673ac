//! The ending of a replay, and the identity of a crash, which stays the same for a shortened
//! stream. Pure.

use host::test_time::Activity;
use qemu::Exit;

/// How a replay ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// QEMU executed every command and still replies.
    Survived,
    /// QEMU exited with a report, or a signal ended it.
    Crashed(Crash),
    /// QEMU did not reply.
    Hung {
        /// The command.
        command: String,
        /// What QEMU did instead.
        activity: Activity,
    },
    /// QEMU exited without a report after it had replied to a command.
    Exited {
        /// The exit status.
        status: i32,
        /// Its last message.
        message: String,
    },
    /// QEMU refused its command line.
    Refused {
        /// Its last message, which names the option.
        message: String,
    },
}

/// A crash of QEMU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crash {
    /// How it was detected.
    pub kind: CrashKind,
    /// The text of an assertion, the frames of a sanitizer report, or the signal.
    pub identity: String,
}

/// How a crash was detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashKind {
    /// An assertion failed.
    Assertion,
    /// A sanitizer reported an error.
    Sanitizer,
    /// A signal, without a report.
    Signal,
}

/// Number of frames of a sanitizer report that are part of the identity.
const FRAMES: usize = 3;

impl Ending {
    /// The identity for comparison with a shortened stream. A hang may happen at another command,
    /// and a busy host may hide that QEMU was computing.
    #[must_use]
    pub fn identity(&self) -> String {
        match self {
            Self::Hung { .. } => "hung".to_owned(),
            ending => ending.to_string(),
        }
    }

    /// Whether it is a fault of QEMU. A QEMU without CPU time, or one that was stopped, has none.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        match self {
            Self::Survived => false,
            Self::Hung { activity, .. } => {
                matches!(activity, Activity::Computing | Activity::Idle)
            }
            Self::Crashed(_) | Self::Exited { .. } | Self::Refused { .. } => true,
        }
    }

    /// Whether it is the same crash or hang.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Survived => f.write_str("QEMU survived"),
            Self::Crashed(crash) => match crash.kind {
                CrashKind::Assertion => write!(f, "an assertion failed: {}", crash.identity),
                CrashKind::Sanitizer => write!(f, "a sanitizer reported {}", crash.identity),
                CrashKind::Signal => write!(f, "QEMU was killed by {}", crash.identity),
            },
            Self::Hung { command, activity } => {
                write!(f, "QEMU did not reply to `{command}`: {activity}")
            }
            Self::Exited { status, message } => {
                write!(f, "QEMU exited with status {status}: {message}")
            }
            Self::Refused { message } => write!(f, "QEMU refused its command line: {message}"),
        }
    }
}

/// The ending of a QEMU that exited, from its messages. `has_run` is true if it had replied before.
#[must_use]
pub fn ending(exit: Exit, log: &str, has_run: bool) -> Ending {
    if let Some(crash) = report(log) {
        return Ending::Crashed(crash);
    }
    let last = log.lines().rev().find(|line| !line.trim().is_empty());
    let message = last.unwrap_or("no message").trim().to_owned();
    match exit {
        Exit::Signal(_) => Ending::Crashed(Crash {
            kind: CrashKind::Signal,
            identity: exit.to_string(),
        }),
        Exit::Code(status) if has_run => Ending::Exited { status, message },
        Exit::Code(_) => Ending::Refused { message },
    }
}

/// The crash that QEMU's messages report.
fn report(log: &str) -> Option<Crash> {
    let lines = || log.lines().map(str::trim);
    // compiler-rt/lib/sanitizer_common/sanitizer_symbolizer_report.cpp; UBSan prints `file: runtime
    // error: text`.
    let error =
        lines().find(|line| line.contains("Sanitizer: ") || line.contains(": runtime error: "));
    if let Some(error) = error {
        let what = if let Some((_, what)) = error.split_once(": runtime error: ") {
            format!("runtime error: {what}")
        } else {
            let what = error.split("Sanitizer: ").nth(1).unwrap_or_default();
            what.split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let frames = lines().filter_map(frame).take(FRAMES);
        let frames: Vec<&str> = frames.collect();
        let place = if frames.is_empty() { "" } else { " in " };
        return Some(Crash {
            kind: CrashKind::Sanitizer,
            identity: format!("{what}{place}{}", frames.join(" < ")),
        });
    }
    let assertion = lines().find_map(assertion)?;
    Some(Crash {
        kind: CrashKind::Assertion,
        identity: assertion,
    })
}

/// Parses the function of `#0 0x1234 in function file:line`.
fn frame(line: &str) -> Option<&str> {
    let rest = line.strip_prefix('#')?;
    let (number, rest) = rest.split_once(' ')?;
    number.parse::<u32>().ok()?;
    let (_, rest) = rest.split_once(" in ")?;
    rest.split_whitespace().next()
}

/// An assertion without the program's name and line numbers, which depend on the version.
fn assertion(line: &str) -> Option<String> {
    // glibc: `program: file:line: function: Assertion `text' failed.`
    if let Some((before, text)) = line.split_once(": Assertion `") {
        let function = before.rsplit(": ").next()?;
        return Some(format!(
            "{function}: {}",
            text.trim_end_matches("' failed.")
        ));
    }
    // GLib: `ERROR:file:line:function: assertion failed: (text)`, or `code should not be reached`.
    let rest = line.strip_prefix("ERROR:")?;
    let (place, text) = rest.split_once(": ")?;
    let function = place.rsplit(':').next()?;
    let text = text.strip_prefix("assertion failed: ").unwrap_or(text);
    Some(format!("{function}: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starved_qemu_is_not_a_finding() {
        let hung = |activity| Ending::Hung {
            command: "inb 1".to_owned(),
            activity,
        };
        assert!(hung(Activity::Computing).is_fault() && hung(Activity::Idle).is_fault());
        assert!(!hung(Activity::Starved).is_fault() && !hung(Activity::Stopped).is_fault());
        assert!(!Ending::Survived.is_fault());
    }

    #[test]
    fn ending_has_the_identity_of_its_report() {
        let check = |exit, log: &str, has_run, expect: &str| {
            assert_eq!(ending(exit, log, has_run).to_string(), expect, "{log}");
        };
        check(
            Exit::Signal(6),
            "qemu-system-x: ../hw/a.c:12: do_it: Assertion `a == b' failed.",
            true,
            "an assertion failed: do_it: a == b",
        );
        check(
            Exit::Signal(6),
            "**\nERROR:../hw/a.c:12:do_it: assertion failed: (n < m)\nBail out! ERROR:../hw/a.c:12:do_it: assertion failed: (n < m)",
            true,
            "an assertion failed: do_it: (n < m)",
        );
        check(
            Exit::Signal(6),
            "ERROR:../hw/a.c:12:do_it: code should not be reached",
            true,
            "an assertion failed: do_it: code should not be reached",
        );
        let asan = "==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x1 at pc 0x2\n\
                    READ of size 4\n    #0 0x55 in first ../a.c:1:2\n    #1 0x55 in second ../b.c:3\n\
                    #2 0x1 in third c.c:1\n    #3 0x2 in fourth d.c:2\nSUMMARY: AddressSanitizer: heap-use-after-free";
        let expect = "a sanitizer reported heap-use-after-free in first < second < third";
        check(Exit::Code(1), asan, true, expect);
        check(
            Exit::Code(1),
            "../hw/a.c:5:9: runtime error: shift exponent 32 is too large",
            true,
            "a sanitizer reported runtime error: shift exponent 32 is too large",
        );
        check(
            Exit::Signal(11),
            "",
            true,
            "QEMU was killed by signal 11 (SIGSEGV)",
        );
        check(
            Exit::Code(1),
            "bye\n\n",
            true,
            "QEMU exited with status 1: bye",
        );
        check(
            Exit::Code(1),
            "qemu-system-x: -soundhw: invalid option",
            false,
            "QEMU refused its command line: qemu-system-x: -soundhw: invalid option",
        );
    }

    #[test]
    fn identity_ignores_line_numbers() {
        let at = |line: u32| {
            let log = format!("q: ../hw/a.c:{line}: f: Assertion `x' failed.");
            ending(Exit::Signal(6), &log, true)
        };
        assert_eq!(at(1), at(2));
    }
}

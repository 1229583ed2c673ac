//! Selects the part of a guest's console for a report: the kernel's first fault report, or else the
//! last lines since the test began.
//!
//! Boot messages are irrelevant for a test that ran. `console.log` has everything.

use qemu::console::{Kind, begins_report, scan, stamp};

use crate::logfile::Tail;
use verdict::text::short_line;

/// Maximum number of lines of a fault report.
const REPORT_LINES: usize = 60;
/// A longer line is processed in pieces.
const LONGEST_LINE: usize = 8 << 10;

/// The selected lines so far.
#[derive(Debug, Default)]
pub struct Excerpt {
    line: Vec<u8>,
    tail: Tail,
    report: Option<FaultReport>,
}

/// A fault report of the kernel.
#[derive(Debug)]
struct FaultReport {
    lines: Vec<String>,
    /// Whether it is a fault rather than a warning.
    is_fault: bool,
    since: Option<u64>,
    is_complete: bool,
}

impl Excerpt {
    /// Takes bytes of the console.
    pub fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.line.len() > LONGEST_LINE {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        // Records of a guest that uses the console as its channel.
        if line.starts_with(b"@kiln ") {
            return;
        }
        self.tail.write(&line);
        let line = line.trim_ascii_end();
        let trouble = scan(line).map(|(kind, _)| kind);
        let is_fault = matches!(trouble, Some(Kind::Panic | Kind::Oops));
        let begins = match &self.report {
            // A fault replaces an earlier warning.
            Some(report) => is_fault && !report.is_fault,
            None => begins_report(line),
        };
        if begins {
            self.report = Some(FaultReport {
                lines: Vec::new(),
                is_fault,
                since: stamp(line),
                is_complete: false,
            });
        }
        if let Some(report) = &mut self.report {
            report.take(line);
        }
    }

    /// The test begins: drops the boot messages, unless they contain a fault.
    pub fn begin_test(&mut self) {
        self.tail = Tail::default();
    }

    /// The selected lines as plain text.
    #[must_use]
    pub fn lines(mut self) -> Vec<String> {
        if !self.line.is_empty() {
            self.end_line();
        }
        match self.report {
            Some(report) if !report.lines.is_empty() => report.lines,
            _ => self.tail.lines(),
        }
    }
}

impl FaultReport {
    fn take(&mut self, line: &[u8]) {
        // After a panic the kernel prints its whole log again, whose first time stamp is earlier.
        let is_replay = stamp(line)
            .zip(self.since)
            .is_some_and(|(now, since)| now < since);
        self.is_complete |= is_replay || self.lines.len() >= REPORT_LINES;
        if !self.is_complete {
            let text = short_line(line);
            if !text.trim().is_empty() {
                self.lines.push(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(console: &str, expect: &[&str]) {
        for size in [1, 7, 1 << 20] {
            let mut excerpt = Excerpt::default();
            for part in console.split_inclusive("<test>\n") {
                let (text, begins) = match part.strip_suffix("<test>\n") {
                    Some(text) => (text, true),
                    None => (part, false),
                };
                text.as_bytes()
                    .chunks(size)
                    .for_each(|chunk| excerpt.write(chunk));
                if begins {
                    excerpt.begin_test();
                }
            }
            assert_eq!(excerpt.lines(), expect, "{console} in pieces of {size}");
        }
    }

    #[test]
    fn boot_lines_are_omitted_once_test_runs() {
        let boot = "[    0.000000] Linux version 6.12\n[    0.300000] tsc: cannot calibrate\n";
        check(&format!("{boot}<test>\n"), &[]);
        check(&format!("{boot}<test>\n@kiln x\nlink up"), &["link up"]);
        let lines: Vec<&str> = boot.lines().collect();
        check(boot, &lines);
    }

    #[test]
    fn fault_is_shown_once_from_first_line() {
        let oops = "[    2.000000] BUG: unable to handle page fault\n\
                    [    2.000001] Call Trace:\n[    2.000002]  ? 0xffffffff81000001\n";
        let replay =
            "[    0.000000] Linux version 6.12\n[    2.000000] BUG: unable to handle page fault\n";
        let lines: Vec<&str> = oops.lines().collect();
        check(
            &format!("[    1.0] boot\n<test>\nhello\n{oops}{replay}"),
            &lines,
        );
        let warning = "[    1.500000] WARNING: CPU: 0 PID: 1 at x.c:1\n[    1.500001] more\n";
        check(&format!("{warning}{oops}"), &lines);
        let all = format!("{oops}{warning}");
        check(&all, &lines);
        // A fault during the boot explains more than the test's own lines.
        check(
            &format!("{oops}<test>\nhello\n"),
            &[&lines[..], &["hello"]].concat(),
        );
    }
}

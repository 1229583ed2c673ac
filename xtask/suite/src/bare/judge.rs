//! What the end of a bare-metal guest means: how QEMU ended, and what the guest printed. Pure.
//!
//! A guest prints a line for each check and at last `kiln: end NONCE STATUS`. The nonce is in its
//! command line, so that no other guest and no stale text can pass for it. Where the guest can also give
//! its status to QEMU, both must agree.

use plan::arch::BareStatus;
use qemu::event::Shutdown;
use qemu::last_words::LastWords;
use qemu::vm::Exit;
use verdict::outcome::{Outcome, STATUS_SKIP};
use verdict::text;

use unittests::judge::subtests;

/// How a QEMU with such a guest ended.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// Its status.
    pub exit: Exit,
    /// Why it ended, as it reported.
    pub shutdown: Option<&'a Shutdown>,
    /// What it wrote to stderr.
    pub messages: &'a str,
    /// What the guest printed.
    pub console: &'a str,
    /// The nonce in the guest's command line.
    pub nonce: &'a str,
}

/// The outcome of a guest that ended by itself.
#[must_use]
pub fn outcome(rule: BareStatus, end: End<'_>) -> Outcome {
    let code = match end.exit {
        Exit::Signal(signal) => {
            let message = LastWords::of(end.messages).best().map(str::to_owned);
            return Outcome::QemuCrashed { signal, message };
        }
        Exit::Code(code) => code,
    };
    let Some(status) = reported(end.console, end.nonce) else {
        return without_status(code, end);
    };
    let expected = match rule {
        BareStatus::Exit => 2 * status + 1,
        BareStatus::Printed => 0,
    };
    if code != expected {
        return failed(format!(
            "the guest reported status {status}, and QEMU ended with {code} instead of {expected}"
        ));
    }
    let results = subtests(end.console);
    let wrong = results.iter().find(|result| !result.outcome.is_success());
    match (status, wrong) {
        (0, Some(wrong)) => failed(format!("status 0 after a failed check: {}", wrong.name)),
        (0, None) if !results.iter().any(|it| it.outcome == Outcome::Passed) => {
            failed("status 0 without a check".to_owned())
        }
        (0, None) => Outcome::Passed,
        (STATUS_SKIP, Some(wrong)) => {
            failed(format!("skipped after a failed check: {}", wrong.name))
        }
        (STATUS_SKIP, None) => Outcome::Skipped {
            reason: first(end.console, "SKIP: ").unwrap_or_else(|| "no reason given".to_owned()),
        },
        (status, _) => {
            failed(first(end.console, "FAIL: ").unwrap_or_else(|| format!("exit status {status}")))
        }
    }
}

fn failed(cause: String) -> Outcome {
    Outcome::Failed { cause }
}

/// A guest that ended without its last line.
fn without_status(code: i32, end: End<'_>) -> Outcome {
    let lost = |how: &str| Outcome::LostGuest {
        how: format!("{how} before the guest reported a status"),
    };
    match (end.shutdown, code) {
        (Some(shutdown), 0) => match shutdown.reason.as_str() {
            "guest-reset" => lost("the machine was reset (a triple fault is a reset)"),
            "guest-shutdown" => lost("the machine was powered off"),
            reason => lost(&format!("QEMU ended ({reason})")),
        },
        (None, 0) => lost("QEMU ended with status 0"),
        (_, code) if end.console.is_empty() && !end.messages.trim().is_empty() => {
            let message = LastWords::of(end.messages).best().map(str::to_owned);
            let message = message.unwrap_or_else(|| format!("exit status {code}"));
            Outcome::QemuDidNotStart { message }
        }
        (_, code) => lost(&format!("QEMU ended with status {code}")),
    }
}

/// The status in the guest's own last line.
fn reported(console: &str, nonce: &str) -> Option<i32> {
    let mut lines = console.lines().map(str::trim_end);
    lines.find_map(|line| {
        let rest = line.strip_prefix("kiln: end ")?.strip_prefix(nonce)?;
        let status: u8 = rest.strip_prefix(' ')?.parse().ok()?;
        Some(i32::from(status))
    })
}

/// The first line that begins so, without that.
fn first(console: &str, start: &str) -> Option<String> {
    let lines = console.lines();
    let mut found = lines.filter_map(|line| line.strip_prefix(start));
    found.next().map(|line| text::short_line(line.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(rule: BareStatus, exit: Exit, console: &str, end: (&str, &str)) -> String {
        let (reason, messages) = end;
        let shutdown = (!reason.is_empty()).then(|| Shutdown {
            guest: true,
            reason: reason.to_owned(),
        });
        let end = End {
            exit,
            shutdown: shutdown.as_ref(),
            messages,
            console,
            nonce: "n1",
        };
        let outcome = outcome(rule, end);
        format!("{}: {}", outcome.label(), outcome.cause())
    }

    #[test]
    fn pass_needs_checks_status_and_parity() {
        let check = |code, console: &str, expect: &str| {
            let found = judged(BareStatus::Exit, Exit::Code(code), console, ("", ""));
            assert_eq!(found, expect, "{code} {console}");
        };
        check(1, "PASS: a\r\nkiln: end n1 0\r\n", "passed: ");
        check(1, "kiln: end n1 0\n", "failed: status 0 without a check");
        let hidden = "failed: status 0 after a failed check: b";
        check(1, "FAIL: b\nPASS: a\nkiln: end n1 0\n", hidden);
        check(
            3,
            "FAIL: a: got 1\nFAIL: b\nkiln: end n1 1\n",
            "failed: a: got 1",
        );
        check(3, "kiln: end n1 1\n", "failed: exit status 1");
        check(155, "SKIP: no GIC\nkiln: end n1 77\n", "skipped: no GIC");
        check(
            1,
            "SKIP: a\nkiln: end n1 0\n",
            "failed: status 0 without a check",
        );
        let text = "FAIL: b\nSKIP: no GIC\nkiln: end n1 77\n";
        check(155, text, "failed: skipped after a failed check: b");
        let parity = "failed: the guest reported status 0, and QEMU ended with 2 instead of 1";
        check(2, "PASS: a\nkiln: end n1 0\n", parity);
        let other = "failed: the guest reported status 0, and QEMU ended with 3 instead of 1";
        check(3, "PASS: a\nkiln: end n1 0\n", other);
        // The line of another guest, or a line of which a part is missing.
        let lost = "lost guest: QEMU ended with status 1 before the guest reported a status";
        for line in [
            "kiln: end n2 0",
            "kiln: end n1",
            "kiln: end n1 x",
            "x kiln: end n1 0",
        ] {
            check(1, &format!("PASS: a\n{line}\n"), lost);
        }
    }

    #[test]
    fn power_off_counts_only_with_a_status() {
        let check = |code, console: &str, expect: &str| {
            let end = ("guest-shutdown", "");
            let found = judged(BareStatus::Printed, Exit::Code(code), console, end);
            assert_eq!(found, expect, "{console}");
        };
        check(0, "PASS: a\nkiln: end n1 0\n", "passed: ");
        check(0, "FAIL: a\nkiln: end n1 1\n", "failed: a");
        let lost = "lost guest: the machine was powered off before the guest reported a status";
        check(0, "PASS: a\n", lost);
        let wrong = "failed: the guest reported status 0, and QEMU ended with 1 instead of 0";
        check(1, "PASS: a\nkiln: end n1 0\n", wrong);
    }

    #[test]
    fn guest_without_status_is_lost() {
        let check = |exit, end, expect: &str| {
            assert_eq!(judged(BareStatus::Exit, exit, "", end), expect);
        };
        check(
            Exit::Code(0),
            ("guest-reset", ""),
            "lost guest: the machine was reset (a triple fault is a reset) before the guest reported a status",
        );
        check(
            Exit::Code(0),
            ("", ""),
            "lost guest: QEMU ended with status 0 before the guest reported a status",
        );
        check(
            Exit::Code(1),
            ("", "qemu: -device x: not a device\n"),
            "QEMU did not start: qemu: -device x: not a device",
        );
        let crash = judged(
            BareStatus::Exit,
            Exit::Signal(6),
            "",
            ("", "qemu: Assertion `x' failed.\n"),
        );
        assert!(
            crash.starts_with("QEMU crashed:") && crash.contains("Assertion"),
            "{crash}"
        );
    }
}

//! The outcome of a test with a host script, from the exit of the script and the outcomes of its
//! guests: a pure function.

use std::time::Duration;

use host::process::ExitStatus;
use session::fold::{self, from_status};
use session::{FLOOD, Part};
use suite::Scripts;
use verdict::outcome::{Outcome, Phase, STATUS_SKIP};

/// The result of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GuestResult {
    /// The guest's own outcome.
    pub(super) outcome: Outcome,
    /// The role of its QEMU in the test.
    pub(super) part: Part,
}

/// How the host script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostScriptExit {
    /// It exited by itself.
    Exited(ExitStatus),
    /// It was killed after the test's time limit.
    TimedOut(Duration),
    /// It was killed because of too much output.
    Flooded,
    /// The run was interrupted.
    Interrupted,
}

/// What the test reported about itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evidence<'a> {
    pub(super) script: fold::EndReport<'a>,
    /// Whether `qemu` runs in the background of a statement.
    pub(super) in_background: bool,
    /// Whether a guest went into a migration stream and never arrived.
    pub(super) migrated_away: bool,
}

/// The advice for a guest in the background.
const BACKGROUND: &str =
    "`in_host` ended without waiting for its `qemu` in the background: call `wait`";

/// Combines the results. A pass requires success of the host script and of all guests.
pub(super) fn combine(
    scripts: Scripts,
    host: HostScriptExit,
    guests: &[GuestResult],
    evidence: Evidence<'_>,
) -> Outcome {
    if host == HostScriptExit::Interrupted {
        return Outcome::NotRun {
            why: "interrupted".to_owned(),
        };
    }
    let ended = guests
        .iter()
        .filter(|guest| guest.part != Part::Abandoned)
        .map(|guest| &guest.outcome);
    if let Some(first) = ended.clone().find(|outcome| !outcome.is_success()) {
        return first.clone();
    }
    let status = match host {
        HostScriptExit::TimedOut(limit) => return Outcome::timed_out(Phase::Test, limit),
        HostScriptExit::Flooded => return Outcome::flood("output", FLOOD),
        HostScriptExit::Exited(status) => status.shell_code(),
        HostScriptExit::Interrupted => 0,
    };
    let skipped = ended.clone().find(|outcome| **outcome != Outcome::Passed);
    match (status, skipped) {
        (0 | STATUS_SKIP, Some(skipped)) => skipped.clone(),
        (0, None) => {
            let failed = |cause: &str| Outcome::Failed {
                cause: cause.to_owned(),
            };
            let is_abandoned = guests.iter().any(|guest| guest.part == Part::Abandoned);
            let has_none = scripts.has_guest() && guests.is_empty();
            // Whether the guest had already started is a race.
            if evidence.in_background && (is_abandoned || has_none) {
                failed(BACKGROUND)
            } else if is_abandoned {
                failed("`in_host` ended while its guest was still running")
            } else if evidence.migrated_away {
                failed("a guest that was migrated away never resumed")
            } else if has_none {
                failed("`in_host` ended without a guest: it never called `qemu`")
            } else if scripts.has_guest() && guests.iter().all(|guest| guest.part == Part::Passage)
            {
                failed("no guest reached the end of `in_guest`")
            } else {
                Outcome::Passed
            }
        }
        _ => match from_status(status, evidence.script) {
            Outcome::Failed { cause }
                if evidence.script.fail.is_none() && evidence.script.failed_at.is_none() =>
            {
                Outcome::Failed {
                    cause: format!("in_host: {cause}"),
                }
            }
            outcome => outcome,
        },
    }
}

/// The outcome of a test without a host script. No other QEMU can continue its guest.
pub(super) fn alone(guests: &[GuestResult]) -> Outcome {
    match guests {
        [guest] if guest.outcome == Outcome::Passed && guest.part == Part::Passage => {
            Outcome::LostGuest {
                how: "it was stopped, and QEMU was asked to quit".to_owned(),
            }
        }
        [guest] => guest.outcome.clone(),
        _ => Outcome::HarnessError {
            message: format!("expected one guest, found {}", guests.len()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(outcome: Outcome) -> GuestResult {
        GuestResult {
            outcome,
            part: Part::Last,
        }
    }

    #[test]
    fn guest_without_host_script_ends_itself() {
        let check = |part, expect| {
            let guest = GuestResult {
                outcome: Outcome::Passed,
                part,
            };
            assert_eq!(alone(&[guest]).label(), expect);
        };
        check(Part::Last, "passed");
        check(Part::Passage, "lost guest");
        assert_eq!(alone(&[]).label(), "harness error");
    }

    fn code(status: i32) -> HostScriptExit {
        HostScriptExit::Exited(ExitStatus::Code(status))
    }

    fn check(
        scripts: Scripts,
        host: HostScriptExit,
        guests: &[GuestResult],
        word: &str,
        cause: &str,
    ) {
        let script = fold::EndReport {
            last_line: Some("last words"),
            ..fold::EndReport::default()
        };
        let evidence = Evidence {
            script,
            ..Evidence::default()
        };
        let outcome = combine(scripts, host, guests, evidence);
        assert_eq!(
            (outcome.label(), outcome.cause().as_str()),
            (word, cause),
            "{host:?} {guests:?}"
        );
    }

    #[test]
    fn pass_needs_host_script_and_guests() {
        let passed = || guest(Outcome::Passed);
        let failed = || {
            guest(Outcome::Failed {
                cause: "x".to_owned(),
            })
        };
        let skipped = || {
            guest(Outcome::Skipped {
                reason: "no NUMA".to_owned(),
            })
        };
        let check = |host, guests: &[GuestResult], word, cause| {
            check(Scripts::Both, host, guests, word, cause);
        };
        check(code(0), &[passed()], "passed", "");
        check(code(0), &[passed(), passed()], "passed", "");
        check(
            code(1),
            &[passed()],
            "failed",
            "in_host: exit status 1, last line: last words",
        );
        check(code(1), &[failed()], "failed", "x");
        // A host script cannot override the result of its guest.
        check(code(0), &[failed(), passed()], "failed", "x");
        check(code(77), &[failed()], "failed", "x");
        check(code(77), &[skipped()], "skipped", "no NUMA");
        check(code(0), &[skipped()], "skipped", "no NUMA");
        check(code(77), &[], "skipped", "last words");
        check(
            code(99),
            &[],
            "harness error",
            "hard error (exit status 99), last line: last words",
        );
        let never = "`in_host` ended without a guest: it never called `qemu`";
        check(code(0), &[], "failed", never);
        let killed = HostScriptExit::Exited(ExitStatus::Signal(9));
        check(
            killed,
            &[],
            "failed",
            "in_host: killed by SIGKILL, last line: last words",
        );
    }

    #[test]
    fn host_script_leaving_guest_is_at_fault() {
        let abandoned = GuestResult {
            outcome: Outcome::Failed {
                cause: "y".to_owned(),
            },
            part: Part::Abandoned,
        };
        let left = "`in_host` ended while its guest was still running";
        check(
            Scripts::Both,
            code(0),
            std::slice::from_ref(&abandoned),
            "failed",
            left,
        );
        let own = "in_host: exit status 3, last line: last words";
        check(
            Scripts::Both,
            code(3),
            std::slice::from_ref(&abandoned),
            "failed",
            own,
        );
        let late = HostScriptExit::TimedOut(Duration::from_secs(30));
        check(
            Scripts::Both,
            late,
            &[abandoned],
            "timed out",
            "the test did not end within 30 s",
        );
        check(
            Scripts::Both,
            HostScriptExit::Interrupted,
            &[],
            "not run",
            "interrupted",
        );
    }

    #[test]
    fn host_only_test_needs_no_guest() {
        check(Scripts::Host, code(0), &[], "passed", "");
        let crashed = guest(Outcome::QemuCrashed {
            signal: 6,
            message: None,
        });
        check(
            Scripts::Host,
            code(0),
            &[crashed],
            "QEMU crashed",
            "QEMU was killed by SIGABRT",
        );
    }

    #[test]
    fn migrated_guest_alone_is_not_a_pass() {
        let passage = || GuestResult {
            outcome: Outcome::Passed,
            part: Part::Passage,
        };
        let both = [passage(), guest(Outcome::Passed)];
        check(Scripts::Both, code(0), &both, "passed", "");
        let unreached = "no guest reached the end of `in_guest`";
        check(Scripts::Both, code(0), &[passage()], "failed", unreached);
        check(Scripts::Host, code(0), &[passage()], "passed", "");
        let crashed = GuestResult {
            outcome: Outcome::QemuCrashed {
                signal: 11,
                message: None,
            },
            part: Part::Last,
        };
        let both = [guest(Outcome::Passed), crashed];
        check(
            Scripts::Both,
            code(0),
            &both,
            "QEMU crashed",
            "QEMU was killed by SIGSEGV",
        );
        let evidence = Evidence {
            migrated_away: true,
            ..Evidence::default()
        };
        let outcome = combine(Scripts::Host, code(0), &[passage()], evidence);
        assert_eq!(
            outcome.cause(),
            "a guest that was migrated away never resumed"
        );
    }

    #[test]
    fn reasons_from_the_test_take_precedence() {
        let script = fold::EndReport {
            skip: Some("no swtpm"),
            fail: Some("wrong size"),
            failed_at: Some("x.sh:3: `test`"),
            last_line: Some("z"),
        };
        let evidence = Evidence {
            script,
            ..Evidence::default()
        };
        assert_eq!(
            combine(Scripts::Both, code(77), &[], evidence).cause(),
            "no swtpm"
        );
        assert_eq!(
            combine(Scripts::Both, code(1), &[], evidence).cause(),
            "wrong size"
        );
    }
    #[test]
    fn failure_location_comes_before_last_line() {
        let script = fold::EndReport {
            failed_at: Some("x.sh:3: `test 1 = 2`"),
            last_line: Some("z"),
            ..fold::EndReport::default()
        };
        let evidence = Evidence {
            script,
            ..Evidence::default()
        };
        let outcome = combine(Scripts::Both, code(1), &[], evidence);
        assert_eq!(outcome.cause(), "x.sh:3: `test 1 = 2`: exit status 1");
    }

    #[test]
    fn unawaited_background_guest_fails_the_test() {
        let evidence = Evidence {
            in_background: true,
            ..Evidence::default()
        };
        let abandoned = GuestResult {
            outcome: Outcome::Failed {
                cause: "y".to_owned(),
            },
            part: Part::Abandoned,
        };
        for guests in [vec![], vec![abandoned]] {
            let outcome = combine(Scripts::Both, code(0), &guests, evidence);
            assert_eq!(outcome.cause(), BACKGROUND, "{guests:?}");
        }
    }
}

//! Folds the events of a guest into one outcome: a pure function, tested with recorded runs.
//!
//! A result starts as lost. It becomes a pass only by the test's own end record, or by an end of
//! the guest that the test announced and that QEMU confirms. [`crate::session`] converts channels
//! and clocks to [`Happened`] and checks after each whether the outcome is final.

use std::time::Duration;

use qemu::Exit;
use suite::header::{ExpectedEnd, Leave};
use verdict::outcome::{Outcome, Phase, STATUS_HARD_ERROR, STATUS_SKIP};

/// One event, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// The guest sent hello and got an answer with the test.
    Ready,
    /// The test called `skip`, with its reason.
    SkipReason(String),
    /// The test called `fail`, with its reason.
    FailReason(String),
    /// The test's script ended early: file, line and command.
    FailedAt(String),
    /// The guest opened a shell for the user, because its script failed.
    Shell {
        /// The exit status of the script.
        status: i32,
        /// The last line of its output.
        last_line: Option<String>,
    },
    /// The test announced how the guest ends.
    Leaving(Leave),
    /// The test's own end record.
    End {
        /// Exit status.
        status: i32,
        /// The kernel's taint flags.
        taint: u64,
        /// The last line that the test printed.
        last_line: Option<String>,
    },
    /// The console shows a kernel panic, or QEMU reports one.
    Panic(String),
    /// The console shows a fault after which the kernel continued.
    Oops(String),
    /// QEMU shuts down (its `SHUTDOWN` event).
    Shutdown {
        /// Whether the guest requested it.
        guest: bool,
        /// The reason, such as `guest-shutdown`.
        reason: String,
    },
    /// The machine was reset and continues (`RESET`).
    Reset {
        /// Whether the guest requested it.
        guest: bool,
    },
    /// QEMU paused the guest permanently, for example after an internal error of an accelerator.
    Stuck(String),
    /// Communication with the guest failed, with the reason.
    Unheard(String),
    /// More output than any test needs.
    Flood {
        /// The channel: `console`, `output` or `QEMU message`.
        channel: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// A limit was reached.
    Deadline(Phase, Duration),
    /// The wait after a panic or a lost channel is over.
    Settled,
    /// QEMU exited by itself.
    Exited {
        /// The exit status.
        how: Exit,
        /// The message of QEMU that explains it.
        explanation: Option<String>,
        /// That message, or the last one.
        last_line: Option<String>,
    },
    /// The run was interrupted.
    Interrupted,
    /// The host script ended while the guest was still running.
    Abandoned,
}

/// The message for a panic that only QEMU reports, by `GUEST_PANICKED`.
pub const PANIC_EVENT: &str = "QEMU reports that the guest panicked";

/// Taint flags of the kernel that indicate a fault
/// (`Documentation/admin-guide/tainted-kernels.rst`). A soft lockup does not count: under emulation
/// on a busy host it is often only slowness.
const FAULTS: &[(u64, &str)] = &[
    (1 << 5, "bad page referenced"),
    (1 << 7, "kernel died recently"),
    (1 << 9, "kernel issued a warning"),
];

/// An outcome that is not final yet.
#[derive(Debug)]
pub struct Fold {
    ends: ExpectedEnd,
    reboots_left: u32,
    phase: Phase,
    rebooting: bool,
    leaving: Option<Leave>,
    skip: Option<String>,
    fail: Option<String>,
    failed_at: Option<String>,
    oops: Option<String>,
    panic: Option<String>,
    /// Whether the guest requested it, and QEMU's reason.
    shutdown: Option<(bool, String)>,
    unheard: Option<String>,
    /// The outcome of the test when it opened a shell for the user.
    shell: Option<Outcome>,
    /// The machine was reset before its announcement arrived over the other channel.
    reset_early: bool,
}

/// Folds a whole run.
#[must_use]
pub fn fold(ends: ExpectedEnd, reboots: u32, happened: &[Happened]) -> Outcome {
    let mut fold = Fold::new(ends, reboots);
    let lost = || Outcome::LostGuest {
        how: "lost contact with the guest".to_owned(),
    };
    happened
        .iter()
        .find_map(|happened| fold.take(happened))
        .unwrap_or_else(lost)
}

impl Fold {
    /// `reboots` is the number of reboots after which the test continues.
    #[must_use]
    pub fn new(ends: ExpectedEnd, reboots: u32) -> Self {
        Self {
            ends,
            reboots_left: reboots,
            phase: Phase::Boot,
            rebooting: false,
            leaving: None,
            skip: None,
            fail: None,
            failed_at: None,
            oops: None,
            panic: None,
            shutdown: None,
            unheard: None,
            shell: None,
            reset_early: false,
        }
    }

    /// Whether the guest boots, or the test runs.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether the guest has failed, and only its last output and QEMU's exit are awaited.
    #[must_use]
    pub fn settling(&self) -> bool {
        self.panic.is_some()
            || self.unheard.is_some()
            || self.shutdown.is_some()
            || self.reset_early
    }

    /// Whether the test announced a reboot after which it continues.
    #[must_use]
    pub fn may_reboot(&self) -> bool {
        self.leaving == Some(Leave::Reboot) && self.reboots_left > 0
    }

    /// Whether the control channel is closed and no event has explained it yet.
    #[must_use]
    pub fn is_unexplained(&self) -> bool {
        let explained = self.panic.is_some() || self.shutdown.is_some() || self.reset_early;
        self.unheard.is_some() && !explained
    }

    /// The guest was restored from a snapshot: discards what its test reported since, but not
    /// faults of its kernel.
    pub fn rewind(&mut self) {
        self.leaving = None;
        self.skip = None;
        self.fail = None;
        self.unheard = None;
        self.reset_early = false;
    }

    /// Takes the next event. Returns the outcome once it is final.
    pub fn take(&mut self, happened: &Happened) -> Option<Outcome> {
        let outcome = self.judge(happened)?;
        // The user may do anything with a guest that has failed.
        let is_lost = matches!(outcome, Outcome::LostGuest { .. });
        Some(self.shell.take().filter(|_| is_lost).unwrap_or(outcome))
    }

    fn judge(&mut self, happened: &Happened) -> Option<Outcome> {
        match happened {
            Happened::Ready => {
                self.phase = Phase::Test;
                self.rebooting = false;
                self.leaving = None;
                None
            }
            Happened::SkipReason(reason) => {
                self.skip.get_or_insert_with(|| reason.clone());
                None
            }
            Happened::FailReason(reason) => {
                self.fail.get_or_insert_with(|| reason.clone());
                None
            }
            Happened::Shell { status, last_line } => {
                if *status != 0 {
                    self.shell = Some(self.end(*status, 0, last_line.as_deref()));
                }
                None
            }
            Happened::FailedAt(place) => {
                self.failed_at.get_or_insert_with(|| place.clone());
                None
            }
            Happened::Leaving(leave) => {
                self.leaving = Some(*leave);
                // Records and QEMU's events arrive over different sockets, in any order.
                if std::mem::take(&mut self.reset_early) {
                    return self.reset(true);
                }
                (self.panic.is_some() && self.announced(Leave::Panic)).then_some(Outcome::Passed)
            }
            Happened::End {
                status,
                taint,
                last_line,
            } => Some(self.end(*status, *taint, last_line.as_deref())),
            Happened::Panic(text) => {
                // The kernel's own message is better than QEMU's event, whichever arrives first.
                if self.panic.as_ref().is_none_or(|known| known == PANIC_EVENT) {
                    self.panic = Some(text.clone());
                }
                self.announced(Leave::Panic).then_some(Outcome::Passed)
            }
            Happened::Oops(text) => {
                // Messages of the kernel during an announced panic are part of it.
                if self.leaving != Some(Leave::Panic) {
                    self.oops.get_or_insert_with(|| text.clone());
                }
                None
            }
            Happened::Shutdown { guest, reason } => {
                // Earlier console output may arrive later, and QEMU may still crash.
                self.shutdown
                    .get_or_insert_with(|| (*guest, reason.clone()));
                None
            }
            Happened::Reset { guest } => self.reset(*guest),
            Happened::Stuck(why) => Some(self.fault().unwrap_or_else(|| lost(why.clone()))),
            Happened::Unheard(why) => {
                // A guest that leaves as announced closes its channel too.
                if self.leaving.is_none() {
                    self.unheard.get_or_insert_with(|| why.clone());
                }
                None
            }
            Happened::Flood { channel, limit } => Some(Outcome::flood(channel, *limit)),
            Happened::Deadline(phase, limit) => Some(
                self.fault()
                    .unwrap_or_else(|| Outcome::timed_out(*phase, *limit)),
            ),
            Happened::Settled => Some(match &self.shutdown {
                Some((guest, reason)) => self.ended(*guest, reason),
                None if self.reset_early => self.ended(true, "guest-reset"),
                None => self
                    .fault()
                    .unwrap_or_else(|| lost(self.unheard.clone().unwrap_or_default())),
            }),
            Happened::Exited {
                how,
                explanation,
                last_line,
            } => Some(self.exited(*how, explanation.as_deref(), last_line.as_deref())),
            Happened::Interrupted => Some(Outcome::NotRun {
                why: "interrupted".to_owned(),
            }),
            Happened::Abandoned => {
                let cause = "the host script ended while its guest was still running".to_owned();
                Some(Outcome::Failed { cause })
            }
        }
    }

    fn announced(&self, leave: Leave) -> bool {
        self.leaving == Some(leave) && self.ends == ExpectedEnd::Leave(leave) && self.oops.is_none()
    }

    /// A fault of the guest's kernel explains all later events.
    fn fault(&self) -> Option<Outcome> {
        let panic = || {
            self.panic
                .clone()
                .map(|message| Outcome::GuestPanicked { message })
        };
        let oops = || {
            self.oops
                .clone()
                .map(|message| Outcome::GuestOopsed { message })
        };
        panic().or_else(oops)
    }

    fn end(&self, status: i32, taint: u64, last_line: Option<&str>) -> Outcome {
        if let Some(fault) = self.fault() {
            return fault;
        }
        if let Some((_, what)) = FAULTS.iter().find(|(flag, _)| taint & flag != 0) {
            return Outcome::GuestOopsed {
                message: format!("tainted: {what}"),
            };
        }
        match (status, self.ends, self.leaving) {
            (0, ExpectedEnd::Report, None) => Outcome::Passed,
            (0, ExpectedEnd::Leave(leave), _) | (0, ExpectedEnd::Report, Some(leave)) => {
                let leave = leave.label();
                Outcome::Failed {
                    cause: format!("the test ended without calling `leave {leave}`"),
                }
            }
            _ => {
                let report = EndReport {
                    skip: self.skip.as_deref(),
                    fail: self.fail.as_deref(),
                    failed_at: self.failed_at.as_deref(),
                    last_line,
                };
                from_status(status, report)
            }
        }
    }

    /// The outcome if the guest ended with this reason of QEMU.
    fn ended(&self, guest: bool, reason: &str) -> Outcome {
        let leave = match reason {
            "guest-shutdown" => Some(Leave::Poweroff),
            "guest-reset" => Some(Leave::Reboot),
            "guest-panic" => Some(Leave::Panic),
            _ => None,
        };
        if guest && leave.is_some_and(|leave| self.announced(leave)) {
            return Outcome::Passed;
        }
        if let Some(fault) = self.fault() {
            return fault;
        }
        let what = match leave {
            Some(Leave::Poweroff) => "the guest powered itself off",
            Some(Leave::Reboot) => "the guest reset itself",
            Some(Leave::Panic) => "the guest panicked",
            None => return lost(format!("QEMU shut down: {reason}")),
        };
        match (self.phase, self.leaving) {
            (Phase::Boot, _) => lost(format!("{what} before it was ready")),
            (Phase::Test, Some(announced)) if self.ends == ExpectedEnd::Report => Outcome::Failed {
                cause: format!(
                    "{what} after `leave {}`: expected a report",
                    announced.label()
                ),
            },
            (Phase::Test, _) => {
                let call = leave.map_or("poweroff", Leave::label);
                lost(format!("{what} unexpectedly (call `leave {call}` first)"))
            }
        }
    }

    fn reset(&mut self, guest: bool) -> Option<Outcome> {
        // A restarting kernel may try several ways to reset the machine. If it never boots again,
        // the boot limit ends it.
        if self.rebooting && self.phase == Phase::Boot {
            return None;
        }
        if guest && self.phase == Phase::Test && self.leaving.is_none() && self.fault().is_none() {
            self.reset_early = true;
            return None;
        }
        let expected = self.leaving == Some(Leave::Reboot) || !guest;
        if self.phase == Phase::Test && expected && self.reboots_left > 0 && self.fault().is_none()
        {
            self.reboots_left -= 1;
            self.rebooting = true;
            self.phase = Phase::Boot;
            self.leaving = None;
            // The reset itself closed the channel, and the next boot opens it again.
            self.unheard = None;
            return None;
        }
        if self.announced(Leave::Reboot) && guest {
            return Some(Outcome::Passed);
        }
        if self.leaving == Some(Leave::Reboot) && self.fault().is_none() {
            let cause = "the guest reboots more often than `reboots` allows".to_owned();
            return Some(Outcome::Failed { cause });
        }
        Some(self.ended(
            guest,
            if guest {
                "guest-reset"
            } else {
                "host-qmp-system-reset"
            },
        ))
    }

    fn exited(&self, how: Exit, explanation: Option<&str>, last_line: Option<&str>) -> Outcome {
        let status = match how {
            Exit::Signal(signal) => {
                let message = explanation.map(str::to_owned);
                return Outcome::QemuCrashed { signal, message };
            }
            Exit::Code(status) => status,
        };
        // A guest may set QEMU's exit status, for example with isa-debug-exit. A shutdown reason
        // precedes it.
        if let Some((guest, reason)) = &self.shutdown {
            return self.ended(*guest, reason);
        }
        if let Some(fault) = self.fault() {
            return fault;
        }
        if self.phase == Phase::Boot && status != 0 {
            let silent = || format!("QEMU exited with status {status} and printed nothing");
            return Outcome::QemuDidNotStart {
                message: last_line.map_or_else(silent, str::to_owned),
            };
        }
        let explanation = last_line
            .map(|line| format!(": {line}"))
            .unwrap_or_default();
        lost(format!("QEMU exited with status {status}{explanation}"))
    }
}

fn lost(how: String) -> Outcome {
    Outcome::LostGuest { how }
}

/// What a script reported about its end.
#[derive(Debug, Clone, Copy, Default)]
pub struct EndReport<'a> {
    /// Why it skipped itself.
    pub skip: Option<&'a str>,
    /// The reason of its `fail`.
    pub fail: Option<&'a str>,
    /// File, line and command at which it ended.
    pub failed_at: Option<&'a str>,
    /// The last line of its output.
    pub last_line: Option<&'a str>,
}

/// The outcome for the exit status of a host or guest script.
#[must_use]
pub fn from_status(status: i32, report: EndReport<'_>) -> Outcome {
    let EndReport {
        skip,
        fail,
        failed_at,
        last_line,
    } = report;
    // The last line may be unrelated, so it is used only without a location.
    let explained = |how: String| match (fail, failed_at, last_line) {
        (Some(reason), ..) => reason.to_owned(),
        (None, Some(place), _) => format!("{place}: {how}"),
        (None, None, Some(line)) => format!("{how}, last line: {line}"),
        (None, None, None) => how,
    };
    match status {
        0 => Outcome::Passed,
        STATUS_SKIP => {
            let reason = skip.or(last_line).unwrap_or("no reason given").to_owned();
            Outcome::Skipped { reason }
        }
        STATUS_HARD_ERROR => {
            let message = explained("hard error (exit status 99)".to_owned());
            Outcome::HarnessError { message }
        }
        129..=192 => {
            let signal = status - 128;
            let name = host::process::status::signal_name(signal)
                .map_or_else(|| format!("signal {signal}"), str::to_owned);
            Outcome::Failed {
                cause: explained(format!("killed by {name}")),
            }
        }
        _ => Outcome::Failed {
            cause: explained(format!("exit status {status}")),
        },
    }
}

#[cfg(test)]
#[path = "fold_tests.rs"]
mod tests;

//! The closed list of outcomes of a test, each with a cause of one line.
//!
//! All reports use this type. `session::fold` computes the outcome of a guest test.

use std::time::Duration;

use host::process::status::signal_name;
use serde::{Deserialize, Serialize};

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The test's end record had status 0, or the guest ended as the test had announced.
    Passed,
    /// The test failed.
    Failed {
        /// The reason that the test gave.
        cause: String,
    },
    /// The test cannot give a result here.
    Skipped {
        /// The reason. Named `why` in JSON, because its lines have a `reason` of their own.
        #[serde(rename = "why")]
        reason: String,
    },
    /// The test reached a time limit.
    TimedOut {
        /// Which limit.
        phase: Phase,
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
    /// The guest's kernel panicked.
    GuestPanicked {
        /// The kernel's message.
        message: String,
    },
    /// The guest's kernel reported a fault and continued.
    GuestOopsed {
        /// The kernel's message.
        message: String,
    },
    /// A signal ended QEMU.
    QemuCrashed {
        /// The signal's number.
        signal: i32,
        /// The assertion or sanitizer report in QEMU's messages. Named `why` in JSON.
        #[serde(rename = "why", default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// QEMU ended with an error before the guest ran.
    QemuDidNotStart {
        /// QEMU's message.
        message: String,
    },
    /// The guest ended or stopped responding without a verdict.
    LostGuest {
        /// What happened.
        how: String,
    },
    /// Kiln, the host or the test file is at fault.
    HarnessError {
        /// The error.
        message: String,
    },
    /// The test was selected but did not run.
    NotRun {
        /// The reason.
        why: String,
    },
}

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// From the start of QEMU to the guest's first record.
    Boot,
    /// The test itself.
    Test,
}

impl Outcome {
    /// The outcome of a time limit.
    #[must_use]
    pub fn timed_out(phase: Phase, limit: Duration) -> Self {
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        Self::TimedOut { phase, limit_ms }
    }

    /// The outcome of exceeding the output limit of a channel, in bytes.
    #[must_use]
    pub fn flood(channel: &str, limit: u64) -> Self {
        let cause = format!("{channel} flood: more than {} MiB", limit >> 20);
        Self::Failed { cause }
    }

    /// The name that every report prints.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed { .. } => "failed",
            Self::Skipped { .. } => "skipped",
            Self::TimedOut { .. } => "timed out",
            Self::GuestPanicked { .. } => "guest panicked",
            Self::GuestOopsed { .. } => "guest oopsed",
            Self::QemuCrashed { .. } => "QEMU crashed",
            Self::QemuDidNotStart { .. } => "QEMU did not start",
            Self::LostGuest { .. } => "lost guest",
            Self::HarnessError { .. } => "harness error",
            Self::NotRun { .. } => "not run",
        }
    }

    /// The cause in one line, empty for a pass.
    #[must_use]
    pub fn cause(&self) -> String {
        match self {
            Self::Passed => String::new(),
            Self::Failed { cause } => cause.clone(),
            Self::Skipped { reason } => reason.clone(),
            Self::TimedOut {
                phase: Phase::Boot,
                limit_ms,
            } => {
                format!("the guest was not ready within {}", seconds(*limit_ms))
            }
            Self::TimedOut {
                phase: Phase::Test,
                limit_ms,
            } => {
                format!("the test did not end within {}", seconds(*limit_ms))
            }
            Self::GuestPanicked { message }
            | Self::GuestOopsed { message }
            | Self::QemuDidNotStart { message }
            | Self::HarnessError { message } => message.clone(),
            Self::QemuCrashed { signal, message } => {
                let signal =
                    signal_name(*signal).map_or_else(|| format!("signal {signal}"), str::to_owned);
                let message = message.as_ref().map(|text| format!(": {text}"));
                format!("QEMU was killed by {signal}{}", message.unwrap_or_default())
            }
            Self::LostGuest { how } => how.clone(),
            Self::NotRun { why } => why.clone(),
        }
    }

    /// Whether a run with this outcome may still succeed.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Passed | Self::Skipped { .. })
    }

    /// Whether Kiln or the host is at fault, not the tested software.
    #[must_use]
    pub fn is_infrastructure(&self) -> bool {
        matches!(self, Self::HarnessError { .. } | Self::NotRun { .. })
    }

    /// The exit status of the helper command `qemu` of a host script.
    #[must_use]
    pub fn status(&self) -> i32 {
        match self {
            Self::Passed => 0,
            Self::Failed { .. } => 1,
            Self::Skipped { .. } => STATUS_SKIP,
            Self::HarnessError { .. } | Self::NotRun { .. } => STATUS_HARD_ERROR,
            Self::TimedOut { .. } => 124,
            Self::GuestPanicked { .. }
            | Self::GuestOopsed { .. }
            | Self::QemuCrashed { .. }
            | Self::QemuDidNotStart { .. }
            | Self::LostGuest { .. } => 125,
        }
    }
}

/// The exit status with which a test skips itself (automake, `kvm-unit-tests`).
pub const STATUS_SKIP: i32 = 77;
/// The exit status of a test that could not even be tried (automake).
pub const STATUS_HARD_ERROR: i32 = 99;

fn seconds(ms: u64) -> String {
    let text = format!("{}.{:03}", ms / 1000, ms % 1000);
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_name_cause_and_status() {
        let message = || "m".to_owned();
        let check = |outcome: Outcome, word, cause: &str, status, success| {
            assert_eq!(outcome.label(), word);
            assert_eq!(outcome.cause(), cause, "{word}");
            assert_eq!(outcome.status(), status, "{word}");
            assert_eq!(outcome.is_success(), success, "{word}");
        };
        check(Outcome::Passed, "passed", "", 0, true);
        check(
            Outcome::Failed { cause: message() },
            "failed",
            "m",
            1,
            false,
        );
        check(
            Outcome::Skipped { reason: message() },
            "skipped",
            "m",
            77,
            true,
        );
        check(
            Outcome::timed_out(Phase::Boot, Duration::from_secs(20)),
            "timed out",
            "the guest was not ready within 20 s",
            124,
            false,
        );
        check(
            Outcome::timed_out(Phase::Test, Duration::from_millis(1500)),
            "timed out",
            "the test did not end within 1.5 s",
            124,
            false,
        );
        check(
            Outcome::GuestPanicked { message: message() },
            "guest panicked",
            "m",
            125,
            false,
        );
        check(
            Outcome::GuestOopsed { message: message() },
            "guest oopsed",
            "m",
            125,
            false,
        );
        let crashed = Outcome::QemuCrashed {
            signal: 11,
            message: Some("x.c:1: Assertion `y' failed.".to_owned()),
        };
        check(
            crashed,
            "QEMU crashed",
            "QEMU was killed by SIGSEGV: x.c:1: Assertion `y' failed.",
            125,
            false,
        );
        let crashed = Outcome::QemuCrashed {
            signal: 40,
            message: None,
        };
        check(
            crashed,
            "QEMU crashed",
            "QEMU was killed by signal 40",
            125,
            false,
        );
        let silent = Outcome::QemuDidNotStart { message: message() };
        check(silent, "QEMU did not start", "m", 125, false);
        check(
            Outcome::LostGuest { how: message() },
            "lost guest",
            "m",
            125,
            false,
        );
        check(
            Outcome::HarnessError { message: message() },
            "harness error",
            "m",
            99,
            false,
        );
        check(
            Outcome::NotRun { why: message() },
            "not run",
            "m",
            99,
            false,
        );
    }

    #[test]
    fn seconds_are_printed_without_needless_digits() {
        for (ms, text) in [
            (1000, "1 s"),
            (1500, "1.5 s"),
            (1230, "1.23 s"),
            (1005, "1.005 s"),
        ] {
            assert_eq!(seconds(ms), text);
        }
    }
}

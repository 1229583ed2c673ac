//! How a QEMU exits after its guest ended.

use std::time::Duration;

use qemu::{Exit, Vm};
use session::Conducted;
use verdict::outcome::Outcome;

/// Adds QEMU's message about a crash after the guest's end.
pub(super) fn explained(outcome: Outcome, explanation: Option<&str>) -> Outcome {
    match (outcome, explanation) {
        (
            Outcome::QemuCrashed {
                signal,
                message: None,
            },
            Some(line),
        ) => Outcome::QemuCrashed {
            signal,
            message: Some(line.to_owned()),
        },
        (Outcome::Failed { cause }, Some(line)) if cause.starts_with(ENDED_WITH) => {
            Outcome::Failed {
                cause: format!("{cause}: {line}"),
            }
        }
        (outcome, _) => outcome,
    }
}

/// The start of the cause if QEMU failed after a pass.
const ENDED_WITH: &str = "QEMU exited with status ";

/// Ends QEMU. After a pass it is asked to quit, so that its images are complete for the host
/// script. A QEMU that fails while it quits does not pass.
pub(super) fn end(vm: &Vm, mut conducted: Conducted, limit: Duration) -> Conducted {
    if conducted.outcome != Outcome::Passed {
        vm.kill();
        return conducted;
    }
    let exit = vm.quit(limit);
    let failed = |cause: String| Outcome::Failed { cause };
    let seconds = limit.as_secs_f64();
    conducted.outcome = match exit {
        _ if vm.was_killed() => failed(format!("QEMU did not exit within {seconds} s of `quit`")),
        Exit::Code(0) => Outcome::Passed,
        Exit::Code(status) => failed(format!("{ENDED_WITH}{status} after `quit`")),
        Exit::Signal(signal) => Outcome::QemuCrashed {
            signal,
            message: None,
        },
    };
    conducted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_exit_after_a_pass_is_explained() {
        let check = |outcome: Outcome, line: Option<&str>, expect: &str| {
            assert_eq!(explained(outcome, line).cause(), expect);
        };
        let crashed = |message: Option<&str>| Outcome::QemuCrashed {
            signal: 6,
            message: message.map(str::to_owned),
        };
        let failed = |cause: &str| Outcome::Failed {
            cause: cause.to_owned(),
        };
        check(crashed(None), None, "QEMU was killed by SIGABRT");
        check(crashed(None), Some("x"), "QEMU was killed by SIGABRT: x");
        check(
            crashed(Some("y")),
            Some("x"),
            "QEMU was killed by SIGABRT: y",
        );
        let ended = failed("QEMU exited with status 1 after `quit`");
        check(
            ended,
            Some("x"),
            "QEMU exited with status 1 after `quit`: x",
        );
        check(failed("exit status 1"), Some("x"), "exit status 1");
    }
}

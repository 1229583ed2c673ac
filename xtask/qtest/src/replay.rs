//! Replays a stream with a QEMU, and judges the ending.

use std::time::Duration;

use crate::crash::{CrashKind, Ending, ending};
use crate::error::QtestError;
use crate::session::{Session, Spec};
use crate::stream::{Step, Stream};

/// How long to wait for a QEMU that replied to everything to exit by itself.
const SETTLE: Duration = Duration::from_millis(200);

/// The result of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// How it ended.
    pub ending: Ending,
    /// The commands that were sent, with QEMU's replies.
    pub steps: Vec<Step>,
    /// Commands that QEMU refused.
    pub refused: usize,
}

/// The ending that a user expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// QEMU executes everything.
    Survives,
    /// An assertion fails.
    Assert,
    /// A sanitizer reports an error.
    Sanitizer,
    /// A signal ends QEMU.
    Signal,
    /// QEMU does not reply.
    Hang,
    /// Every reply is as it was recorded.
    Same,
}

/// Replays commands. Fails only if the host is at fault, not QEMU.
pub fn replay(spec: &Spec<'_>, commands: &[String]) -> Result<Replay, QtestError> {
    let mut session = Session::start(spec)?;
    let mut replay = Replay {
        ending: Ending::Survived,
        steps: Vec::new(),
        refused: 0,
    };
    for command in commands {
        let result = session.command(command);
        replay.steps.push(Step {
            command: command.clone(),
            replies: session.take_lines(),
        });
        match result {
            Ok(_) => {}
            Err(QtestError::Refused { .. } | QtestError::Reply { .. }) => replay.refused += 1,
            Err(error) => {
                let has_run = replay.steps.len() > 1;
                replay.ending = judged(error, has_run)?;
                return Ok(replay);
            }
        }
    }
    // Waits for bottom halves that run after the last reply.
    if let Err(error) = session.command("endianness") {
        replay.ending = judged(error, true)?;
    } else if let Some(exit) = session.settle(SETTLE) {
        replay.ending = ending(exit, &session.log(), true);
    }
    Ok(replay)
}

/// The ending of QEMU after a failed command. Returns errors of the host.
pub(crate) fn judged(error: QtestError, has_run: bool) -> Result<Ending, QtestError> {
    match error {
        QtestError::Ended { exit, log, .. } => Ok(ending(exit, &log, has_run)),
        QtestError::Deadline {
            command, activity, ..
        } => Ok(Ending::Hung { command, activity }),
        error => Err(error),
    }
}

impl Replay {
    /// Why the ending differs from the expected one, if it does.
    #[must_use]
    pub fn unexpected(&self, expect: Expect, recorded: &Stream) -> Option<String> {
        let is_crash = |wanted: CrashKind| matches!(&self.ending, Ending::Crashed(crash) if crash.kind == wanted);
        let met = match expect {
            Expect::Survives => self.ending == Ending::Survived,
            Expect::Assert => is_crash(CrashKind::Assertion),
            Expect::Sanitizer => is_crash(CrashKind::Sanitizer),
            Expect::Signal => is_crash(CrashKind::Signal),
            Expect::Hang => matches!(self.ending, Ending::Hung { .. }),
            Expect::Same => return self.difference(recorded),
        };
        (!met).then(|| self.ending.to_string())
    }

    /// The first reply that differs from the recorded one. A command without a recorded reply is
    /// not compared.
    fn difference(&self, recorded: &Stream) -> Option<String> {
        for (found, old) in self.steps.iter().zip(&recorded.steps) {
            if !old.replies.is_empty() && found.replies != old.replies {
                let [old, new] = [&old.replies, &found.replies].map(|it| it.join(", "));
                let command = &found.command;
                return Some(format!("`{command}`: recorded `{old}`, found `{new}`"));
            }
        }
        let missing = recorded.steps.len() > self.steps.len();
        (missing || self.ending != Ending::Survived).then(|| self.ending.to_string())
    }
}

#[cfg(test)]
mod tests {
    use host::test_time::Activity;

    use super::*;
    use crate::crash::Crash;

    fn stream(text: &str) -> Stream {
        Stream::parse(text).unwrap()
    }

    fn replayed(text: &str, ending: Ending) -> Replay {
        Replay {
            ending,
            steps: stream(text).steps,
            refused: 0,
        }
    }

    #[test]
    fn expected_ending_is_compared() {
        let crash = |kind| {
            Ending::Crashed(Crash {
                kind,
                identity: "f: x".to_owned(),
            })
        };
        let hung = || Ending::Hung {
            command: "inb 1".to_owned(),
            activity: Activity::Computing,
        };
        let recorded = stream("> inb 1\n");
        let check = |expect, ending: Ending, why: Option<&str>| {
            let replay = replayed("> inb 1\n", ending);
            assert_eq!(replay.unexpected(expect, &recorded).as_deref(), why);
        };
        check(Expect::Survives, Ending::Survived, None);
        check(
            Expect::Survives,
            hung(),
            Some("QEMU did not reply to `inb 1`: it is computing"),
        );
        check(Expect::Assert, crash(CrashKind::Assertion), None);
        check(Expect::Assert, Ending::Survived, Some("QEMU survived"));
        check(Expect::Sanitizer, crash(CrashKind::Sanitizer), None);
        let found = Some("an assertion failed: f: x");
        check(Expect::Sanitizer, crash(CrashKind::Assertion), found);
        check(Expect::Signal, crash(CrashKind::Signal), None);
        check(Expect::Hang, hung(), None);
    }

    #[test]
    fn first_different_reply_is_reported() {
        let recorded = stream("> inb 1\n< OK 0x01\n> inb 2\n< OK 0x02\n");
        let check = |text: &str, why: Option<&str>| {
            let replay = replayed(text, Ending::Survived);
            assert_eq!(replay.unexpected(Expect::Same, &recorded).as_deref(), why);
        };
        check("> inb 1\n< OK 0x01\n> inb 2\n< OK 0x02\n", None);
        check(
            "> inb 1\n< OK 0x01\n> inb 2\n< OK 0x03\n",
            Some("`inb 2`: recorded `OK 0x02`, found `OK 0x03`"),
        );
    }
}

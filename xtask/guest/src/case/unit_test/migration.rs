//! Migrates a test that requests it, like `run_migration` of `scripts/arch-run.bash`.
//!
//! A guest prints its request and waits for a character. `Now migrate the VM`: it is migrated once,
//! and then gets the character. `Begin continuous migration`: it gets the character, and is
//! migrated until it prints `End continuous migration`. `Skipped VM migration`: it gets the
//! character.

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use verdict::outcome::Outcome;
use verdict::text;

use super::Line;
use crate::case::watched::{Broken, Ended, Machine, Starter};

/// Time limit of an answer over QMP.
const ANSWER: Duration = Duration::from_secs(20);
/// Time limit for a QEMU to exit once its guest has left.
const QUIT: Duration = Duration::from_secs(10);

/// The request of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Once,
    Continuous,
    Skip,
}

/// The first request in the output of a guest. Only one may be skipped.
fn request(console: &str, has_skipped: bool) -> Option<Request> {
    let says = |text: &str| console.contains(text);
    if says("Begin continuous migration") {
        Some(Request::Continuous)
    } else if says("Now migrate the VM") {
        Some(Request::Once)
    } else if says("Skipped VM migration") && !has_skipped {
        Some(Request::Skip)
    } else {
        None
    }
}

/// Why the migrations end.
enum Stop {
    Broken(Broken),
    Failed(Outcome),
    Ended(Ended),
}

impl<T: Into<Broken>> From<T> for Stop {
    fn from(error: T) -> Self {
        Self::Broken(error.into())
    }
}

fn failed<T>(cause: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Failed(Outcome::Failed {
        cause: cause.into(),
    }))
}

/// Migrates until the test ends. Returns how it ended, or the outcome of a failed migration.
/// `machine` is then the QEMU that the guest is in.
pub(super) fn watch<'a>(
    starter: &'a Starter<'_>,
    machine: &mut Machine<'a>,
    line: &Line<'_>,
) -> Result<Result<Ended, Outcome>, Broken> {
    match follow(starter, machine, line) {
        Stop::Broken(broken) => Err(broken),
        Stop::Failed(outcome) => Ok(Err(outcome)),
        Stop::Ended(ended) => Ok(Ok(ended)),
    }
}

fn follow<'a>(starter: &'a Starter<'_>, machine: &mut Machine<'a>, line: &Line<'_>) -> Stop {
    let mut has_skipped = false;
    let mut count = 0_usize;
    let mut step = || -> Result<(), Stop> {
        let ended = machine.watch(|machine| request(&machine.console(), has_skipped).is_some());
        match ended {
            Ended::Stopped => {}
            Ended::Exited(_) if count == 0 && !has_skipped => {
                return failed("the test ended before it asked for a migration");
            }
            ended => return Err(Stop::Ended(ended)),
        }
        match request(&machine.console(), has_skipped) {
            Some(Request::Skip) | None => {
                has_skipped = true;
                answer(machine)
            }
            Some(Request::Once) => {
                count += 1;
                let is_last = migrate(starter, machine, line, count)?;
                if is_last {
                    return failed("the test ended a continuous migration that it had not begun");
                }
                answer(machine)
            }
            Some(Request::Continuous) => {
                answer(machine)?;
                loop {
                    count += 1;
                    if migrate(starter, machine, line, count)? {
                        return answer(machine);
                    }
                }
            }
        }
    };
    loop {
        if let Err(stop) = step() {
            return stop;
        }
    }
}

/// Sends the character that the guest waits for.
fn answer(machine: &Machine<'_>) -> Result<(), Stop> {
    let mut input = machine.vm.console_input()?;
    // A guest that has ended meanwhile reads nothing, and its end is reported next.
    let _gone = input.write_all(b"\n");
    Ok(())
}

/// Moves the guest to a new QEMU. Returns whether it had already printed the end of a continuous
/// migration.
fn migrate<'a>(
    starter: &'a Starter<'_>,
    machine: &mut Machine<'a>,
    line: &Line<'_>,
    number: usize,
) -> Result<bool, Stop> {
    let incoming = ["-incoming".to_owned(), "defer".to_owned()];
    let mut destination = starter.start(&|fds| line.argv(fds, &incoming))?;
    let uri = format!("unix:{}/migration{number}", starter.setting.scratch);
    tell(&destination, "migrate-incoming", json!({ "uri": uri }))?;
    let events = json!({ "capabilities": [{ "capability": "events", "state": true }] });
    tell(machine, "migrate-set-capabilities", events)?;
    tell(machine, "migrate", json!({ "uri": uri }))?;
    let is_over = |machine: &Machine<'_>| {
        let status = machine.migration.as_deref();
        matches!(status, Some("completed" | "failed" | "cancelled"))
    };
    match machine.watch(is_over) {
        Ended::Stopped if machine.migration.as_deref() == Some("completed") => {}
        Ended::Stopped => {
            let messages = destination.messages();
            let why = text::last_line(messages.as_bytes()).unwrap_or_default();
            return failed(format!("migration {number} failed: {why}"));
        }
        Ended::Exited(exit) => {
            return failed(format!("QEMU ended during migration {number} ({exit})"));
        }
        ended => return Err(Stop::Ended(ended)),
    }
    machine.vm.quit(QUIT);
    match machine.watch(|_| false) {
        Ended::Exited(_) => {}
        ended => return Err(Stop::Ended(ended)),
    }
    let ends = machine.console().contains("End continuous migration");
    destination.take_messages_of(machine);
    *machine = destination;
    Ok(ends)
}

fn tell(machine: &Machine<'_>, command: &str, arguments: Value) -> Result<(), Stop> {
    match machine.vm.execute(command, arguments, ANSWER) {
        Ok(_) => Ok(()),
        Err(error) => failed(host::causes::one_line(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_asks_for_migrations() {
        let check = |console: &str, has_skipped, expect| {
            assert_eq!(request(console, has_skipped), expect, "{console}");
        };
        check("PASS: a\n", false, None);
        check(
            "Now migrate the VM, then press a key\n",
            false,
            Some(Request::Once),
        );
        check("Now migrate the VM (quiet)\n", false, Some(Request::Once));
        let continuous = "Begin continuous migration (quiet)\n";
        check(continuous, true, Some(Request::Continuous));
        check("Skipped VM migration\n", false, Some(Request::Skip));
        check("Skipped VM migration\n", true, None);
        check(
            "Skipped VM migration\nNow migrate the VM\n",
            true,
            Some(Request::Once),
        );
    }
}

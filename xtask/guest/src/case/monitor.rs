//! Helper commands of both scripts: `choose`, `post`, and the monitor commands.

use std::fmt::Display;
use std::time::Duration;

use host::wait::Limit;
use qemu::qmp;

use super::Case;
use helpers::event::Expected;
use helpers::{Reply, monitor};

/// Time limit of an answer from QEMU's monitor.
pub(super) const MONITOR_WAIT: Duration = Duration::from_secs(30);

/// The longest time limit in seconds.
const YEAR: u64 = 365 * 24 * 3600;

/// The start of an error message of the human monitor (QEMU's `hmp_handle_error` and
/// `monitor/hmp.c`).
const REFUSALS: &[&str] = &["Error: ", "unknown command: ", "Try \"help ", "Command '"];

/// The script that calls a helper command.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    /// The QMP client of a guest's own QEMU.
    pub(super) own: Option<&'a qmp::Client>,
    /// Whether it has exited.
    pub(super) is_gone: &'a dyn Fn() -> bool,
}

/// Whether a command may wait.
pub(super) fn is_slow(word: &str) -> bool {
    matches!(
        word,
        "qmp" | "qmp_wait" | "hmp" | "wait_ready" | "plug" | "slot" | "unplug" | "await"
    )
}

impl Case<'_> {
    /// Carries out a command that both scripts have.
    pub(super) fn shared_word(
        &self,
        word: &str,
        args: &[String],
        asker: Asker<'_>,
    ) -> Option<Reply> {
        match word {
            "choose" | "named_choose" => Some(self.choose(word, args)),
            "post" => Some(self.post(args)),
            "await" => Some(self.wait_for_point(args, asker)),
            "time_limit" => Some(self.renew_limit(args)),
            "test_seconds" => Some(Reply::done(format!("{}\n", self.clock.now().as_secs()))),
            _ if is_slow(word) => Some(self.monitor_word(word, args, asker)),
            _ => None,
        }
    }

    /// Gives the test this many seconds from now on.
    fn renew_limit(&self, args: &[String]) -> Reply {
        let seconds = args.first().and_then(|text| text.parse().ok());
        let Some(seconds @ 1..=YEAR) = seconds else {
            return Reply::error(
                2,
                "time_limit: expected a number of seconds, at most a year",
            );
        };
        if !self.setting.config.debug.is_unlimited() {
            let limit = self.setting.scaled(Duration::from_secs(seconds));
            self.clock.renew_limit(limit);
        }
        Reply::done("")
    }

    fn choose(&self, word: &str, args: &[String]) -> Reply {
        let Some((name, words)) = args.split_first() else {
            return Reply::error(2, "choose: expected a name");
        };
        let choice = match &self.qemu_test {
            Some(qemu_test) if word == "choose" => self.chooser.choose(&qemu_test.name(args), args),
            _ => self.chooser.choose(name, words),
        };
        match choice {
            Ok(word) => Reply::done(format!("{word}\n")),
            Err(error) => Reply::error(2, error),
        }
    }

    fn monitor_word(&self, word: &str, args: &[String], asker: Asker<'_>) -> Reply {
        let failed = |status, why: &dyn Display| Reply::error(status, format!("{word}: {why}"));
        let (which, args) = match guest_option(args) {
            Ok(found) => found,
            Err(why) => return failed(2, &why),
        };
        let left = self.clock.deadline(self.setting.scaled(super::WAIT_FOR));
        let limit = Limit::while_left(&left).or_if(asker.is_gone);
        if word == "wait_ready" {
            return match self.roster.ready(which, limit) {
                Ok(()) => Reply::done(""),
                Err(error) => failed(1, &error),
            };
        }
        let client = match (which, asker.own) {
            (None, Some(own)) => Ok(own.clone()),
            (which, _) => self.roster.monitor(which, limit),
        };
        let client = match client {
            Ok(client) => client,
            Err(error) => return failed(1, &error),
        };
        match word {
            "qmp" => execute(&client, args, MONITOR_WAIT.min(self.test_limit())),
            "hmp" => human(&client, args),
            "plug" => self.plug(&client, args),
            "slot" => self.slot(&client, args, asker),
            "unplug" => self.unplug(&client, args, asker),
            _ => self.wait_for_event(&client, args, asker),
        }
    }

    fn wait_for_event(&self, client: &qmp::Client, args: &[String], asker: Asker<'_>) -> Reply {
        let expected = match Expected::parse(args) {
            Ok(expected) => expected,
            Err(error) => return Reply::error(2, error),
        };
        let time = match expected.timeout {
            Some(time) => self.stretched(time),
            None => self.setting.scaled(super::WAIT_FOR),
        };
        let left = self.clock.deadline(time);
        let limit = Limit::while_left(&left).or_if(asker.is_gone);
        let fits = |event: &qemu::RawEvent| expected.fits(event);
        let inbox = client.inbox();
        match inbox.take(fits, limit) {
            Ok(event) => serde_json::to_string(&event).map_or_else(
                |error| Reply::error(1, error),
                |text| Reply::done(text + "\n"),
            ),
            Err(qmp::NoEvent::Deadline) => {
                let seconds = time.as_secs_f64();
                let hint = self.release_hint(client, &expected).unwrap_or_default();
                Reply::error(
                    1,
                    format!("qmp_wait: no {expected} within {seconds} s{hint}"),
                )
            }
            Err(why) => Reply::error(1, format!("qmp_wait {expected}: {why}")),
        }
    }
}

/// Parses `-g GUEST` or `--guest GUEST` at the start of a command's arguments.
pub(super) fn guest_option(args: &[String]) -> Result<(Option<&str>, &[String]), &'static str> {
    let missing = "`--guest` takes the number of a guest, or its name";
    match args {
        [option, rest @ ..] if matches!(option.as_str(), "-g" | "--guest") => {
            let (which, rest) = rest.split_first().ok_or(missing)?;
            Ok((Some(which), rest))
        }
        [option, rest @ ..] if option.starts_with("--guest=") => {
            Ok((option.strip_prefix("--guest="), rest))
        }
        _ => Ok((None, args)),
    }
}

fn execute(client: &qmp::Client, args: &[String], wait: Duration) -> Reply {
    let command = match monitor::parse(args) {
        Ok(command) => command,
        Err(error) => return Reply::error(2, error),
    };
    match client.execute(&command.command, command.arguments, wait) {
        Ok(value) => Reply::done(format!("{value}\n")),
        Err(error) => Reply::error(1, format!("qmp {}: {error}", command.command)),
    }
}

fn human(client: &qmp::Client, args: &[String]) -> Reply {
    if args.is_empty() {
        return Reply::error(2, "hmp: expected a command line");
    }
    let line = args.join(" ");
    match client.human(&line, MONITOR_WAIT) {
        Ok(text) if refuses(&text) => Reply::error(1, format!("hmp {line}: {}", text.trim_end())),
        Ok(text) => Reply::done(text),
        Err(error) => Reply::error(1, format!("hmp {line}: {error}")),
    }
}

/// Whether a text of the human monitor, which has no status, is an error message.
fn refuses(text: &str) -> bool {
    let refusal = |line: &str| REFUSALS.iter().any(|start| line.starts_with(start));
    text.lines().any(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_option_precedes_the_command() {
        let check = |line: &str, which: Option<&str>, rest: &str| {
            let args: Vec<_> = line.split(' ').map(str::to_owned).collect();
            let (found, left) = guest_option(&args).unwrap();
            assert_eq!((found, left.join(" ").as_str()), (which, rest), "{line}");
        };
        check("-g 2 query-status", Some("2"), "query-status");
        check("--guest source cont", Some("source"), "cont");
        check("--guest=source cont", Some("source"), "cont");
        check("info -g 2", None, "info -g 2");
        assert!(guest_option(&["-g".to_owned()]).is_err());
    }

    #[test]
    fn hmp_refusals_differ_from_answers() {
        let check = |text: &str, refused| assert_eq!(refuses(text), refused, "{text}");
        check("VM status: running\n", false);
        check("", false);
        check("Error: Device 'x' not found\n", true);
        check("unknown command: 'nonsense'\n", true);
        check(
            "device_add: string expected\nTry \"help device_add\" for more information\n",
            true,
        );
        check("drive0: errors=2, Error: no\n", false);
    }
}

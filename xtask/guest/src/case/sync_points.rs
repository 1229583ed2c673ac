//! Synchronisation points of the two scripts of a test: `post` and `await`.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use host::wait::{self, Limit};
use verdict::outcome::Outcome;

use super::Case;
use super::monitor::Asker;
use helpers::Reply;

/// The reached points, and those that a script waits for.
#[derive(Default)]
pub(super) struct Points {
    table: Mutex<Table>,
    changed: Condvar,
}

#[derive(Default)]
struct Table {
    /// The reached points with their texts.
    reached: BTreeMap<String, String>,
    waiting: Vec<(Script, String)>,
}

/// The waiting script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    Host,
    Guest,
}

impl Script {
    fn name(self) -> &'static str {
        match self {
            Self::Host => "`in_host`",
            Self::Guest => "`in_guest`",
        }
    }
}

/// Two scripts wait for each other.
pub(super) struct Deadlock {
    pub(super) cause: String,
    /// Whether the wait ended because the guests did.
    pub(super) guests_ended: bool,
}

/// A point was not reached.
#[derive(Debug, PartialEq, Eq)]
struct NotReached {
    /// The point that the other script waited for at that time.
    other: Option<String>,
}

impl Points {
    /// Records that a point is reached. A repeated post replaces the text.
    fn post(&self, name: &str, text: String) {
        self.lock().reached.insert(name.to_owned(), text);
        self.changed.notify_all();
    }

    /// Waits for a point. Returns its text.
    fn wait(&self, name: &str, script: Script, limit: Limit<'_>) -> Result<String, NotReached> {
        let entry = (script, name.to_owned());
        self.lock().waiting.push(entry.clone());
        let reached = wait::until(&self.table, &self.changed, limit, |table| {
            table.reached.get(name).cloned()
        });
        let mut table = self.lock();
        if let Some(mine) = table.waiting.iter().position(|waits| *waits == entry) {
            table.waiting.remove(mine);
        }
        let mut others = table.waiting.iter();
        let other =
            others.find(|(waits, point)| *waits != script && !table.reached.contains_key(point));
        let other = other.map(|(_, point)| point.clone());
        reached.map_err(|_| NotReached { other })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Case<'_> {
    /// `post NAME [TEXT]`.
    pub(super) fn post(&self, args: &[String]) -> Reply {
        let Some((name, text)) = args.split_first() else {
            return Reply::error(2, "post: expected a name");
        };
        self.points.post(name, text.join(" "));
        Reply::done("")
    }

    /// `await NAME [SECONDS]`: fails at once if no guest is left that could reach the point.
    pub(super) fn wait_for_point(&self, args: &[String], asker: Asker<'_>) -> Reply {
        let (name, limit) = match args {
            [name] => (name, self.setting.scaled(super::WAIT_FOR)),
            [name, seconds] => {
                let Some(limit) = plan::duration::seconds(seconds) else {
                    let why = format!("await: expected a number of seconds, found `{seconds}`");
                    return Reply::error(2, why);
                };
                (name, self.stretched(limit))
            }
            _ => return Reply::error(2, "await: expected a name"),
        };
        let alone = || asker.own.is_none() && self.roster.all_ended();
        let is_gone = || alone() || (asker.is_gone)();
        let left = self.clock.deadline(limit);
        let until = Limit::while_left(&left).or_if(&is_gone);
        let script = if asker.own.is_none() {
            Script::Host
        } else {
            Script::Guest
        };
        match self.points.wait(name, script, until) {
            Ok(text) if text.is_empty() => Reply::done(""),
            Ok(text) => Reply::done(text + "\n"),
            Err(not_reached) => {
                let guests_ended = alone();
                if let Some(other) = not_reached.other {
                    self.state().deadlock.get_or_insert_with(|| Deadlock {
                        cause: deadlock(script, name, &other),
                        guests_ended,
                    });
                }
                Reply::error(
                    1,
                    if guests_ended {
                        format!("await {name}: the guest has ended")
                    } else {
                        format!("await {name}: not posted within {} s", limit.as_secs_f64())
                    },
                )
            }
        }
    }

    /// If two scripts wait for each other, that is the cause of the failure. If the test ran into
    /// its limit meanwhile, it becomes a note.
    pub(super) fn with_deadlock(&self, outcome: Outcome) -> Outcome {
        let mut state = self.state();
        match (outcome, state.deadlock.take()) {
            (Outcome::Failed { .. }, Some(deadlock)) if !deadlock.guests_ended => Outcome::Failed {
                cause: deadlock.cause,
            },
            (outcome @ Outcome::TimedOut { .. }, Some(deadlock)) => {
                state.notes.push(deadlock.cause);
                outcome
            }
            (outcome, _) => outcome,
        }
    }
}

/// Two scripts wait, each for a point that only the other one could post.
fn deadlock(script: Script, point: &str, other: &str) -> String {
    let (host, guest) = match script {
        Script::Host => (point, other),
        Script::Guest => (other, point),
    };
    let (in_host, in_guest) = (Script::Host.name(), Script::Guest.name());
    format!(
        "{in_host} and {in_guest} wait for each other: {in_host} for `{host}`, {in_guest} for `{guest}`"
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sync_point_is_awaited_and_keeps_text() {
        let points = Points::default();
        let patience = |seconds| Limit::within(Duration::from_secs(seconds));
        let nobody = || Err(NotReached { other: None });
        assert_eq!(points.wait("ready", Script::Host, patience(0)), nobody());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| points.wait("ready", Script::Host, patience(60)));
            points.post("other", String::new());
            points.post("ready", "port 7".to_owned());
            assert_eq!(waiting.join().unwrap().as_deref(), Ok("port 7"));
        });
        // It stays reached for a script that waits later.
        let late = points.wait("ready", Script::Guest, patience(0));
        assert_eq!(late.as_deref(), Ok("port 7"));
        let abandoned = patience(60).or_if(&|| true);
        assert_eq!(points.wait("never", Script::Host, abandoned), nobody());
    }
    #[test]
    fn scripts_that_wait_for_each_other_are_found() {
        let points = Points::default();
        let until = |seconds| Limit::within(Duration::from_secs(seconds));
        std::thread::scope(|scope| {
            let guest = scope.spawn(|| points.wait("moved", Script::Guest, until(600)));
            let is_waiting = || !points.table.lock().unwrap().waiting.is_empty();
            while !is_waiting() {
                std::thread::yield_now();
            }
            let host = points.wait("written", Script::Host, until(0));
            let other = Some("moved".to_owned());
            assert_eq!(host, Err(NotReached { other }));
            points.post("moved", String::new());
            assert_eq!(guest.join().unwrap().as_deref(), Ok(""));
        });
        let host = points.wait("written", Script::Host, until(0));
        assert_eq!(host, Err(NotReached { other: None }));
        assert_eq!(
            deadlock(Script::Guest, "a", "b"),
            "`in_host` and `in_guest` wait for each other: `in_host` for `b`, `in_guest` for `a`"
        );
    }
}

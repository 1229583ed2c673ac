//! Points of a test that one half reaches and the other waits for: `post` and `await`.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use host::clock::monotonic;

use super::Case;
use super::monitor::Asker;
use super::roster::Patience;
use crate::words::Reply;

/// How often it is asked whether somebody still waits.
const TICK: Duration = Duration::from_millis(50);

/// The points that were reached so far, each with what was said there.
#[derive(Default)]
pub(super) struct Points {
    reached: Mutex<BTreeMap<String, String>>,
    changed: Condvar,
}

impl Points {
    /// A point is reached, now or again; the last text counts.
    fn post(&self, name: &str, text: String) {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        reached.insert(name.to_owned(), text);
        self.changed.notify_all();
    }

    /// What was said at a point, once it is reached; none where nobody will reach it in time.
    fn wait(&self, name: &str, patience: Patience<'_>) -> Option<String> {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(text) = reached.get(name) {
                return Some(text.clone());
            }
            let left = patience.deadline.saturating_duration_since(monotonic());
            if left.is_zero() || (patience.is_gone)() {
                return None;
            }
            reached = self
                .changed
                .wait_timeout(reached, left.min(TICK))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Case<'_> {
    /// `post NAME [TEXT]`.
    pub(super) fn post(&self, args: &[String]) -> Reply {
        let Some((name, text)) = args.split_first() else {
            return Reply::error(2, "post: which point?");
        };
        self.points.post(name, text.join(" "));
        Reply::done("")
    }

    /// `await NAME [SECONDS]`: ends at once when no guest is left that could reach the point.
    pub(super) fn wait_for_point(&self, args: &[String], asker: Asker<'_>) -> Reply {
        let (name, limit) = match args {
            [name] => (name, self.scaled(super::WAIT_FOR)),
            [name, seconds] => match seconds.parse() {
                Ok(seconds) => (name, Duration::from_secs(seconds)),
                Err(_) => return Reply::error(2, format!("await: `{seconds}` is no time")),
            },
            _ => return Reply::error(2, "await: which point?"),
        };
        let alone = || asker.own.is_none() && self.roster.all_ended();
        let patience = Patience {
            deadline: monotonic() + limit,
            is_gone: &|| alone() || (asker.is_gone)(),
        };
        match self.points.wait(name, patience) {
            Some(text) if text.is_empty() => Reply::done(""),
            Some(text) => Reply::done(text + "\n"),
            None if alone() => Reply::error(1, format!("await {name}: the guest has ended")),
            None => {
                let seconds = limit.as_secs_f64();
                Reply::error(1, format!("await {name}: nobody came there in {seconds} s"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_waited_for_and_keeps_what_was_said_there() {
        let points = Points::default();
        let patience = |seconds| Patience {
            deadline: monotonic() + Duration::from_secs(seconds),
            is_gone: &|| false,
        };
        assert_eq!(points.wait("ready", patience(0)), None);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| points.wait("ready", patience(60)));
            points.post("other", String::new());
            points.post("ready", "port 7".to_owned());
            assert_eq!(waiting.join().unwrap().as_deref(), Some("port 7"));
        });
        // It stays reached: whoever asks later is not late.
        assert_eq!(points.wait("ready", patience(0)).as_deref(), Some("port 7"));
        let abandoned = Patience {
            is_gone: &|| true,
            ..patience(60)
        };
        assert_eq!(points.wait("never", abandoned), None);
    }
}

//! The guests of one test. Helper commands refer to them by the order of their start, or by the
//! name from `qemu -name`.

use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use host::wait::{self, GaveUp, Limit};
use qemu::qmp;

/// The progress of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// QEMU runs.
    Started,
    /// The guest runs the guest script.
    Ready,
    /// QEMU has exited.
    Ended,
}

/// Why a script cannot use a guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RosterError {
    /// No guest was started.
    #[error("no guest was started")]
    Nobody,
    /// This guest was not started.
    #[error("no guest `{0}` was started")]
    Unknown(String),
    /// It ended before it was ready.
    #[error("the guest ended before it was ready")]
    Ended,
    /// It has ended.
    #[error("the guest has ended")]
    Gone,
    /// The caller has exited.
    #[error("cancelled: the caller has exited")]
    Abandoned,
}

struct Member {
    number: usize,
    name: Option<String>,
    client: qmp::Client,
    /// Its console input.
    keys: Option<Arc<UnixStream>>,
    life: Progress,
}

/// All guests of a test.
#[derive(Default)]
pub(super) struct Roster {
    members: Mutex<Vec<Member>>,
    changed: Condvar,
}

impl Roster {
    /// Registers a QEMU that was just started.
    pub(super) fn enter(
        &self,
        number: usize,
        name: Option<String>,
        client: qmp::Client,
        keys: Option<UnixStream>,
    ) {
        let life = Progress::Started;
        let keys = keys.map(Arc::new);
        self.lock().push(Member {
            number,
            name,
            client,
            keys,
            life,
        });
        self.changed.notify_all();
    }

    /// Records the progress of a guest.
    pub(super) fn note(&self, number: usize, life: Progress) {
        let mut members = self.lock();
        if let Some(member) = members.iter_mut().find(|member| member.number == number) {
            member.life = life;
        }
        self.changed.notify_all();
    }

    /// The monitor of a guest. Without a name, that of the last started one that still runs. Waits
    /// for a guest that is not started yet.
    pub(super) fn monitor(
        &self,
        which: Option<&str>,
        limit: Limit<'_>,
    ) -> Result<qmp::Client, RosterError> {
        self.wait(which, limit, |member| Some(Ok(member.client.clone())))
    }

    /// The console input of a guest. Otherwise like [`Roster::monitor`].
    pub(super) fn console(
        &self,
        which: Option<&str>,
        limit: Limit<'_>,
    ) -> Result<Arc<UnixStream>, RosterError> {
        self.wait(which, limit, |member| match (&member.keys, member.life) {
            (Some(keys), Progress::Started | Progress::Ready) => Some(Ok(Arc::clone(keys))),
            _ => Some(Err(RosterError::Gone)),
        })
    }

    /// Waits until a guest runs the guest script.
    pub(super) fn ready(&self, which: Option<&str>, limit: Limit<'_>) -> Result<(), RosterError> {
        self.wait(which, limit, |member| match member.life {
            Progress::Started => None,
            Progress::Ready => Some(Ok(())),
            Progress::Ended => Some(Err(RosterError::Ended)),
        })
    }

    /// Whether guests were started, and all have ended.
    pub(super) fn all_ended(&self) -> bool {
        let members = self.lock();
        !members.is_empty() && members.iter().all(|member| member.life == Progress::Ended)
    }

    fn wait<T>(
        &self,
        which: Option<&str>,
        limit: Limit<'_>,
        answer: impl Fn(&Member) -> Option<Result<T, RosterError>>,
    ) -> Result<T, RosterError> {
        let (members, changed) = (&self.members, &self.changed);
        let entered = wait::until(members, changed, limit, |members| {
            find(members, which).map(|_| ())
        });
        // A started guest ends by its own limit.
        let ends = Limit {
            deadline: None,
            countdown: None,
            ..limit
        };
        let answered = entered.and_then(|()| {
            wait::until(members, changed, ends, |members| {
                find(members, which).and_then(&answer)
            })
        });
        answered.unwrap_or_else(|gave_up| {
            Err(match (gave_up, which) {
                (GaveUp::Cancelled, _) => RosterError::Abandoned,
                (GaveUp::Deadline, None) => RosterError::Nobody,
                (GaveUp::Deadline, Some(name)) => RosterError::Unknown(name.to_owned()),
            })
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find<'a>(members: &'a [Member], which: Option<&str>) -> Option<&'a Member> {
    let Some(which) = which else {
        let running = members
            .iter()
            .rfind(|member| member.life != Progress::Ended);
        return running.or(members.last());
    };
    members
        .iter()
        .rfind(|member| member.name.as_deref() == Some(which) || member.number.to_string() == which)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn client() -> qmp::Client {
        let (near, _far) = UnixStream::pair().unwrap();
        qmp::Client::start(near, host::test_time::TestClock::default(), |_| {})
            .unwrap()
            .0
    }

    fn within<'a>(seconds: u64) -> Limit<'a> {
        Limit::within(Duration::from_secs(seconds))
    }

    #[test]
    fn guest_is_found_by_number_or_name() {
        let roster = Roster::default();
        roster.enter(1, Some("source".to_owned()), client(), None);
        roster.enter(2, None, client(), None);
        let check = |which, number| {
            let members = roster.lock();
            assert_eq!(find(&members, which).map(|member| member.number), number);
        };
        check(None, Some(2));
        check(Some("1"), Some(1));
        check(Some("source"), Some(1));
        check(Some("3"), None);
        roster.note(2, Progress::Ended);
        check(None, Some(1));
        check(Some("2"), Some(2));
        roster.note(1, Progress::Ended);
        check(None, Some(2));
    }

    #[test]
    fn helper_waits_for_a_starting_guest() {
        let roster = Roster::default();
        let none = roster.monitor(None, within(0)).err();
        assert_eq!(none, Some(RosterError::Nobody));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| roster.ready(Some("1"), within(20)));
            roster.enter(1, None, client(), None);
            roster.note(1, Progress::Ready);
            assert_eq!(waiting.join().unwrap(), Ok(()));
        });
        let unknown = roster.ready(Some("b"), within(0));
        assert_eq!(unknown, Err(RosterError::Unknown("b".to_owned())));
        roster.enter(2, None, client(), None);
        roster.note(2, Progress::Ended);
        assert_eq!(roster.ready(Some("2"), within(0)), Err(RosterError::Ended));
    }
}

//! Passes answers to a guest's calls from worker threads to the session that sends them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Interrupts a session's wait for its guest.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// An available answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The id of the call.
    pub(super) id: u64,
    /// Exit status of the command.
    pub(super) status: i32,
    /// The output of the command.
    pub(super) text: String,
}

/// The queue of answers, one per boot and per loaded snapshot: answers to earlier calls are
/// discarded, unless the snapshot was taken after the call.
#[derive(Default)]
pub struct Replies {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ready: Vec<Answer>,
    waker: Option<Waker>,
    /// Receives the answers to calls up to this number. Later ones are dropped.
    heir: Option<(Arc<Replies>, u64)>,
}

impl Replies {
    /// Answers a call, from any thread and in any order.
    pub fn put(&self, id: u64, status: i32, text: String) {
        let mut state = self.lock();
        if let Some((heir, calls)) = state.heir.clone() {
            drop(state);
            if id <= calls {
                heir.put(id, status, text);
            }
            return;
        }
        state.ready.push(Answer { id, status, text });
        let waker = state.waker.clone();
        drop(state);
        if let Some(wake) = waker {
            wake();
        }
    }

    /// Takes all available answers.
    pub(super) fn take(&self) -> Vec<Answer> {
        std::mem::take(&mut self.lock().ready)
    }

    /// The guest returned to a snapshot: it only gets answers to calls up to number `calls`.
    pub(super) fn succeed(&self, calls: u64) -> Arc<Self> {
        let mut state = self.lock();
        let heir = Self {
            state: Mutex::new(State {
                ready: std::mem::take(&mut state.ready),
                waker: state.waker.clone(),
                heir: None,
            }),
        };
        heir.lock().ready.retain(|answer| answer.id <= calls);
        let heir = Arc::new(heir);
        state.heir = Some((Arc::clone(&heir), calls));
        heir
    }

    /// From now on this session sends them.
    pub(super) fn belong_to(&self, waker: Waker) {
        self.lock().waker = Some(waker);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

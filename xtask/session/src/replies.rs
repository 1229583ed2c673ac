//! Answers to a guest's calls, from the threads that work on them to the session that sends them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Ends a session's wait for its guest.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// An answer that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The call's.
    pub(super) id: u64,
    /// Exit status of the command.
    pub(super) status: i32,
    /// What it prints.
    pub(super) text: String,
}

/// Where answers wait. One per boot and per loaded snapshot: what was asked before is not heard any
/// more, unless the snapshot was taken after the call.
#[derive(Default)]
pub struct Replies {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ready: Vec<Answer>,
    waker: Option<Waker>,
    /// Gets the answers to calls up to this number; later ones are dropped.
    heir: Option<(Arc<Replies>, u64)>,
}

impl Replies {
    /// Answers a call; from any thread, in any order.
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

    /// All that are ready.
    pub(super) fn take(&self) -> Vec<Answer> {
        std::mem::take(&mut self.lock().ready)
    }

    /// The guest is put back to a snapshot: only answers to calls up to number `calls` are for it.
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

//! Hands the conversation with a migrating guest to its next QEMU.
//!
//! A guest keeps its nonce and its sequence numbers, so its first record from the new QEMU
//! identifies it. The old session reads its channel to the end before it gives the conversation
//! away, so no record is lost or reordered.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::conversation::Conversation;
use super::replies::Waker;

/// The sessions of one test that have a guest.
#[derive(Default)]
pub struct Handoff {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: u64,
    holders: BTreeMap<u64, Holder>,
}

struct Holder {
    /// `None` until the guest was given a nonce.
    nonce: Option<String>,
    /// The guest is stopped here, and is in a migration stream or in another QEMU.
    departed: bool,
    hold: Hold,
}

/// The guest whose conversation is requested.
pub(super) enum Whose {
    /// The guest with this nonce.
    Nonce(String),
    /// The latest guest.
    Latest,
    /// The latest guest that has migrated away.
    Departed,
}

impl Holder {
    fn is(&self, whose: &Whose) -> bool {
        match whose {
            Whose::Nonce(nonce) => self.nonce.as_ref() == Some(nonce),
            Whose::Latest => true,
            Whose::Departed => self.departed,
        }
    }
}

enum Hold {
    Held(Waker),
    Asked(Heir),
    /// Its QEMU has exited, and the guest is in a file or in transit.
    Left(Box<Conversation>),
}

struct Heir {
    to: Sender<Conversation>,
    waker: Waker,
}

impl Heir {
    /// Passes the conversation on. Returns it if the heir has ended meanwhile.
    fn inherit(&self, conversation: Conversation) -> Result<(), Box<Conversation>> {
        self.to
            .send(conversation)
            .map_err(|error| Box::new(error.0))?;
        (self.waker)();
        Ok(())
    }
}

impl fmt::Debug for Handoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handoff({})", self.lock().holders.len())
    }
}

impl Handoff {
    /// Whether a guest went into a migration stream and never arrived anywhere.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let state = self.lock();
        let mut holders = state.holders.values();
        holders.any(|holder| matches!(holder.hold, Hold::Left(_)))
    }

    /// Whether no session has a guest any more.
    pub(super) fn is_over(&self) -> bool {
        self.lock().holders.is_empty()
    }

    /// Registers a session with a guest. Returns its `id`.
    pub(super) fn enter(&self, nonce: Option<&str>, waker: Waker) -> u64 {
        let mut state = self.lock();
        state.last += 1;
        let id = state.last;
        let holder = Holder {
            nonce: nonce.map(str::to_owned),
            departed: false,
            hold: Hold::Held(waker),
        };
        state.holders.insert(id, holder);
        id
    }

    /// Records the guest's nonce.
    pub(super) fn name(&self, id: u64, nonce: &str) {
        if let Some(holder) = self.lock().holders.get_mut(&id) {
            holder.nonce = Some(nonce.to_owned());
        }
    }

    /// Records whether its guest has migrated away.
    pub(super) fn departed(&self, id: u64, departed: bool) {
        if let Some(holder) = self.lock().holders.get_mut(&id) {
            holder.departed = departed;
        }
    }

    /// Requests a conversation.
    pub(super) fn ask(&self, whose: &Whose, waker: Waker) -> Option<Receiver<Conversation>> {
        let mut state = self.lock();
        let (&id, _) = state
            .holders
            .iter()
            .rev()
            .find(|(_, holder)| holder.is(whose) && !matches!(holder.hold, Hold::Asked(_)))?;
        let (to, receiver) = channel();
        let heir = Heir { to, waker };
        let holder = state.holders.remove(&id)?;
        let wake = match holder.hold {
            Hold::Left(conversation) => {
                // The receiver is still alive here.
                let _ = heir.inherit(*conversation);
                return Some(receiver);
            }
            Hold::Held(wake) => Some(wake),
            Hold::Asked(_) => None,
        };
        let hold = Hold::Asked(heir);
        state.holders.insert(id, Holder { hold, ..holder });
        drop(state);
        if let Some(wake) = wake {
            wake();
        }
        Some(receiver)
    }

    /// Whether another session requests this one's conversation.
    pub(super) fn is_asked(&self, id: u64) -> bool {
        let state = self.lock();
        matches!(
            state.holders.get(&id).map(|holder| &holder.hold),
            Some(Hold::Asked(_))
        )
    }

    /// Gives it to the requesting session, or stores it for a later request.
    pub(super) fn give(&self, id: u64, conversation: Conversation) {
        let mut state = self.lock();
        let Some(holder) = state.holders.remove(&id) else {
            return;
        };
        let left = match &holder.hold {
            Hold::Asked(heir) => heir.inherit(conversation).err(),
            Hold::Held(_) | Hold::Left(_) => Some(Box::new(conversation)),
        };
        if let Some(conversation) = left {
            let holder = Holder {
                departed: true,
                hold: Hold::Left(conversation),
                ..holder
            };
            state.holders.insert(id, holder);
        }
    }

    /// Unregisters a session.
    pub(super) fn leave(&self, id: u64) {
        self.lock().holders.remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

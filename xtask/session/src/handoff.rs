//! Who continues with a guest that migrates: the QEMU that hears of it asks the one that had it.
//!
//! A guest takes its nonce and its sequence numbers along, so the first record that comes out of
//! the new QEMU says whose guest it is. The old session reads its channel to the end before it
//! gives the conversation away: no record is lost or taken out of turn.

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
    /// None until the guest was given one.
    nonce: Option<String>,
    /// The guest is stopped here, and in a migration stream or in another QEMU.
    departed: bool,
    hold: Hold,
}

/// Whose conversation is asked for.
pub(super) enum Whose {
    /// That of the guest with this nonce.
    Nonce(String),
    /// That of the latest guest.
    Latest,
    /// That of the latest guest that has migrated away.
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
    /// Its QEMU is gone, and the guest is in a file or on its way.
    Left(Box<Conversation>),
}

struct Heir {
    to: Sender<Conversation>,
    waker: Waker,
}

impl Heir {
    /// Gives the conversation back where the heir has ended meanwhile.
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
    /// Whether a guest went into a migration stream and never came out of it.
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

    /// Enters a session that has a guest; the number is the later ones' `id`.
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

    /// The guest was given a nonce.
    pub(super) fn name(&self, id: u64, nonce: &str) {
        if let Some(holder) = self.lock().holders.get_mut(&id) {
            holder.nonce = Some(nonce.to_owned());
        }
    }

    /// Whether its guest has migrated away.
    pub(super) fn departed(&self, id: u64, departed: bool) {
        if let Some(holder) = self.lock().holders.get_mut(&id) {
            holder.departed = departed;
        }
    }

    /// Asks for a conversation.
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
                // The receiver is still here.
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

    /// Whether another session asks for this one's conversation.
    pub(super) fn is_asked(&self, id: u64) -> bool {
        let state = self.lock();
        matches!(
            state.holders.get(&id).map(|holder| &holder.hold),
            Some(Hold::Asked(_))
        )
    }

    /// Gives it to the QEMU that asks, or leaves it for the one that will.
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

    /// The session has come to its end.
    pub(super) fn leave(&self, id: u64) {
        self.lock().holders.remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

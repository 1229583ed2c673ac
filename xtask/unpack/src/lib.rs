//! Unpacks and patches source archives into trees of the store.
//!
//! An archive is treated as hostile although its hash is right: `names` has the rules for its
//! contents, `extract` writes nothing that `names` has not allowed, and `stream` limits the ratio
//! of output to input. A tree appears by rename when it is complete and never changes afterwards.
//!
//! | module | subject |
//! |---|---|
//! | `tree` | the tree of a source, from the store or newly unpacked |
//! | `stream` | decompression with limits |
//! | `extract` | writes the entries of a tar stream below a directory |
//! | `names` | which names, links and kinds of entries are allowed |
//! | `patch` | applies the patches of a recipe |
//! | `order` | the order in which the directories of a tree are filled |
//! | `error`, `event` | errors and progress events |

mod error;
mod event;
mod extract;
mod names;
mod order;
mod patch;
mod stream;
mod tree;

pub use error::{Excess, Mismatch, PatchError, Refusal, UnpackError};
pub use event::Event;
pub use order::Order;
pub use stream::Limits;
pub use tree::{Destination, tree};

#[cfg(test)]
mod tests;

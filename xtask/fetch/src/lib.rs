//! Brings pinned files into the store: from the store itself, else from their locations in order,
//! else from the mirrors.
//!
//! All downloads of sources use [`fetch`]. Only it and the store create a [`Verified`]. This crate
//! does not read the contents of a file.
//!
//! | module | subject |
//! |---|---|
//! | `file` | one file; the files that are missing |
//! | `several` | many files, several at a time |
//! | `urls` | the URLs of a file, in the order of attempts |
//! | `download` | one URL: resuming, retries, limits |
//! | `remote`, `http` | the interface to servers and clocks, and its implementation with sockets |
//! | `availability` | whether each location still has its file |
//! | `discovery` | a file that no recipe pins yet |
//! | `error`, `event` | errors and progress events |

mod availability;
mod discovery;
mod download;
mod error;
mod event;
mod file;
mod http;
mod remote;
mod several;
mod urls;

pub use availability::{Availability, LocationCheck, check_locations};
pub use discovery::{Discovered, discover};
pub use error::{Attempt, FetchError, Missing};
pub use event::{Event, Next};
pub use file::{check_offline, fetch, missing};
pub use remote::{
    Clock, ContentRange, Head, Remote, RemoteError, Remotes, Response, Resume, SystemClock,
};
pub use several::fetch_all;
pub use store::Verified;

#[cfg(test)]
mod tests;

//! Access to running guests from another command of the same checkout: `cargo xtask shell`, `monitor`
//! and `gdb`.
//!
//! A command that starts guests registers them in [`LiveGuests`] and runs a [`Server`] on a socket in its
//! private scratch directory. A link in `target/kiln/attach/` leads to this socket. Another command finds
//! it with [`client::running`], selects a guest with [`pick::pick`] and opens a channel to it. The crate
//! neither starts guests nor touches a terminal.
//!
//! | module | subject |
//! |---|---|
//! | [`guests`] | the guests of a command, while they run |
//! | [`shell`] | the terminal between a user and a shell in a guest |
//! | [`protocol`] | requests and answers |
//! | [`server`] | answers requests |
//! | [`client`] | finds servers and sends requests |
//! | [`pick`] | which guest a user means |

pub mod client;
pub mod guests;
pub mod pick;
pub mod protocol;
pub mod server;
pub mod shell;

pub use guests::{GuestSpec, LiveGuest, LiveGuests, Registered};
pub use server::Server;

/// The directory of links to the sockets of running commands, in the checkout.
pub const LINKS: &str = "target/kiln/attach";
/// The socket of QEMU's gdbstub in the guest's directory for sockets.
pub const GDB: &str = "gdb";

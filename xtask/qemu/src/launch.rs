//! Converts the request of a test to the arguments of one QEMU, in pure steps.
//!
//! | step | module | result |
//! |---|---|---|
//! | request | [`request`] | [`LaunchRequest`]: profile, image and the options of the test as given |
//! | options | `options`, `removed` | the effect of each of these options together with ours |
//! | resolved | [`resolved`] | [`Launch`]: the bare machine, devices, a typed start |
//! | key | [`key`] | [`MachineKey`]: the identity of the bare machine |
//! | arguments | [`argv`] | the command line, for a run, a terminal or a script |
//!
//! [`template`] has the launches of a guest that is saved, and of one that is restored.
//!
//! [`crate::Vm::spawn`] then starts it. Nothing here depends on the host.

pub mod argv;
pub mod key;
mod options;
mod properties;
pub mod ram_file;
mod removed;
pub mod request;
pub mod resolved;
mod scope;
mod template;
#[cfg(test)]
mod tests;

pub use key::MachineKey;
pub use request::{BootFiles, Control, Emulator, LaunchRequest, RootDisk};
pub use resolved::{BareMachine, Launch, Start};

//! One QEMU process: what the binary can do, its command line, its channels, its end.
//!
//! `guest` runs tests over this crate, `xtask` boots images with it, the host-side device tests
//! use its qtest client. It knows neither suites nor outcomes, and nothing about an architecture
//! that is not in the profile it is given. It never prints: events and errors go to the caller.

pub mod accel;
pub mod argv;
pub mod binary;
pub mod console;
pub mod devices;
pub mod error;
pub mod facts;
pub mod history;
pub mod last_words;
pub mod machine;
pub mod probe;
pub mod qmp;
pub mod qtest;
mod queue;
pub mod snapshots;
pub mod trace;
pub mod version;

pub use accel::Accel;
pub use argv::{BootFiles, Control, Launch};
pub use error::QemuError;
pub use facts::Facts;
pub use machine::{Exit, Vm, VmEvent};
pub use version::Version;

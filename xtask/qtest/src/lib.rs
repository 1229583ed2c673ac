//! Device tests without a guest: the client of QEMU's qtest protocol, and a library for tests.
//!
//! | module | subject |
//! |---|---|
//! | [`session`] | a QEMU without a guest, and every command of the protocol |
//! | [`memory`] | RAM that is shared with QEMU |
//! | [`protocol`] | the lines of the protocol |
//! | [`transcript`] | the log of a session |
//! | [`machine`] | machines as data: their features and addresses |
//! | [`fdt`] | device trees, which describe the PCI host of a machine |
//! | [`pci`] | configuration space, base address registers, capabilities |
//! | [`message`] | interrupts by messages: MSI and MSI-X |
//! | [`virtio`] | virtio devices over PCI and memory-mapped registers, split and packed virtqueues |
//! | [`trace`] | requests of disks in QEMU's traces |
//! | [`bench`] | a device test, and the machine that it runs on |
//! | [`stream`] | commands in files: transcripts, and reproducers of bug reports |
//! | `script` | streams as shell scripts for bug reports |
//! | [`replay`], [`crash`] | sends a stream to QEMU and judges the ending |
//! | [`minimize`] | shorter streams with the same ending |
//! | [`fuzz`] | traffic for a device from a seed |
//!
//! This crate knows no device and no architecture: tests and machines are in `tests/device`.
//! Selection, outcomes
//! and reports are in `suite`, `guest` and `verdict`.

pub mod allocator;
pub mod bench;
pub mod companion;
pub mod crash;
pub mod error;
pub mod fdt;
pub mod fuzz;
pub mod machine;
pub mod memory;
pub mod message;
pub mod minimize;
pub mod pci;
pub mod protocol;
mod random;
pub mod replay;
pub mod rtas;
mod script;
pub mod session;
pub mod stream;
pub mod trace;
pub mod transcript;
pub mod virtio;

pub use bench::{Bench, Failure, Test};
pub use error::QtestError;
pub use machine::Machine;
pub use protocol::{Irq, Width};
pub use qemu::Version;
pub use session::Session;

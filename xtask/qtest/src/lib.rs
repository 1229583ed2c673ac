//! Device tests without a guest: the client of QEMU's qtest protocol, and what tests need on top of it.
//!
//! | module | subject |
//! |---|---|
//! | [`session`] | a QEMU without a guest, and every command of the protocol |
//! | [`protocol`] | the lines of the protocol |
//! | [`transcript`] | what was said in a session |
//! | [`machine`] | machines as data: what each provides, and where |
//! | [`fdt`] | device trees, in which a machine describes its PCI host |
//! | [`pci`] | configuration space, base address registers, capabilities |
//! | [`virtio`] | virtio devices over PCI, split virtqueues |
//! | [`bench`] | a device test, and the machine that it runs on |
//! | [`stream`] | commands in files: transcripts, and reproducers of bug reports |
//! | [`replay`], [`crash`] | a stream sent to QEMU, and how that ended |
//! | [`minimize`] | shorter streams with the same ending |
//! | [`fuzz`] | traffic for a device, by a seed |
//!
//! It knows no device and no architecture: tests and machines are in `tests/device`. Selection, outcomes
//! and reports are in `suite`, `guest` and `verdict`.

pub mod bench;
pub mod crash;
pub mod error;
pub mod fdt;
pub mod fuzz;
pub mod machine;
pub mod minimize;
pub mod pci;
pub mod protocol;
mod random;
pub mod replay;
pub mod session;
pub mod stream;
pub mod transcript;
pub mod virtio;

pub use bench::{Bench, Failure, Test};
pub use error::QtestError;
pub use machine::Machine;
pub use protocol::{Irq, Width};
pub use session::Session;

//! One QEMU process: capabilities of the binary, command line, channels, exit.
//!
//! `guest` runs tests with this crate, `xtask` boots images, and `qtest` starts its QEMUs. It knows
//! no suites or outcomes, and of an architecture only the given profile. It never prints: events
//! and errors go to the caller.
//!
//! | module | subject |
//! |---|---|
//! | `binary`, `probe`, `facts`, `remembered`, `version` | finds a QEMU and determines its capabilities once |
//! | `accel` | decides which accelerator a run uses |
//! | `launch` | converts the request of a test to arguments, in pure steps |
//! | `vm`, `queue` | a running QEMU, with all its channels as one stream of events |
//! | `qmp`, `event`, `snapshots` | the QMP client; typed events; commands that save or load a machine |
//! | `saving` | saves the state of a guest to a file and loads it again |
//! | `console` | detects kernel errors in a console |
//! | `last_words` | finds the message that explains a crash of QEMU |
//! | `devices`, `history` | devices and events of a guest |
//! | `tools`, `trace` | `qemu-img` and similar programs; trace events |
//! | `error` | errors with hints |

pub mod accel;
pub mod binary;
pub mod console;
pub mod devices;
pub mod error;
pub mod event;
pub mod facts;
pub mod history;
pub mod last_words;
pub mod launch;
pub mod probe;
pub mod qmp;
mod queue;
pub mod remembered;
pub mod saving;
pub mod snapshots;
pub mod tools;
pub mod trace;
pub mod version;
pub mod vm;

pub use accel::Accel;
pub use error::QemuError;
pub use event::{QemuEvent, RawEvent};
pub use facts::Facts;
pub use launch::{BootFiles, Control, Emulator, Launch, LaunchRequest, RootDisk, Start};
pub use version::Version;
pub use vm::{Exit, Vm, VmEvent};

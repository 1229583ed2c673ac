//! Kernels of a developer: builds them from a source tree, finds the kernel in a build tree,
//! identifies its machine, and checks whether its config meets the needs of a guest.
//!
//! Used by `cargo xtask kernel`, `test --kernel` and `boot --kernel`. This crate does not boot a
//! kernel.

mod build;
mod config;
mod error;
mod file;
mod fragment;
mod make_error;
mod tree;

pub use build::{Configured, KernelBuild};
pub use config::{Change, Config};
pub use error::{KernelError, summary};
pub use file::{KernelFile, Target};
pub use fragment::{FragmentError, Fragments, Request};
pub use make_error::MakeError;
pub use tree::{Kernel, find};

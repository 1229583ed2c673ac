//! Kernels of a developer: finds the kernel in a build tree, identifies its machine, and checks
//! whether its config meets the needs of a guest.
//!
//! Used by `cargo xtask test --kernel` and `boot --kernel`. This crate does not boot a kernel.

mod config;
mod error;
mod file;
mod tree;

pub use config::Config;
pub use error::{KernelError, summary};
pub use file::{KernelFile, Target};
pub use tree::{Kernel, find};

//! Kernels that a developer brings: where a build tree has one, which machine it is for, and whether its
//! config has what a guest of Kiln needs.
//!
//! Used by `cargo xtask test --kernel` and `boot --kernel`. Nothing here boots a kernel.

mod config;
mod error;
mod file;
mod tree;

pub use config::Config;
pub use error::{KernelError, summary};
pub use file::{KernelFile, Target};
pub use tree::{Kernel, find};

//! Files of this host for a guest: programs with the libraries that they need, a kernel that is
//! installed, and modules with their dependencies, as an archive that is appended to the image's
//! initramfs.
//!
//! No program is run to find them: libraries are resolved as the dynamic loader does it, from ELF files and
//! `ld.so.conf`, and modules from `modules.dep` or from the modules themselves. Used by `guest` (tests)
//! and by the command line (`boot`, `--image host`).

mod archive;
mod error;
mod installed;
mod libraries;
mod loader;
mod modules;

pub use archive::{Host, Overlay, Request, append_to};
pub use error::HostFilesError;
pub use installed::{Installed, newest};
pub use modules::Modules;

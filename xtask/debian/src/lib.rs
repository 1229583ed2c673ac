//! A root file system from packages of Debian, without root and without running any of their programs:
//! the archive's index (`control`, `index`), which packages a system needs (`relation`, `version`,
//! `resolve`), the contents of a package (`deb`), and the file system that they make (`root`).
//!
//! Pure functions: which files are downloaded, and where the result is kept, is up to the caller.

mod control;
mod deb;
mod index;
mod relation;
mod resolve;
mod root;
mod version;

pub use deb::DebError;
pub use index::{Index, IndexError, Package, digest_in_release, snapshot_location, unpack_xz};
pub use resolve::{ResolveError, resolve};
pub use root::{Contents, Root, RootError};

//! Provides images and files that are not local yet: from mirrors, sources and builds.
//!
//! [`Supplier::images`] returns the images of a run and builds what cannot be fetched otherwise.
//! The
//! [`Caller`] decides whether a build may use the network and where its progress is shown.
//!
//! | module | subject |
//! |---|---|
//! | [`images`] | the images of a run, from the first origin that has them |
//! | [`fetch`] | files that later commands need, several at a time |
//! | [`distribution`] | the root file system of guests with Debian |
//! | `signature` | Debian's signature of a release |
//! | [`outlook`] | what a run would do, from what is in the store now |
//! | `record` | the lock and the archives in the repository, written after a build |
//! | [`difference`] | where a built image differs from the one in the lock |
//! | [`rebuilt`] | an image that was rebuilt, compared file by file with the promised one |
//! | [`error`] | why an image is not available |
//!
//! This crate neither prints nor reads the command line. Exit codes are the binary's.

pub mod difference;
pub mod distribution;
pub mod error;
pub mod fetch;
pub mod images;
pub mod outlook;
pub mod rebuilt;
mod record;
mod signature;

pub use error::SupplyError;
pub use images::{Caller, Supplier};

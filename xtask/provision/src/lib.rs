//! Where an image comes from: the store, the repository, a mirror, or source.
//!
//! [`Provision::images`] returns the images of a run and builds what cannot be fetched otherwise.
//! Whether a build needs the network, and where its progress is shown, is the [`Caller`]'s.
//!
//! | module | subject |
//! |---|---|
//! | [`places`] | which places are tried for an image, and in which order; pure |
//! | [`images`] | the images of a run, from the first place that has them |
//! | [`fetch`] | files that later commands need, several at a time |
//! | [`outlook`] | what a run would do, from what is in the store now |
//! | [`lock`] | images compared with `images/images.lock` |
//! | `record` | the lock and the archives in the repository, written after a build |
//! | [`difference`] | where a built image differs from the one in the lock |
//! | [`sources`] | the list of sources next to the images in the repository |
//! | [`error`] | why there is no image |
//!
//! Nothing here prints or reads the command line; exit codes are `xtask`'s.

pub mod difference;
pub mod error;
pub mod fetch;
pub mod images;
pub mod lock;
pub mod outlook;
pub mod places;
mod record;
pub mod sources;

pub use error::ProvisionError;
pub use images::{Caller, Provision};
pub use places::{Origin, Policy, Reuse};

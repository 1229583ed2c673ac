//! Finds images in the store or in the repository.
//!
//! `supply` fetches and builds the others. This crate needs neither a network nor a compiler, so
//! that
//! running tests does not either.
//!
//! | module | subject |
//! |---|---|
//! | [`origins`] | which origins are tried for an image, in which order; pure |
//! | [`images`] | the local images of a run |
//! | [`prebuilt`] | archives of images in the repository; [`payload`] finds a kernel in a compressed kernel |
//! | [`blobs`] | images from files that the store has by their digests |
//! | [`lock`] | comparison of images with `images/images.lock` |
//! | [`roots`] | what a checkout needs in the store |
//! | [`sources`] | the list of sources next to the images in the repository |
//! | [`error`] | why an image cannot be used |
//!
//! This crate neither prints nor reads the command line. Exit codes are `xtask`'s.

pub mod blobs;
pub mod error;
pub mod images;
pub mod lock;
pub mod origins;
pub mod payload;
pub mod prebuilt;
pub mod roots;
pub mod sources;

pub use error::ProvisionError;
pub use images::Provision;
pub use origins::{Origin, Policy, Reuse};

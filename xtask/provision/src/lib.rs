//! Where an image comes from, and the images that are here: in the store or in the repository.
//!
//! `supply` fetches and builds the others. Nothing here needs a network or a compiler, so that running tests
//! does not either.
//!
//! | module | subject |
//! |---|---|
//! | [`places`] | which places are tried for an image, and in which order; pure |
//! | [`images`] | the images of a run that are here |
//! | [`prebuilt`] | archives of images in the repository; [`payload`] finds a kernel in a compressed kernel |
//! | [`blobs`] | images from files that the store has by their digests |
//! | [`lock`] | images compared with `images/images.lock` |
//! | [`roots`] | what a checkout needs of the store |
//! | [`sources`] | the list of sources next to the images in the repository |
//! | [`error`] | why an image cannot be used |
//!
//! Nothing here prints or reads the command line; exit codes are `xtask`'s.

pub mod blobs;
pub mod error;
pub mod images;
pub mod lock;
pub mod payload;
pub mod places;
pub mod prebuilt;
pub mod roots;
pub mod sources;

pub use error::ProvisionError;
pub use images::Provision;
pub use places::{Origin, Policy, Reuse};

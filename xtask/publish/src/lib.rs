//! Releases: publishes images with their complete corresponding source, and checks published trees.
//!
//! [`release::plan`] makes a release as plain data. [`perform`] writes it to a [`tree::Tree`] in an
//! order
//! in which a reader never sees a binary without its source, and withdraws it in the opposite
//! order.
//! [`check`] checks a published tree and reports all problems. `xtask` finds the images and renders
//! reports. This crate does not boot or build anything.
//!
//! ```text
//! <base>/oci-layout  index.json  index.html   an OCI image layout; only these files ever change
//! <base>/signatures/<sha256 of index.json>.<key>.minisig   by digest, so that they always match an
//! index
//! <base>/blobs/sha256/<hex>                   all files by content, for Kiln mirrors
//! <base>/sources/<file>                       the upstream source archives
//! <base>/kiln-<version>/                      one release, with readable names
//! ```

pub mod area;
mod assets;
pub mod bundle;
pub mod check;
pub mod crates;
mod document;
mod draft;
#[cfg(test)]
mod fixture;
pub mod index;
mod inputs;
pub mod legal;
mod manifest;
pub mod perform;
mod provenance;
pub mod registry;
pub mod release;
pub mod repository;
pub mod retry;
pub mod s3;
mod sbom;
pub mod schema;
pub mod sign;
pub mod tree;
pub mod tree_reader;
pub mod verify;

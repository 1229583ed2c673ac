//! Releases: images published with their complete corresponding source, and the checks of what was
//! published.
//!
//! [`release::plan`] makes a release as plain data; [`perform`] writes it to a [`tree::Tree`] in an order
//! in which a reader never sees a binary without its source, and takes it away in the opposite one;
//! [`check`] walks over a published tree and says all that is wrong. `xtask` finds the images and renders
//! what is reported. Nothing here boots or builds anything.
//!
//! ```text
//! <base>/oci-layout  index.json  index.html   an OCI image layout, and the only files that ever change
//! <base>/signatures/<sha256 of index.json>.<key>.minisig   by digest: an index and its signature never part
//! <base>/blobs/sha256/<hex>                   everything, by content: what a Kiln mirror is asked for
//! <base>/sources/<file>                       the pristine archives
//! <base>/kiln-<version>/                      one release, with names for people
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

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
//!
//! | module | subject |
//! |---|---|
//! | `release`, `draft`, `inputs` | a release as plain data, and what it is made of |
//! | `perform`, `tree`, `s3`, `registry` | writes a release to a directory, a bucket or an OCI registry, and withdraws it |
//! | `retry` | retries requests |
//! | `manifest`, `index`, `schema` | the documents of a tree and their versions |
//! | `assets`, `document` | the facts for tests of other projects; texts for people |
//! | `legal`, `sbom`, `provenance`, `crates`, `bundle` | licences, bill of materials, provenance, source bundle |
//! | `sign` | signatures in the format of minisign |
//! | `check`, `tree_reader` | checks a published tree completely |
//! | `verify`, `area` | the promises of a release, for a comparison with a build |
//! | `repository` | the files in git that belong to a release |

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

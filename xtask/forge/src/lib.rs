//! Turns a plan into files: performs its steps and packs ready images.
//!
//! [`build`] performs a plan. Everything from outside passes through [`fetch`], everything that is
//! kept passes through [`store`], and a recipe's script sees what [`sandbox`] shows. This crate
//! never prints: progress is sent as [`event::Event`].
//!
//! | module | subject |
//! |---|---|
//! | [`build`] | performs a plan: walks back from the wanted steps, fetches, unpacks, builds |
//! | [`gather`] | copies files of earlier steps into the content of an image |
//! | [`initramfs`] | resolves the entries of an initramfs to bytes |
//! | [`prebuilt`] | packs images for the repository |
//! | [`generated`] | digests of files that programs of the host generated |
//! | [`repro`] | compares two builds of the same steps |
//! | [`event`] | progress events |

pub mod build;
pub mod event;
pub mod gather;
pub mod generated;
pub mod initramfs;
pub mod prebuilt;
pub mod repro;

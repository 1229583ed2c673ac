//! Turns a plan into files: fetches, unpacks, builds, and packs ready images.
//!
//! [`build`] performs a plan. Everything from outside passes through [`fetch`], everything that is
//! kept passes through [`store`], and a recipe's script sees what [`sandbox`] shows. This crate
//! never prints: progress is sent as [`event::Event`].

mod archive;
pub mod build;
pub mod compare;
pub mod event;
mod excerpt;
pub mod fetch;
pub mod gather;
pub mod generated;
pub mod initramfs;
pub mod prebuilt;
pub mod repro;
pub mod sandbox;
pub mod scan;
pub mod unpack;

//! Recipes to plan to keys: the pure half of Kiln.
//!
//! Everything here is a function of its arguments. No file, process, socket, environment variable,
//! clock or `HashMap` is reachable from this crate: a clippy wall (`clippy.toml`) forbids them.
//! `xtask` reads the files, `forge` performs the plan, `qemu` and `guest` read the machine profiles.
//!
//! [`load`] reads what the repository holds; [`Project::plan`] makes a [`step::Plan`] of it.

pub mod arch;
pub mod bump;
pub mod canary;
pub mod cpio;
pub mod diagnostic;
pub mod digest;
pub mod document;
pub mod duration;
pub mod generated;
pub mod key;
pub mod lock;
pub mod recipe;
pub mod size;
pub mod skeleton;
pub mod source;
pub mod spdx;
pub mod step;
pub mod suggest;
pub mod template;

mod links;
mod project;
mod relative;
mod repository;
mod resolve;
mod tree;

pub use project::{PlanError, Project, load};

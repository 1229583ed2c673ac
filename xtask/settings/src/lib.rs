//! `kiln.toml`: defaults, profiles and overrides per test, and how they combine.
//!
//! | module | subject |
//! |---|---|
//! | [`layer`] | the values of one layer, each with its origin |
//! | [`file`] | one file: text to layers and overrides, or diagnostics |
//! | [`resolve`] | files, profile, environment and flags combined |
//!
//! Everything is a function of its arguments: `xtask` reads the files and passes the flags, and
//! `runner`
//! applies the overrides.

pub mod file;
pub mod layer;
pub mod resolve;

pub use file::{Base, File, Rule};
pub use layer::{Layer, Location, Origin, Setting};
pub use resolve::{ProfileError, Resolved, Settings};

//! Renders plans, progress of builds and downloads, releases, and comparisons.

pub(crate) mod build;
mod failures;
pub(crate) mod kernel;
pub(crate) mod locations;
pub(crate) mod matrix;
pub(crate) mod plan;
pub(crate) mod release;
pub(crate) mod repro;
pub(crate) mod timings;
mod total;
pub(crate) mod verify;

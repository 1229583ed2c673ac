//! How things look: diagnostics, plans, progress of builds, results of tests.

pub(crate) mod build;
pub(crate) mod compare;
pub(crate) mod config;
pub(crate) mod coverage;
pub(crate) mod diagnostic;
pub(crate) mod locations;
pub(crate) mod plan;
pub(crate) mod quantity;
pub(crate) mod release;
pub(crate) mod repro;
pub(crate) mod store;
pub(crate) mod test;
pub(crate) mod timings;
mod total;
pub(crate) mod verify;

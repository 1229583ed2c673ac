//! Renders diagnostics, settings, test results and the store.

pub(crate) mod compare;
pub(crate) mod config;
pub(crate) mod coverage;
pub(crate) mod diagnostic;
pub mod quantity;
pub(crate) mod store;
pub(crate) mod test;

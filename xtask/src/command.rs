//! One file per subcommand. The commands that fetch, build or publish are in `builder`.

pub(crate) mod bench;
pub(crate) mod boot;
pub(crate) mod ci;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod gdb;
pub(crate) mod host_helper;
pub(crate) mod monitor;
pub(crate) mod qtest;
pub(crate) mod report;
pub(crate) mod setup;
pub(crate) mod shell;
pub mod store;
pub mod test;

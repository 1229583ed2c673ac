//! One file per subcommand.

pub(crate) mod bench;
pub(crate) mod boot;
pub(crate) mod ci;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod fetch;
pub(crate) mod host_helper;
pub(crate) mod images;
pub(crate) mod legal;
pub(crate) mod mirror_check;
pub(crate) mod publish;
pub(crate) mod rebuild;
pub(crate) mod recipe;
pub(crate) mod report;
pub(crate) mod repro;
pub(crate) mod setup;
pub(crate) mod store;
pub(crate) mod test;
pub(crate) mod toolchain;
pub(crate) mod unpublish;
pub(crate) mod verify_release;

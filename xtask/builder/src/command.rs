//! One file per subcommand.

pub(crate) mod distribution;
pub(crate) mod fetch;
pub(crate) mod images;
pub(crate) mod kernel;
pub(crate) mod legal;
pub(crate) mod mirror_check;
pub(crate) mod mutants;
pub(crate) mod provide;
pub(crate) mod publish;
pub(crate) mod rebuild;
pub(crate) mod recipe;
pub(crate) mod repro;
pub(crate) mod store;
pub(crate) mod target;
pub(crate) mod toolchain;
pub(crate) mod unpublish;
pub(crate) mod verify_release;

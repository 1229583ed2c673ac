//! Test files: their declarations, and the selection of a run.
//!
//! [`Suite::load`] parses the header of every test file. [`Suite::select`] applies a [`Filter`].
//!
//! | module | subject |
//! |---|---|
//! | [`files`] | the test files of a folder, their filter and selection |
//! | [`unselected`] | why a selection, or a part of it, has no test |
//! | [`pattern`] | what a positional argument selects: a name, a path, or a part of names |
//! | `read` | the files below `guest-tests/`, and those that are not tests |
//! | [`body`] | what a test runs, and what it needs for that |
//! | [`bare`] | bare-metal tests, and what the end of their guests means |
//! | [`device`] | device tests, each on every machine that provides what it needs |
//! | [`header`] | the TOML header of a test file, parsed without running the script |
//! | [`expression`] | filter expressions (`-E`) |
//! | [`overrides`] | changes to single tests in `kiln.toml` |
//! | [`choice`] | choices by seed, what a header offers, and all combinations |
//! | [`requirement`] | whether QEMU and the host meet a test's requirements |
//! | [`known`] | the names in released QEMUs, to detect misspelt ones |
//! | [`tree`] | reads a built tree of kvm-unit-tests |
//! | [`declared`] | the devices in test files |
//!
//! This crate neither starts programs nor queries the host: facts are arguments.

pub mod bare;
mod bare_files;
pub mod body;
pub mod choice;
pub mod declared;
pub mod device;
pub mod expression;
pub mod files;
pub mod header;
pub mod known;
pub mod ktest;
pub mod ktest_script;
pub mod overrides;
pub mod pattern;
mod read;
pub mod requirement;
pub mod tree;
pub mod unselected;

pub use body::{Body, Needs, Scripts};
pub use files::{BrokenFile, Filter, Selected, Suite, TestFile};
pub use pattern::Pattern;
pub use unselected::Unselected;

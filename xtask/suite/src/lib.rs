//! Test files: what they declare about themselves, and which of them a run selects.
//!
//! [`Suite::load`] reads the header of every test file; [`Suite::select`] applies a [`Filter`].
//!
//! | module | subject |
//! |---|---|
//! | [`files`] | the test files of a folder, their filter and selection |
//! | [`unselected`] | why a selection, or a part of it, has no test |
//! | [`pattern`] | what a positional argument selects: a name, a path, or a part of names |
//! | `read` | the files below `guest-tests/`, and those that are no tests |
//! | [`body`] | what a test runs, and what it needs for that |
//! | [`device`] | device tests, each on every machine that provides what it needs |
//! | [`header`] | the TOML header of a test file, read without running the script |
//! | [`expression`] | filter expressions (`-E`) |
//! | [`overrides`] | what `kiln.toml` changes about single tests |
//! | [`choice`] | choices by seed, what a header offers, and all combinations |
//! | [`requirement`] | whether QEMU and host have what a test requires |
//! | [`known`] | the names that released QEMUs have, to tell a misspelt one |
//! | [`statements`] | the statements of a script, marked so that its end has a place |
//! | [`tree`] | reads a built tree of kvm-unit-tests |
//! | [`unittests`] | its tests: sections, arguments of QEMU, verdicts |
//! | [`shell`] | the part of shell syntax that other suites may use in values |
//! | [`declared`] | the devices that test files name |
//!
//! Nothing here starts a program or asks the host: facts are arguments.

pub mod body;
pub mod choice;
pub mod declared;
pub mod device;
pub mod expression;
pub mod files;
pub mod header;
pub mod known;
pub mod overrides;
pub mod pattern;
mod read;
pub mod requirement;
pub mod shell;
pub mod statements;
pub mod tree;
pub mod unittests;
pub mod unselected;

pub use body::{Body, Needs, Scripts};
pub use files::{BrokenFile, Filter, Selected, Suite, TestFile};
pub use pattern::Pattern;
pub use unselected::Unselected;

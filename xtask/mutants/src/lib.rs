//! Mutation testing of QEMU: how many small inserted faults the tests catch.
//!
//! A *mutant* is a small edit of one function of QEMU, described in `tests/mutants/` (`set`). `edit` writes a
//! copy of the function with the edit next to the original; an environment variable selects one of them when
//! QEMU starts (`switch.c`), so that one build has every mutant. `tree` keeps an edited copy of the source tree,
//! `build` compiles it, `trial` runs the tests for each mutant, and `score` and `report` say which were noticed.
//!
//! The crate does not know which tests exist or how they run: it starts `cargo xtask test` and reads its
//! JSON report.

pub mod build;
pub mod edit;
mod function;
pub mod measure;
pub mod report;
pub mod score;
pub mod set;
mod token;
pub mod tree;
pub mod trial;

//! Whole runs with QEMU and the repository's images: each way in which a test ends is identified,
//! nothing survives a run, and everything works offline from an empty store.
//!
//! If the QEMU of an architecture is not installed, its tests are skipped. Under `cargo xtask ci`
//! they fail if no architecture has one.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "acts as a user does"
)]

mod attach;
mod bare;
mod bisect;
mod boot;
mod choices;
mod compare;
mod coverage;
mod debug;
mod disk_full;
mod distribution;
mod ends;
mod faulty_qemu;
mod golden;
mod helpers;
mod host_files;
mod interrupted;
mod kernel;
mod killed;
mod kinds;
mod ktest;
mod legacy;
mod load;
mod mirror;
mod named_qemu;
mod repeat;
mod report;
mod rerun;
mod select;
mod settings;
mod standalone;
mod suspended;
mod terminal;
mod unit_tests;
mod warm;

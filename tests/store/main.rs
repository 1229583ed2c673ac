//! Black-box tests of the store: its commands, and its state when a run is killed, the disk is full
//! or read-only, the power fails, or many processes use it.
//!
//! If a program that a test needs is not installed, the test is skipped. Under `cargo xtask ci`,
//! which sets `KILN_NO_SKIP`, it fails.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "acts from outside, as a user does"
)]

mod crowd;
mod disk;
mod elsewhere;
mod faults;
mod lock;
mod offline;
mod power;
mod room;
mod tiny;
mod upkeep;
mod writes;

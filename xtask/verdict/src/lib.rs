//! Outcomes, events and reports of test runs, and the folders that hold them.
//!
//! A test ends with an [`outcome`]. While a run is in progress it sends events, and at its end it
//! returns a report; both are defined in [`event`]. Everything else reads these types:
//!
//! | module | subject |
//! |---|---|
//! | [`outcome`] | how a test can end: a closed list |
//! | [`event`] | events of a run, the report of a test, the report of a run |
//! | [`kind`] | the kinds of test |
//! | [`origin`], [`partition`] | where a run comes from, and which part of a larger run it is |
//! | [`report`] | a run as text for people and programs; pure |
//! | [`runs`] | folders of runs on disk: numbered, read, joined, pruned |
//! | [`comparison`] | two runs side by side |
//! | [`coverage`] | which devices of a QEMU passed tests had |
//! | [`bisect`] | the exit status for `git bisect run` |
//! | [`golden`] | golden output: filters, comparison, update |
//! | [`ktap`] | results that a test prints in KTAP |
//! | [`contain`] | a panic of one test, turned into an error of that test |
//! | [`text`] | output of a guest made safe to print |
//!
//! This crate does not know test files or guests.

pub mod bisect;
pub mod comparison;
pub mod contain;
pub mod coverage;
pub mod event;
pub mod golden;
pub mod kind;
pub mod ktap;
pub mod origin;
pub mod outcome;
pub mod partition;
pub mod report;
pub mod runs;
pub mod text;

//! A suite of guest tests: headers, selection, sessions, outcomes, reports.
//!
//! `xtask` gives a [`runner::Config`] and gets events and a [`event::RunReport`] back; it renders
//! them. This crate starts guests through `qemu` and host halves through `host`; it neither finds
//! images nor prints.

pub mod accel;
pub mod bisect;
mod case;
pub mod choice;
pub mod comparison;
pub mod config;
pub mod coverage;
pub mod debug;
pub mod declared;
pub mod event;
pub mod expression;
pub mod fold;
pub mod golden;
pub mod header;
pub mod job;
pub mod ktap;
pub mod logfile;
pub mod origin;
pub mod outcome;
pub mod partition;
pub mod platform;
pub mod protocol;
pub mod report;
pub mod requirement;
pub mod runner;
pub mod runs;
pub mod session;
pub mod standalone;
pub mod suite;
pub mod text;
pub mod words;

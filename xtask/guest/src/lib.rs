//! One test, from its start to its report.
//!
//! [`case::run`] runs one test on one architecture and returns its report. It starts guests through
//! `qemu` and the host script through `host`; `start` decides whether a guest boots or is restored,
//! `session` conducts it, `helpers` transports the requests of the host script, and `evidence` keeps the logs.
//! The crate neither selects tests nor finds images.
//!
//! | module | subject |
//! |---|---|
//! | [`case`] | one test: requirements, guests, host script, report |
//! | [`config`], [`job`] | what a test is run with: settings of the run, seed and choices |
//! | [`accel`] | a trial of KVM with a real guest |
//! | [`debug`] | debugger, monitor and traces for a person |
//! | [`ordinary`] | a boot without any of this, for comparison |
//! | [`login`] | what the login shell of a guest for a person reads |

pub mod accel;
pub mod case;
pub mod config;
pub mod debug;
pub mod job;
pub mod login;
pub mod ordinary;

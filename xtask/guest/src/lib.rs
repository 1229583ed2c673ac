//! One test, from its start to its report.
//!
//! [`case::run`] runs one test on one architecture and returns its report. It starts guests through
//! `qemu` and the host script through `host`; `session` conducts each guest. The crate neither selects tests nor finds images.
//!
//! | module | subject |
//! |---|---|
//! | [`case`] | one test: requirements, guests, host script, report |
//! | [`config`], [`job`], [`platform`] | what a test is run with: settings of the run, seed and choices, image and QEMU |
//! | [`contain`] | keeps a panic of one test from ending the run |
//! | [`start`] | whether a guest boots or is restored; pure |
//! | [`template`] | saves guests and restores them |
//! | [`helpers`] | helper commands that test scripts call |
//! | [`accel`] | a trial of KVM with a real guest |
//! | [`debug`] | debugger, monitor and traces for a person |
//! | [`standalone`] | a test exported as one shell script |
//! | [`ordinary`] | a boot without any of this, for comparison |
//! | [`login`] | what the login shell of a guest for a person reads |
//! | [`logfile`] | log files with a limit |
//! | [`excerpt`], [`symbols`] | the part of a console that a report shows, with the kernel's function names |
//! | `backtrace` | the backtrace of a QEMU that crashed |
//! | [`syntax`] | errors of a script, found before a boot |

pub mod accel;
mod backtrace;
pub mod case;
pub mod config;
pub mod contain;
pub mod debug;
pub mod excerpt;
pub mod helpers;
pub mod job;
pub mod logfile;
pub mod login;
pub mod ordinary;
pub mod platform;
pub mod standalone;
pub mod start;
pub mod symbols;
pub mod syntax;
pub mod template;

//! A run: which tests run when, how often, and on which QEMU.
//!
//! [`run`] takes a [`Config`], sends events while tests run and returns the report of the run.
//! [`compare`] runs each test on two QEMUs. Neither prints: `xtask` renders the events.
//!
//! | module | subject |
//! |---|---|
//! | `config` | the configuration of a run |
//! | `run` | a whole run, from selection to the stored report |
//! | `compare` | a run on two QEMUs alternately |
//! | `queue` | the order of jobs, rounds, and when to stop |
//! | `worker` | runs one job to its report, with retries |
//! | `confirm` | a test whose result depends on how its guests start |
//! | `exhaustive` | all combinations of choices |
//! | [`rerun`] | the remaining tests of an earlier run |
//! | [`bench`] | statistics for `cargo xtask bench` |
//! | `bless` | golden output written at the end of a run |

pub mod bench;
mod bless;
mod compare;
mod config;
mod confirm;
mod error;
mod exhaustive;
mod queue;
pub mod rerun;
mod run;
mod worker;

pub use compare::compare;
pub use config::{Config, Directories, Extent};
pub use error::RunError;
pub use exhaustive::ExhaustiveError;
pub use queue::{Limits, Rounds};
pub use rerun::RerunTest;
pub use run::run;

//! A run: which tests run when, how often, and on which QEMU.
//!
//! [`run`] takes a [`Config`], sends events while tests run and returns the report of the run.
//! [`compare`] runs each test on two QEMUs. Neither prints: `xtask` renders the events.
//!
//! | module | subject |
//! |---|---|
//! | `config` | what to run and how |
//! | `run` | a whole run, from selection to the kept report |
//! | `compare` | a run on two QEMUs in turn |
//! | `queue` | the order of jobs, rounds, and when to stop |
//! | `worker` | one job to its report, with retries |
//! | `start` | a test whose result depends on how its guests start |
//! | `exhaustive` | all combinations of choices |
//! | [`rerun`] | what an earlier run has left |
//! | [`bench`] | what `cargo xtask bench` computes from runs |
//! | `bless` | golden output written at the end of a run |

pub mod bench;
mod bless;
mod compare;
mod config;
mod error;
mod exhaustive;
mod queue;
pub mod rerun;
mod run;
mod start;
mod worker;

pub use compare::compare;
pub use config::{Config, Extent};
pub use error::RunError;
pub use exhaustive::ExhaustiveError;
pub use queue::Rounds;
pub use rerun::RerunTest;
pub use run::run;

//! A run: the selected tests, side by side, each in a directory of its own.

mod again;
mod bench;
mod bless;
mod compare;
mod config;
mod error;
mod exhaustive;
mod queue;
mod run;

pub use again::Again;
pub use compare::compare;
pub use config::{Config, Extent};
pub use error::RunError;
pub use exhaustive::ExhaustiveError;
pub use queue::Rounds;
pub use run::run;

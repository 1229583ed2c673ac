//! The options of `target`.

use clap::{Args, Subcommand};

use super::SELECTION;

#[derive(Debug, Args)]
pub struct TargetArgs {
    #[command(subcommand)]
    pub command: TargetCommand,
}

/// What can be done with a target.
#[derive(Debug, Subcommand)]
pub enum TargetCommand {
    /// Write the files of a new target
    ///
    /// Writes `images/<ARCH>.toml` and `images/<ARCH>/` from the files of another target, and lists the values
    /// that have to be checked. The chapter "Add a target" of `CONTRIBUTING.md` describes the next steps.
    New(NewArgs),
}

#[derive(Debug, Args)]
pub struct NewArgs {
    /// Name the target
    #[arg(value_name = "ARCH")]
    pub name: String,
    /// Copy from this target
    #[arg(long, value_name = "OTHER", help_heading = SELECTION)]
    pub from: String,
}

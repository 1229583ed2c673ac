//! The options of `cargo xtask shell`, `monitor` and `gdb`.

use clap::Args;

use super::debug::Language;
use super::{EXECUTION, QEMU};

/// A running guest.
#[derive(Debug, Args)]
pub struct Target {
    /// Select a guest by run, test, name or id
    ///
    /// The default is the only running guest. If several match, they are listed with their ids, such as
    /// `12.3` for the third guest of run 12.
    #[arg(value_name = "RUN|GUEST")]
    pub guest: Option<String>,
}

#[derive(Debug, Args)]
pub struct ShellArgs {
    #[command(flatten)]
    pub target: Target,
}

#[derive(Debug, Args)]
pub struct MonitorArgs {
    #[command(flatten)]
    pub target: Target,
    /// Set the language of the monitor
    #[arg(long, value_enum, default_value = "hmp", value_name = "PROTOCOL", help_heading = QEMU)]
    pub protocol: Language,
}

#[derive(Debug, Args)]
pub struct GdbArgs {
    #[command(flatten)]
    pub target: Target,
    /// Print the command of gdb and exit
    #[arg(long, help_heading = EXECUTION)]
    pub print: bool,
}

//! The options of `cargo xtask test` that set how guests start.

use clap::{Args, ValueEnum};

use super::{EXECUTION, SELECTION};

/// How guests start.
#[derive(Debug, Clone, Args)]
pub struct StartArgs {
    /// Set how guests start
    ///
    /// A warm guest is restored from a template, a saved guest of the same machine without the devices of
    /// the test. `auto` restores where a template exists or at least two starts of the run share a machine;
    /// it boots all guests with options that compare or debug. A test that does not pass warm is run again
    /// cold before it is reported.
    #[arg(long, value_enum, default_value_t, value_name = "START", help_heading = EXECUTION)]
    pub start: StartChoice,
    /// Run each test cold and warm and compare
    ///
    /// Compares outcomes, subtests, choices and golden output. A test whose guests all boot runs once. The
    /// exit code is 100 if a test passed with guests that booted and does not pass with restored ones.
    #[arg(long, help_heading = EXECUTION, conflicts_with_all = ["start", "compare_qemu", "rerun", "bless",
          "junit", "no_capture", "device_coverage", "bisect", "gdb", "monitor", "trace", "strace_qemu",
          "standalone", "list"])]
    pub both: bool,
    /// With --list, print how each guest would start
    #[arg(long, requires = "list", conflicts_with = "skips", help_heading = SELECTION)]
    pub starts: bool,
}

/// The values of `--start`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum StartChoice {
    /// Restore guests where that saves time
    #[default]
    Auto,
    /// Boot all guests
    Cold,
    /// Restore guests wherever it is possible
    Warm,
}

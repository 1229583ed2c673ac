//! The options of `images`.

use clap::{Args, ValueEnum};

use super::{DEBUGGING, EXECUTION, REPORTS, SourceArgs};

/// The values of `images --image`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Distribution {
    /// A Debian system with systemd
    Debian,
}

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a switch on the command line is a bool"
)]
pub struct ImagesArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    /// Make the images of guests with Debian
    ///
    /// For the architectures in `images/common/debian.toml`. The packages are those of the locks next to it.
    #[arg(long, value_enum, value_name = "IMAGE", conflicts_with_all = ["plan", "verify", "refreeze", "update_prebuilt", "matrix", "timings"], help_heading = EXECUTION)]
    pub image: Option<Distribution>,
    /// Lock the versions that Debian has now
    #[arg(long, requires = "image", conflicts_with = "locked", help_heading = EXECUTION)]
    pub relock: bool,
    /// Print what would be downloaded and built
    #[arg(long, help_heading = EXECUTION)]
    pub plan: bool,
    /// Rebuild in an empty store and compare with `images.lock`
    #[arg(long, requires = "from_source", conflicts_with_all = ["plan", "refreeze", "update_prebuilt"], help_heading = EXECUTION)]
    pub verify: bool,
    /// Accept changed configs and compiler output as frozen
    ///
    /// Writes the kernel and busybox configs that the fragments give now, and the digests of the code that
    /// the compilers emit.
    #[arg(long, conflicts_with_all = ["plan", "locked"], help_heading = EXECUTION)]
    pub refreeze: bool,
    /// Write the images to `images/prebuilt/`
    ///
    /// Also writes `images/images.lock` and `images/prebuilt/SOURCES`.
    #[arg(long, conflicts_with_all = ["plan", "refreeze", "locked"], help_heading = EXECUTION)]
    pub update_prebuilt: bool,
    /// Keep the work directory of a failed step
    #[arg(long, help_heading = DEBUGGING)]
    pub keep_failed: bool,
    /// Print all targets in a Markdown table
    ///
    /// Boot time and results of a target are those of the last run with tests of it in `target/kiln/runs`.
    #[arg(long, conflicts_with_all = ["plan", "verify", "refreeze", "update_prebuilt", "timings"], help_heading = REPORTS)]
    pub matrix: bool,
    /// Write when each step ran to `target/kiln/timings.html`
    #[arg(long, conflicts_with_all = ["plan", "refreeze"], help_heading = REPORTS)]
    pub timings: bool,
}

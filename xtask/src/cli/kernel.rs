//! The options of `cargo xtask kernel`.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};

use super::{EXECUTION, SELECTION, SourceArgs};

const ARCH: &str = "Select the architecture [default: that of this host]";

#[derive(Debug, Args)]
pub struct KernelArgs {
    #[command(subcommand)]
    pub command: KernelCommand,
}

/// What is done with a kernel source tree.
#[derive(Debug, Subcommand)]
pub enum KernelCommand {
    /// Build a kernel for Kiln's guests
    ///
    /// Builds outside the source tree, with Kiln's cross compiler. The config has the options of Kiln's own
    /// kernel, then those that tests require, then those of --config; a later option replaces an earlier one.
    /// Prints what changed in the config, and which requested options the kernel did not accept. The last
    /// line is the build directory, for `test --kernel`.
    Build(BuildArgs),
    /// Open the config of a kernel in menuconfig
    ///
    /// Makes the config as `kernel build` does. What you change is kept for later builds, in `kiln/edits.config`
    /// of the build directory. Without a terminal, only the config is made.
    Config(TreeArgs),
}

#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Pass further arguments to `make`
    ///
    /// Targets, or variables such as `W=1`.
    #[arg(last = true, value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub arguments: Vec<String>,
    #[command(flatten)]
    pub tree: TreeArgs,
}

/// A source tree, its build directory and its config.
#[derive(Debug, Args)]
#[command(mut_arg("arch", |arg| arg.help(ARCH).long_help(ARCH)))]
pub struct TreeArgs {
    /// Use this kernel source tree
    ///
    /// The tree is only read. It must not contain a build.
    #[arg(long, value_name = "DIR", help_heading = SELECTION)]
    pub src: Utf8PathBuf,
    /// Build in this directory
    ///
    /// The default is `target/kiln/kernel/NAME-ARCH` with the name of the source tree. A later build compiles
    /// only what has changed.
    #[arg(long, value_name = "DIR", help_heading = EXECUTION)]
    pub out: Option<Utf8PathBuf>,
    /// Add the options of this config fragment; repeatable
    #[arg(long, value_name = "FRAGMENT", help_heading = EXECUTION)]
    pub config: Vec<Utf8PathBuf>,
    /// Add the options that this ktest script requires; repeatable
    #[arg(long, value_name = "FILE", help_heading = EXECUTION)]
    pub ktest: Vec<Utf8PathBuf>,
    #[command(flatten)]
    pub source: SourceArgs,
}

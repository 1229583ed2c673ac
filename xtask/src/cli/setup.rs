//! The options of `cargo xtask setup`.

use clap::{Args, ValueEnum};

use super::{EXECUTION, SELECTION};

#[derive(Debug, Args)]
pub struct SetupArgs {
    /// Select an architecture, or `all`; repeatable
    ///
    /// The default is `arch` of `kiln.toml`, or else the main targets: `default` in `images/<arch>.toml`.
    #[arg(long, value_name = "ARCH", help_heading = SELECTION)]
    pub arch: Vec<String>,
    /// Select what the host must be able to do
    #[arg(long = "for", value_enum, default_value_t, value_name = "PURPOSE", help_heading = SELECTION)]
    pub purpose: Purpose,
    /// Run the commands that install what is missing
    #[arg(long, help_heading = EXECUTION)]
    pub yes: bool,
}

impl SetupArgs {
    /// Installs what is missing for some architectures.
    #[must_use]
    pub fn install(purpose: Purpose, arches: &[String]) -> Self {
        Self {
            arch: arches.to_vec(),
            yes: true,
            purpose,
        }
    }
}

/// What the host must be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Purpose {
    /// Run guest tests
    #[default]
    Test,
    /// Build images from source
    Build,
    /// Run continuous integration
    Ci,
}

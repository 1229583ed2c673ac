//! The options of `cargo xtask mutants`.

use camino::Utf8PathBuf;
use clap::Args;

use super::{EXECUTION, REPORTS, SELECTION};

#[derive(Debug, Args)]
pub struct MutantsArgs {
    /// Select mutants by part of the name
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Select the mutants of an area; repeatable
    ///
    /// An area is a file of `tests/mutants/`.
    #[arg(long, value_name = "AREA", help_heading = SELECTION)]
    pub area: Vec<String>,
    /// Select an architecture, or `all`; repeatable
    ///
    /// The default is `arch` of `kiln.toml`, or else the main targets: `default` in `images/<arch>.toml`.
    #[arg(long, value_name = "ARCH", help_heading = SELECTION)]
    pub arch: Vec<String>,
    /// Run all tests for each mutant
    ///
    /// The default is the tests that declare its device.
    #[arg(long, help_heading = SELECTION)]
    pub all_tests: bool,
    /// Run only tests that match this expression
    ///
    /// As for `test`.
    #[arg(short = 'E', long, value_name = "EXPR", help_heading = SELECTION)]
    pub filter_expr: Option<String>,
    /// Use this QEMU source tree
    ///
    /// The tree is only read.
    #[arg(long, value_name = "DIR", help_heading = EXECUTION)]
    pub qemu_src: Utf8PathBuf,
    /// Check that the edits fit, without a build
    #[arg(long, conflicts_with_all = ["json", "html"], help_heading = EXECUTION)]
    pub check: bool,
    /// Pass an option to QEMU's `configure`; repeatable
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true, help_heading = EXECUTION)]
    pub configure: Vec<String>,
    /// Keep edited source, build and logs here
    ///
    /// The default is `target/kiln/mutants`. A later run compiles only what has changed.
    #[arg(long, value_name = "DIR", help_heading = EXECUTION)]
    pub build_dir: Option<Utf8PathBuf>,
    /// Use the results of an earlier run
    ///
    /// A test that has run with a mutant, or has passed without one, does not run again. Remove the directory
    /// `trials` of the build directory when the tests or the mutants have changed.
    #[arg(long, help_heading = EXECUTION)]
    pub resume: bool,
    /// Set the seed of random choices
    ///
    /// The control run and all mutants use the same seed.
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = EXECUTION)]
    pub seed: u64,
    /// Write the results as JSON
    #[arg(long, value_name = "FILE", help_heading = REPORTS)]
    pub json: Option<Utf8PathBuf>,
    /// Write the results as a web page
    #[arg(long, value_name = "FILE", help_heading = REPORTS)]
    pub html: Option<Utf8PathBuf>,
}

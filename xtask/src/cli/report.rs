//! The flags that say what a run writes about itself.

use camino::Utf8PathBuf;
use clap::Args;
use guest::golden::bless::Blessing;

/// What `cargo xtask test` writes besides what it prints.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReportFlags {
    /// Write a `JUnit` report
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<Utf8PathBuf>,
    /// Write what tests print as their golden output; with FILTER also where there is none yet
    #[arg(long, conflicts_with_all = ["until_fail", "time"])]
    pub(crate) bless: bool,
}

impl ReportFlags {
    /// Whether golden output is written; `named` if tests were selected by name.
    pub(crate) fn blessing(&self, named: bool) -> Blessing {
        match (self.bless, named) {
            (false, _) => Blessing::No,
            (true, false) => Blessing::Existing,
            (true, true) => Blessing::Every,
        }
    }
}

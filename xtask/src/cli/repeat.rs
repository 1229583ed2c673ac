//! The options of `cargo xtask test` that set how often a test runs, and when the run stops.

use std::time::Duration;

use clap::Args;
use runner::{Extent, Limits, Rounds};

use super::{EXECUTION, SELECTION};

/// How often, and until when.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = EXECUTION)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a switch on the command line is a bool"
)]
pub struct RepeatArgs {
    /// Run a failed test again up to N times [default: 0]
    ///
    /// A test that then passes is reported as flaky.
    #[arg(long, value_name = "N")]
    pub retries: Option<u32>,
    /// Stop after the first failure
    ///
    /// Tests that are running then are finished.
    #[arg(long, overrides_with_all = ["no_fail_fast", "max_fail"])]
    pub fail_fast: bool,
    /// Run all tests even if some fail [default]
    #[arg(long, overrides_with_all = ["fail_fast", "max_fail"])]
    pub no_fail_fast: bool,
    /// Stop after N failures
    #[arg(long, value_name = "N", overrides_with_all = ["fail_fast", "no_fail_fast"],
          value_parser = clap::value_parser!(u32).range(1..))]
    pub max_fail: Option<u32>,
    /// Run every test N times
    ///
    /// Each round has its own seed: the seed of the run plus the number of the round.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: Option<u32>,
    /// Repeat until a test fails
    #[arg(long)]
    pub until_fail: bool,
    /// Repeat for this time, such as `10m`
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub time: Option<Duration>,
    /// Start no test after this time, such as `2h`
    ///
    /// Tests that are running then are finished. The others are reported as not run.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub job_timeout: Option<Duration>,
    /// Re-run failed tests of an earlier run
    ///
    /// RUN is a number or `latest`. Tests that were not run then, and tests added since, run as well. Seed,
    /// choices and QEMU are those of the earlier run.
    #[arg(long, help_heading = SELECTION, value_name = "RUN", conflicts_with_all = ["seed", "exhaustive"])]
    pub rerun: Option<String>,
    /// Run every combination of all choices
    #[arg(long, conflicts_with_all = ["repeat", "until_fail", "time"])]
    pub exhaustive: bool,
    /// With --exhaustive, refuse more than N combinations
    #[arg(
        long,
        value_name = "N",
        requires = "exhaustive",
        default_value_t = 1000
    )]
    pub max_combinations: usize,
}

impl RepeatArgs {
    /// Which jobs the tests become.
    #[must_use]
    pub fn extent(&self) -> Extent {
        if self.exhaustive {
            Extent::Exhaustive {
                limit: self.max_combinations,
            }
        } else {
            Extent::Seeded
        }
    }

    /// How often the tests run, once by default, and when the run stops early.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let endless = self.until_fail || self.time.is_some();
        let max_fail = self.max_fail.map(|limit| limit as usize);
        Limits {
            rounds: Rounds {
                count: self.repeat.or((!endless).then_some(1)),
                time: self.time,
                until_fail: self.until_fail,
            },
            max_fail: max_fail.or(self.fail_fast.then_some(1)),
            time: self.job_timeout,
        }
    }
}

/// Reads a span of time.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    plan::duration::parse(text).map_err(|error| match error.hint() {
        Some(hint) => format!("{error}: {hint}"),
        None => error.to_string(),
    })
}

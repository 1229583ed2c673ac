//! The flags of `cargo xtask test` that say how often a test runs, and when the run is to stop.

use std::time::Duration;

use clap::Args;
use runner::{Extent, Rounds};

/// How often, and until when.
#[derive(Debug, Clone, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a switch on the command line is a bool"
)]
pub(crate) struct RepeatArgs {
    /// Try a test that failed so many times more; one that passes then is flaky
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) retries: u32,
    /// Start no further test after the first failure
    #[arg(long, overrides_with_all = ["no_fail_fast", "max_fail"])]
    pub(crate) fail_fast: bool,
    /// Run all tests whatever fails [default]
    #[arg(long, overrides_with_all = ["fail_fast", "max_fail"])]
    pub(crate) no_fail_fast: bool,
    /// Start no further test after N failures
    #[arg(long, value_name = "N", overrides_with_all = ["fail_fast", "no_fail_fast"],
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_fail: Option<u32>,
    /// Run every test so many times; round k has the seed of the run plus k
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: Option<u32>,
    /// Run round after round until something fails
    #[arg(long)]
    pub(crate) until_fail: bool,
    /// Run round after round for so long, such as `10m`
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(crate) time: Option<Duration>,
    /// Run what failed or was not run in an earlier run, `latest` or its number, with the same seed and
    /// choices; and what it would have run, had it been there
    #[arg(long, value_name = "RUN", conflicts_with_all = ["seed", "exhaustive"])]
    pub(crate) rerun: Option<String>,
    /// Run every combination of all choices; the seed decides nothing
    #[arg(long, conflicts_with_all = ["repeat", "until_fail", "time"])]
    pub(crate) exhaustive: bool,
    /// With --exhaustive: refuse to run more than N combinations
    #[arg(
        long,
        value_name = "N",
        requires = "exhaustive",
        default_value_t = 1000
    )]
    pub(crate) max_combinations: usize,
}

impl RepeatArgs {
    /// How many failures end the run.
    pub(crate) fn max_fail(&self) -> Option<usize> {
        match self.max_fail {
            Some(limit) => Some(limit as usize),
            None => self.fail_fast.then_some(1),
        }
    }

    /// Which jobs the tests become.
    pub(crate) fn extent(&self) -> Extent {
        if self.exhaustive {
            Extent::Exhaustive {
                limit: self.max_combinations,
            }
        } else {
            Extent::Seeded
        }
    }

    /// How often the tests run: once, unless something was said.
    pub(crate) fn rounds(&self) -> Rounds {
        let for_ever = self.until_fail || self.time.is_some();
        Rounds {
            count: self.repeat.or((!for_ever).then_some(1)),
            time: self.time,
            until_fail: self.until_fail,
        }
    }
}

fn time(text: &str) -> Result<Duration, String> {
    plan::duration::parse(text).map_err(|error| match error.hint() {
        Some(hint) => format!("{error}: {hint}"),
        None => error.to_string(),
    })
}

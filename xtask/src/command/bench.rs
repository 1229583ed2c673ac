//! `cargo xtask bench`: measurements, each of which can compare two sides in one run.

mod boot;
mod build;
mod load;
mod qtest;
mod run;
mod suite;
mod warm;

use serde_json::json;

use crate::cli::MessageFormat;
use crate::cli::bench::{Bench, BenchArgs};
use crate::context::Context;
use crate::exit::CommandResult;
use crate::output;

pub(crate) fn run(context: &Context, args: &BenchArgs) -> CommandResult {
    match &args.what {
        Bench::Boot(args) => boot::run(context, args),
        Bench::Run(args) => run::run(context, args),
        Bench::Warm(args) => warm::run(context, args),
        Bench::Suite(args) => suite::run(context, args),
        Bench::Load(args) => load::run(context, args),
        Bench::Qtest(args) => qtest::run(context, args),
        Bench::Build(args) => build::run(context, args),
    }
}

/// Prints how the CPU time of this checkout relates to that of another one.
fn print_ratio(context: &Context, reason: &str, ratio: f64) {
    output::result(match context.global.message_format {
        MessageFormat::Human => format!("{ratio:.2} times the CPU time"),
        MessageFormat::Json => json!({"reason": reason, "ratio": ratio}).to_string(),
    });
}

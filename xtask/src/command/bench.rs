//! `cargo xtask bench`: measurements, each of which can compare two sides in one run.

mod boot;
mod build;
mod load;
mod qtest;
mod run;
mod warm;

use crate::cli::bench::{Bench, BenchArgs};
use crate::context::Context;
use crate::exit::CommandResult;

pub(crate) fn run(context: &Context, args: &BenchArgs) -> CommandResult {
    match &args.what {
        Bench::Boot(args) => boot::run(context, args),
        Bench::Run(args) => run::run(context, args),
        Bench::Warm(args) => warm::run(context, args),
        Bench::Load(args) => load::run(context, args),
        Bench::Qtest(args) => qtest::run(context, args),
        Bench::Build(args) => build::run(context, args),
    }
}

//! `cargo xtask bench`: measurements, each of which can compare two checkouts in one run.

mod boot;
mod build;
mod compare;
mod load;
mod qtest;
mod run;
mod sampling;
mod side;
mod source;
mod suite;
mod warm;

use crate::cli::bench::{Bench, BenchArgs};
use crate::context::Context;
use crate::exit::CommandResult;

pub(crate) fn run(context: &Context, args: &BenchArgs) -> CommandResult {
    if args.against.is_some() || args.html.is_some() {
        return compare::run(context, args);
    }
    match &args.what {
        Bench::Boot(args) => boot::run(context, args),
        Bench::Run(args) => run::run(context, args),
        Bench::Warm(args) => warm::run(context, args),
        Bench::Load(args) => load::run(context, args),
        Bench::Qtest(args) => qtest::run(context, args),
        Bench::Suite(_) | Bench::Build(_) | Bench::Source(_) => compare::run(context, args),
    }
}

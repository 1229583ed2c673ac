//! `cargo xtask test`: runs tests and prints their results.

mod arches;
mod bisect;
mod choices;
mod compare;
mod config;
mod coverage;
mod debug;
pub(crate) mod defaults;
mod foreign;
mod list;
mod load;
mod options;
mod perform;
mod rerun;
mod scripts;
mod select;
mod shell;
mod skips;
mod standalone;
mod starts;

use runner::Extent;

use crate::cli::setup::{Purpose, SetupArgs};
use crate::cli::{SourceArgs, TestArgs};
use crate::command::{self, setup};
use crate::context::Context;
use crate::distribution;
use crate::exit::{CommandResult, Exit};
use crate::github;
use crate::supply::{self, Supply};
use config::{Wanted, configure};
pub(crate) use config::{config, templates};
pub use load::load;
pub(crate) use perform::perform;
pub use perform::{measured, named, quietly};
use rerun::Rerun;
pub(crate) use select::machines;
pub(crate) use shell::END_KEY;

/// Where runs are kept, in the repository.
pub const RUNS: &str = "target/kiln/runs";
/// The shell tests, in the repository.
const TESTS: &str = "guest-tests";

pub(crate) fn run(context: &Context, args: &TestArgs) -> CommandResult {
    match run_tests(context, args) {
        Err(failure) if args.debug.bisect => Ok(bisect::explain(context, &failure)),
        outcome => outcome,
    }
}

fn run_tests(context: &Context, args: &TestArgs) -> CommandResult {
    let rerun = Rerun::read(context, args)?;
    let completed = rerun.as_ref().map(|rerun| rerun.complete(args));
    let (args, overrides) = defaults::complete(context, completed.as_ref().unwrap_or(args));
    let args = &args;
    bisect::check(args)?;
    compare::check(args)?;
    // The package manager cannot provide a QEMU that the user named.
    if args.setup && args.guest.qemu.is_none() {
        setup::run(
            context,
            &SetupArgs::install(Purpose::Test, &args.source.arch),
        )?;
    }
    supply::check_mirrors(context, &args.source)?;
    let project = context.project()?;
    let mut arches = arches::arches(context, &project, args)?;
    let known: Vec<String> = project.arches.keys().cloned().collect();
    let mut suite = load(context, &known)?;
    foreign::add(context, &project, args, &mut suite)?;
    foreign::narrow(args, &suite, &mut arches);
    let filter = select::filter(context, &project, &suite, args)?;
    defaults::check(context, &suite, &filter, &known)?;
    let mut selected = select::select(context, &suite, &filter, &arches, args)?;
    select::check_choices(&choices::parse(&args.choose)?, &selected)?;
    let mut extent = args.repeat.extent();
    let mut scope = rerun::scope(context, args);
    if let Some(rerun) = &rerun {
        let rest = rerun.rest(context, &project, &suite, &arches)?;
        selected = rerun.select(&rest, selected)?;
        scope = rerun.scope(args);
        extent = Extent::Rerun(rest);
    }
    if args.list {
        let skips = defaults::skips(&overrides, &filter, &selected);
        return list::print(context, &project, args, (&arches, &selected, skips));
    }
    scripts::check(context, &selected)?;
    if args.host.is_debian() {
        distribution::check(context, &selected)?;
    }
    debug::check(args, &selected)?;
    standalone::check(args, &selected)?;
    let source = SourceArgs {
        arch: arches.clone(),
        ..args.source.clone()
    };
    let supply = Supply::of_project(context, &source, project)?;
    let wanted = Wanted {
        guests: arches::guests(&supply.project, &source.arch, &selected, args.guest.accel),
        suite,
        filter,
        extent,
        scope,
        seed: args.seed.unwrap_or_else(host::random::seed),
        boots_all: starts::boots_all(args),
        overrides,
    };
    let sides = compare::sides(args);
    if sides.len() > 1 {
        let side = |args| configure(&supply, args, wanted.clone());
        let configs = sides.iter().map(side).collect::<Result<Vec<_>, _>>();
        return compare::run(context, &configs?);
    }
    let mut config = configure(&supply, args, wanted)?;
    let (keyboard, keys) = shell::keyboard(args);
    config.case.debug = debug::debug(&supply, args, &config.arches, keyboard)?;
    let report = perform::perform(context, &config, keys)?;
    github::report_run(context, &report)?;
    for (format, file) in args.reports.all() {
        command::report::write(context, format, &report, &file)?;
    }
    if args.debug.device_coverage {
        coverage::of_run(context, &report);
    }
    if let Some(outcome) = standalone::write(context, args, &config, &report) {
        return outcome;
    }
    if args.debug.bisect {
        return Ok(bisect::judge(&report));
    }
    Ok(Exit::Child(report.exit_code()))
}

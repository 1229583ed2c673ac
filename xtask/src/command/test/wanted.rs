//! A run as the flags of the command line want it.

use std::collections::BTreeMap;

use guest::config::CaseConfig;
use runner::{Config, Extent};
use suite::{Filter, Suite};
use verdict::origin::Scope;

use super::{case_config, config, rerun, runs_dir};
use crate::cli::{GuestArgs, TestArgs};
use crate::exit::{Exit, Failure};
use crate::guests;
use crate::origin;
use crate::supply::Supply;

/// What a run is about.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) suite: Suite,
    pub(super) filter: Filter,
    pub(super) extent: Extent,
    pub(super) scope: Scope,
    pub(super) seed: u64,
}

/// A run as its flags want it, but for what looks closer.
pub(super) fn configure(
    supply: &Supply<'_>,
    args: &TestArgs,
    guest: GuestArgs,
    wanted: Wanted,
) -> Result<Config, Failure> {
    let context = supply.context;
    let runs = guests::prepare(supply, &guest)?;
    let args = &TestArgs {
        guest,
        ..args.clone()
    };
    let alone = args.no_capture || args.debug.shell_on_fail;
    Ok(Config {
        jobs: if alone { 1 } else { context.jobs() },
        rounds: args.repeat.rounds(),
        extent: wanted.extent,
        retries: args.repeat.retries,
        max_fail: args.repeat.max_fail(),
        seed: wanted.seed,
        case: CaseConfig {
            timeout_factor: args.timeout_factor,
            no_capture: args.no_capture,
            kernel_log: context.global.verbose > 0,
            reproduce: rerun::running(args, args.guest.qemu.clone()),
            bless: args.reports.blessing(!args.filters.is_empty()),
            ..case_config(context)
        },
        choices: choices(&args.choose)?,
        device_coverage: args.debug.device_coverage,
        origin: origin::gather(context, args.partition.as_deref(), wanted.scope),
        runs_dir: runs_dir(context, args),
        ..config(context, wanted.suite, wanted.filter, runs)
    })
}

/// `--choose NAME=WORD`: choices that are made whatever the seed says.
pub(super) fn choices(asked: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| {
        let (name, word) = text.split_once('=')?;
        Some((name.to_owned(), word.to_owned()))
    };
    let refused = |text: &String| {
        let error = anyhow::anyhow!("`{text}` is not a choice");
        Failure::new(Exit::Usage, error).hint(Some("--choose nic=e1000".to_owned()))
    };
    asked
        .iter()
        .map(|text| pair(text).ok_or_else(|| refused(text)))
        .collect()
}

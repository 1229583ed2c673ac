//! The configuration of a run from the flags of the command line.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8PathBuf;
use guest::config::{CaseConfig, ReproduceFlags};
use guest::debug::Debug;
use runner::{Config, Directories, Extent, Limits};
use start::decision::StartPolicy;
use start::platform::ArchRun;
use start::template::Templates;
use suite::overrides::Override;
use suite::{Filter, Suite};
use verdict::golden::bless::Blessing;
use verdict::origin::{Origin, Scope};
use verdict::runs::run_dir::temp_dir;

use super::{RUNS, TESTS, choices, options, starts};
use crate::cli::TestArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::platforms::{self, Guests};
use crate::supply::Supply;
use crate::{kernels, origin};

/// The tests and architectures of a run.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) suite: Suite,
    pub(super) filter: Filter,
    pub(super) extent: Extent,
    pub(super) scope: Scope,
    /// The architectures whose guests a selected test starts.
    pub(super) guests: Guests,
    pub(super) seed: u64,
    /// The option with which `--start auto` boots all guests.
    pub(super) boots_all: Option<&'static str>,
    pub(super) overrides: Vec<Override>,
}

/// The configuration without debugging options.
pub(super) fn configure(
    supply: &Supply<'_>,
    args: &TestArgs,
    wanted: Wanted,
) -> Result<Config, Failure> {
    let context = supply.context;
    let (scope, partition) = (wanted.scope, args.partition.as_deref());
    let prepare = || platforms::prepare(supply, &args.guest, &wanted.guests);
    let (origin, runs) = origin::gather_during(context, partition, scope, prepare);
    let mut runs = runs?;
    let kernel = args.kernel.first().map(Utf8PathBuf::as_path);
    kernels::apply(supply, &mut runs, kernel, &args.host)?;
    let alone = args.no_capture || args.debug.shell_on_fail;
    Ok(Config {
        jobs: if alone { 1 } else { context.jobs() },
        limits: args.repeat.limits(),
        extent: wanted.extent,
        retries: args.repeat.retries.unwrap_or(0),
        overrides: wanted.overrides,
        seed: wanted.seed,
        case: CaseConfig {
            timeout_factor: args.timeout_factor.unwrap_or(1.0),
            no_capture: args.no_capture,
            kernel_log: context.global.verbose > 0,
            reproduce: args.reproducing(context.settings.profile()),
            bless: args.reports.blessing(!args.filters.is_empty()),
            start: starts::policy(args.start.start, wanted.boots_all),
            templates: Some(templates(supply)),
            trace: options::trace(context, &args.device.options)?,
            ..case_config(context)
        },
        choices: choices::parse(&args.choose)?,
        device_coverage: args.debug.device_coverage,
        origin,
        directories: Directories {
            links: Some(context.root.join(attach::LINKS)),
            ..Directories::new(runs_dir(context, args), temp_dir(&context.env))
        },
        ..config(context, wanted.suite, wanted.filter, runs)
    })
}

/// The templates in the store.
pub(crate) fn templates(supply: &Supply<'_>) -> Arc<Templates> {
    let environment = supply.context.guest_environment();
    Arc::new(Templates::new(supply.store.clone(), environment))
}

/// The directory of runs.
pub(super) fn runs_dir(context: &Context, args: &TestArgs) -> Utf8PathBuf {
    match &args.runs {
        Some(dir) => context.env.absolute(dir),
        None => context.root.join(RUNS),
    }
}

/// The default configuration.
pub(crate) fn config(
    context: &Context,
    suite: Suite,
    filter: Filter,
    arches: Vec<ArchRun>,
) -> Config {
    Config {
        suite,
        filter,
        arches,
        jobs: 1,
        limits: Limits::default(),
        extent: Extent::default(),
        retries: 0,
        overrides: Vec::new(),
        seed: 0,
        choices: BTreeMap::new(),
        case: case_config(context),
        directories: Directories::new(context.root.join(RUNS), temp_dir(&context.env)),
        device_coverage: false,
        origin: Origin::default(),
    }
}

/// The default options of each test.
fn case_config(context: &Context) -> CaseConfig {
    CaseConfig {
        suite: context.root.join(TESTS),
        speed: Arc::default(),
        timeout_factor: 1.0,
        kernel_log: false,
        no_capture: false,
        kiln: context.env.own_program(),
        path: context.env.path.clone(),
        start: StartPolicy::Cold("the command boots all guests"),
        templates: None,
        trace: None,
        debug: Debug::default(),
        live: Arc::default(),
        reproduce: ReproduceFlags::default(),
        bless: Blessing::No,
    }
}

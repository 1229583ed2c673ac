//! The second build: its store, its surroundings, and the child process.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::Utf8PathBuf;
use forge::build::Options;
use forge::repro;
use forge::repro::surroundings::{Entrance, Surroundings};
use host::process::{Command, Stdio};
use plan::step::StepId;
use serde_json::json;
use store::{Ready, Store, Workspace};
use supply::fetch::share_sources;

use super::lines;
use crate::render::repro::{Varied, announced};
use crate::wiring::{Supply, build_failure, store_failure, supply_failure};
use xtask::cli::MessageFormat;
use xtask::cli::repro::{RebuildArgs, ReproArgs};
use xtask::context::Context;
use xtask::exit::{Exit, Failure, hinted};
use xtask::output;

/// Longer than a build of all architectures with one job.
const LIMIT: Duration = Duration::from_secs(12 * 60 * 60);

/// The prepared second build.
pub(super) struct Second {
    pub(super) store: Store,
    surroundings: Surroundings,
    entrance: Entrance,
    poison: Utf8PathBuf,
    jobs: usize,
    /// A description of each variation.
    varied: Vec<(&'static str, String)>,
    /// The command that repeats the builds and keeps the second.
    rerun: String,
    /// Removed on drop, unless the store is kept.
    _area: Option<Workspace>,
}

impl Second {
    /// Fills a store with sources and inputs, and chooses the variation.
    pub(super) fn prepare(
        supply: &Supply<'_>,
        wanted: &[StepId],
        given: &BTreeMap<StepId, Ready>,
        args: &ReproArgs,
        varied: &RebuildArgs,
        options: &Options,
    ) -> Result<Self, Failure> {
        let context = supply.context;
        let surroundings = Surroundings::of(varied.order);
        let (area, place) = if args.keep {
            (
                None,
                supply.store.repro_dir().join(varied.order.to_string()),
            )
        } else {
            let area = supply.store.workspace().map_err(store_failure)?;
            let place = area.path().to_owned();
            (Some(area), place)
        };
        let directory = surroundings.directory(&place);
        let store = Store::open(&directory).map_err(store_failure)?;
        let steps: Vec<_> = wanted.iter().map(|id| supply.plan.step(*id)).collect();
        share_sources(&supply.store, &store, steps.iter().copied()).map_err(supply_failure)?;
        for (id, ready) in given {
            let name = options.entry_name(supply.plan.step(*id));
            let name = name.map_err(build_failure)?;
            store.copy(ready, &name).map_err(store_failure)?;
        }
        let poison = directory.join("poison");
        let names = repro::poison(steps.iter().copied());
        for name in &names {
            host::files::write_program(&poison.join(name), repro::POISONED.as_bytes())
                .map_err(|error| Failure::new(Exit::Failed, error))?;
        }
        let program = host::tools::find_in("bwrap", &context.env.path);
        let entrance = surroundings.entrance(program);
        let jobs = args.second_jobs.map_or(context.jobs() + 1, usize::from);
        let mut second = Self {
            store,
            surroundings,
            entrance,
            poison,
            jobs,
            varied: Vec::new(),
            rerun: lines::rerun(context, args, varied.order),
            _area: area,
        };
        second.varied = Varied {
            surroundings: &second.surroundings,
            entrance: &second.entrance,
            options,
            stores: [supply.store.root(), second.store.root()],
            jobs: [context.jobs(), jobs],
            poison: &names,
        }
        .list();
        Ok(second)
    }

    /// Prints the variation.
    pub(super) fn announce(&self, context: &Context) {
        match context.global.message_format {
            MessageFormat::Json => {
                let varied: BTreeMap<_, _> = self.varied.iter().cloned().collect();
                let seed = self.surroundings.seed;
                let line = json!({ "reason": "repro-second", "seed": seed, "varied": varied });
                output::result(line.to_string());
            }
            MessageFormat::Human if context.global.quiet => {}
            MessageFormat::Human => {
                let seed = self.surroundings.seed;
                output::note(announced(context.style, seed, &self.varied));
            }
        }
    }

    /// Runs the build.
    pub(super) fn build(&self, context: &Context, varied: &RebuildArgs) -> Result<(), Failure> {
        let line = self
            .surroundings
            .command_line(&self.entrance, &lines::child(context, varied, self.jobs));
        let environment = self
            .surroundings
            .environment(&self.poison, &context.env.path);
        let status = Command::from_argv(&line)
            .envs(environment)
            .env("KILN_STORE", self.store.root())
            .env("CARGO_MANIFEST_DIR", context.root.join("xtask"))
            .current_dir(self.store.root())
            .stdout(Stdio::Inherit)
            .stderr(Stdio::Inherit)
            .run(LIMIT)
            .map_err(hinted!(Exit::Failed))?;
        if status.success() {
            return Ok(());
        }
        let error = anyhow::anyhow!("the second build failed");
        Err(Failure::new(Exit::Failed, error).hint(self.rerun.clone()))
    }

    /// A hint with the command that keeps both builds.
    pub(super) fn rerun(&self) -> String {
        format!("to keep both builds: {}", self.rerun)
    }
}

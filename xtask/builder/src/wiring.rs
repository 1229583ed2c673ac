//! The images of a run: connects `supply` to the flags, the environment and the terminal.

mod failure;

use std::ops::Deref;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fetch::Remotes;
use forge::build;
use forge::event::Event;
use plan::Project;
use plan::step::Plan;
use provision::roots::keep_root;
use sandbox::SandboxChoice;
use store::Store;
use supply::{Caller, Supplier, SupplyError};
use xtask::cli::SourceArgs;
use xtask::context::Context;
use xtask::exit::{Exit, Failure, hinted};
use xtask::output;
use xtask::supply::{check_mirrors, mirrors, plan_images, provision};

use crate::network;
use crate::render::build::BuildProgress;
use crate::render::timings::Timings;

pub(crate) use failure::{build_failure, fetch_failure, supply_failure};
pub(crate) use xtask::supply::store_failure;

/// The images of a run, which `supply` finds, fetches or builds.
pub(crate) struct Supply<'a> {
    pub(crate) context: &'a Context,
    images: Supplier<'a>,
    timings: Arc<Mutex<Timings>>,
}

impl<'a> Deref for Supply<'a> {
    type Target = Supplier<'a>;

    fn deref(&self) -> &Supplier<'a> {
        &self.images
    }
}

impl<'a> Supply<'a> {
    /// Reads the recipes, makes the plan and opens the store.
    pub(crate) fn open(context: &'a Context, source: &'a SourceArgs) -> Result<Self, Failure> {
        Self::over(context, source, || context.store())
    }

    /// The same with another store. It is opened last, when everything else is valid.
    pub(crate) fn over(
        context: &'a Context,
        source: &'a SourceArgs,
        store: impl FnOnce() -> Result<Store, Failure>,
    ) -> Result<Self, Failure> {
        check_mirrors(context, source)?;
        let project = context.project()?;
        let (plan, arches) = plan_images(context, &project, source)?;
        let store = store()?;
        keep_root(&context.root, &project, (&plan, &arches), &store)?;
        Ok(Self::new(context, source, (project, plan, arches), store))
    }

    /// The same for some recipes and their inputs.
    pub(crate) fn of_recipes(
        context: &'a Context,
        source: &'a SourceArgs,
        recipes: &[String],
    ) -> Result<Self, Failure> {
        Self::of_project(context, source, context.project()?, recipes)
    }

    /// The same with recipes that are already read.
    pub(crate) fn of_project(
        context: &'a Context,
        source: &'a SourceArgs,
        project: Project,
        recipes: &[String],
    ) -> Result<Self, Failure> {
        check_mirrors(context, source)?;
        let arches = context.arches(&project, &source.arch)?;
        let recipes: Vec<&str> = recipes.iter().map(String::as_str).collect();
        let plan = project.plan_of(&arches, &recipes);
        let plan = plan.map_err(hinted!(Exit::Usage))?;
        let store = context.store()?;
        Ok(Self::new(context, source, (project, plan, arches), store))
    }

    fn new(
        context: &'a Context,
        source: &'a SourceArgs,
        parts: (Project, Plan, Vec<String>),
        store: Store,
    ) -> Self {
        let timings = Arc::new(Mutex::default());
        let terminal = Terminal {
            context,
            source,
            timings: Arc::clone(&timings),
        };
        Self {
            context,
            images: Supplier {
                provision: provision(context, source, parts, store, |line| output::note(line)),
                caller: Box::new(terminal),
            },
            timings,
        }
    }

    /// When each step has run so far.
    pub(crate) fn timings(&self) -> MutexGuard<'_, Timings> {
        self.timings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The flags, the environment and the terminal of a command.
struct Terminal<'a> {
    context: &'a Context,
    source: &'a SourceArgs,
    timings: Arc<Mutex<Timings>>,
}

impl Caller for Terminal<'_> {
    /// The permitted remotes for sources.
    fn remotes(&self) -> Result<Remotes, SupplyError> {
        let env = &self.context.env;
        let mirrors = mirrors(self.context, self.source).to_vec();
        let Some(client) = network::client(self.context)? else {
            return Ok(Remotes {
                mirrors,
                ..Remotes::offline()
            });
        };
        let debian_mirrors = host::debian::mirrors(self.source.debian_mirror.as_ref(), env);
        let debian_snapshot = host::debian::snapshot(self.source.debian_snapshot.as_ref(), env);
        Ok(Remotes {
            mirrors,
            debian_mirrors,
            debian_snapshot: Some(debian_snapshot),
            ..Remotes::online(Arc::new(client))
        })
    }

    fn options(&self, remotes: Remotes) -> build::Options {
        let mut options = build::Options::new(remotes, self.context.env.path.clone());
        options.jobs = self.context.jobs();
        options.machine = network::machine(self.context);
        if self.source.no_sandbox {
            options.sandbox = SandboxChoice::Off;
        }
        options
    }

    fn downloads(&self) -> Option<usize> {
        self.context.global.jobs.map(usize::from)
    }

    fn watch(&self, events: Receiver<Event>) {
        let global = &self.context.global;
        let style = self.context.style;
        let mut progress = BuildProgress::new(style, global.quiet, global.verbose > 0);
        for event in events {
            let mut timings = self.timings.lock().unwrap_or_else(PoisonError::into_inner);
            timings.note(&event);
            drop(timings);
            progress.show(event);
        }
    }
}

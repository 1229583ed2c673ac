//! The images of a run as the command line wants them: `provision` with the flags, the environment and
//! the terminal.

mod failure;

use std::ops::Deref;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forge::build;
use forge::event::Event;
use forge::fetch::Remotes;
use forge::sandbox::SandboxChoice;
use host::secret::SecretUrl;
use plan::Project;
use plan::step::Plan;
use provision::images::keep_root;
use provision::{Caller, Policy, Provision, ProvisionError, Reuse};
use store::Store;

use crate::cli::SourceArgs;
use crate::context::Context;
use crate::exit::{Exit, Failure, hinted};
use crate::output;
use crate::render::build::BuildProgress;
use crate::render::timings::Timings;

pub(crate) use failure::{build_failure, fetch_failure, store_failure};

/// The images of a run; `provision` finds them.
pub(crate) struct Supply<'a> {
    pub(crate) context: &'a Context,
    images: Provision<'a>,
    timings: Arc<Mutex<Timings>>,
}

impl<'a> Deref for Supply<'a> {
    type Target = Provision<'a>;

    fn deref(&self) -> &Provision<'a> {
        &self.images
    }
}

impl<'a> Supply<'a> {
    /// Reads recipes, makes the plan, opens the store.
    pub(crate) fn open(context: &'a Context, source: &'a SourceArgs) -> Result<Self, Failure> {
        Self::over(context, source, || context.store())
    }

    /// The same over another store; it is opened last, when everything else is known to be right.
    pub(crate) fn over(
        context: &'a Context,
        source: &'a SourceArgs,
        store: impl FnOnce() -> Result<Store, Failure>,
    ) -> Result<Self, Failure> {
        check_mirrors(context, source)?;
        let project = context.project()?;
        let arches = context.arches(&project, &source.arch)?;
        let plan = project.plan(&arches).map_err(hinted!(Exit::Usage))?;
        let store = store()?;
        keep_root(&context.root, &project, (&plan, &arches), &store)?;
        Ok(Self::new(context, source, (project, plan, arches), store))
    }

    /// The same for some recipes and what they need.
    pub(crate) fn of_recipes(
        context: &'a Context,
        source: &'a SourceArgs,
        recipes: &[String],
    ) -> Result<Self, Failure> {
        Self::of_project(context, source, context.project()?, recipes)
    }

    /// The same where the recipes are read already.
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
        (project, plan, arches): (Project, Plan, Vec<String>),
        store: Store,
    ) -> Self {
        let timings = Arc::new(Mutex::default());
        let terminal = Terminal {
            context,
            source,
            timings: Arc::clone(&timings),
        };
        let images = Provision {
            root: context.root.clone(),
            project,
            plan,
            store,
            arches,
            policy: Policy {
                reuse: match source {
                    SourceArgs {
                        from_source: true, ..
                    } => Reuse::Nothing,
                    SourceArgs {
                        no_prebuilt: true, ..
                    } => Reuse::NotPrebuilt,
                    _ => Reuse::Any,
                },
                locked: context.global.locked,
                offline: context.global.offline,
            },
            caller: Box::new(terminal),
        };
        Self {
            context,
            images,
            timings,
        }
    }

    /// When each step ran so far.
    pub(crate) fn timings(&self) -> MutexGuard<'_, Timings> {
        self.timings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses a mirror that nothing can be asked of, before anything is done.
pub(crate) fn check_mirrors(context: &Context, source: &SourceArgs) -> Result<(), Failure> {
    let env = &context.env;
    let flags = source.mirror.iter().map(|url| ("--mirror", url));
    let flags = flags.chain(
        source
            .debian_mirror
            .iter()
            .map(|url| ("--debian-mirror", url)),
    );
    let variables = env.kiln_mirrors.iter().map(|url| ("KILN_MIRROR", url));
    let debian = env.kiln_debian_mirror.iter();
    let variables = variables.chain(debian.map(|url| ("KILN_DEBIAN_MIRROR", url)));
    let snapshot = source.debian_snapshot.iter();
    let flags = flags.chain(snapshot.map(|url| ("--debian-snapshot", url)));
    let snapshot = env.kiln_debian_snapshot.iter();
    let variables = variables.chain(snapshot.map(|url| ("KILN_DEBIAN_SNAPSHOT", url)));
    for (name, url) in flags.chain(variables) {
        url.check().map_err(|error| {
            Failure::new(Exit::Usage, anyhow::anyhow!("{name}: {error}"))
                .hint(format!("{name} takes a base URL such as https://host/path"))
        })?;
    }
    Ok(())
}

/// The flags, the environment and the terminal of one command.
struct Terminal<'a> {
    context: &'a Context,
    source: &'a SourceArgs,
    timings: Arc<Mutex<Timings>>,
}

impl Terminal<'_> {
    /// Kiln mirrors: those of the command line, else those of the environment.
    fn mirrors(&self) -> &[SecretUrl] {
        match &self.source.mirror[..] {
            [] => &self.context.env.kiln_mirrors,
            named => named,
        }
    }
}

impl Caller for Terminal<'_> {
    fn has_mirrors(&self) -> bool {
        !self.mirrors().is_empty()
    }

    /// From where sources may come.
    fn remotes(&self) -> Result<Remotes, ProvisionError> {
        let env = &self.context.env;
        let mirrors = self.mirrors().to_vec();
        let Some(client) = self.context.client()? else {
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
        options.machine = self.context.machine();
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

    fn note(&self, text: &str) {
        output::note(text);
    }
}

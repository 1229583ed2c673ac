//! Where images come from: the store, else the repository, else a mirror, else source. What a build
//! gives is held against `images/images.lock`.

mod failure;
mod lock;
mod outlook;

use std::collections::BTreeMap;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use camino::{Utf8Path, Utf8PathBuf};
use forge::build::{self, BuildError};
use forge::event::Event;
use forge::fetch::{FetchError, Remotes};
use forge::mirror::MirrorError;
use forge::sandbox::SandboxChoice;
use plan::Project;
use plan::lock::LockedImage;
use plan::step::{Plan, Step, StepId};
use store::{EntryName, Ready, Store};

use crate::cli::SourceArgs;
use crate::context::Context;
use crate::exit::{Exit, Failure, hinted};
use crate::output;
use crate::render::build::BuildProgress;
use crate::render::timings::Timings;

use failure::build_failure;
pub(crate) use failure::{fetch_failure, store_failure};
pub(crate) use lock::{check_lock, compare, locked};
pub(crate) use outlook::Outlook;

/// The images of a run, and all that was needed to find them.
pub(crate) struct Supply<'a> {
    pub(crate) context: &'a Context,
    pub(crate) project: Project,
    pub(crate) plan: Plan,
    pub(crate) store: Store,
    pub(crate) arches: Vec<String>,
    pub(crate) source: &'a SourceArgs,
    pub(crate) timings: Mutex<Timings>,
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
        let project = context.project()?;
        let arches = Context::arches(&project, &source.arch)?;
        let plan = plan_for(&project, &arches)?;
        let store = store()?;
        keep_root(context, &project, &plan, &arches, &store)?;
        Ok(Self {
            context,
            project,
            plan,
            store,
            arches,
            source,
            timings: Mutex::default(),
        })
    }

    /// Every architecture there is, wanted or not: what a test's header may name.
    pub(crate) fn known_arches(&self) -> Vec<String> {
        self.project.arches.keys().cloned().collect()
    }

    /// A recipe's step for an architecture.
    pub(crate) fn step(&self, recipe: &str, arch: &str) -> Result<(StepId, &Step), Failure> {
        let found = self.plan.find(recipe, Some(arch));
        found.map(|id| (id, self.plan.step(id))).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                anyhow::anyhow!("no recipe `{recipe}` for `{arch}`"),
            )
        })
    }

    /// Every image of the run, by architecture.
    pub(crate) fn images(&self, keep_failed: bool) -> Result<BTreeMap<String, Ready>, Failure> {
        let mut images = BTreeMap::new();
        let mut wanted = Vec::new();
        for arch in &self.arches {
            let (id, step) = self.step("image", arch)?;
            self.check_locked(arch, step)?;
            match self.at_hand(arch, step)? {
                Some(ready) => {
                    images.insert(arch.clone(), ready);
                }
                None => wanted.push((arch.clone(), id)),
            }
        }
        let ids: Vec<StepId> = wanted.iter().map(|(_, id)| *id).collect();
        if ids.is_empty() {
            return Ok(images);
        }
        let options = build::Options {
            keep_failed,
            ..self.options()?
        };
        let mut built = self.perform(&ids, &options)?;
        for (arch, id) in wanted {
            if let Some(ready) = built.remove(&id) {
                images.insert(arch, ready);
            }
        }
        self.hold_against_lock(&images)?;
        Ok(images)
    }

    /// The image without building: from the store, the repository or a mirror.
    pub(crate) fn at_hand(&self, arch: &str, step: &Step) -> Result<Option<Ready>, Failure> {
        if self.source.from_source {
            return Ok(None);
        }
        let entry = self
            .store
            .entry(&EntryName::image(step.key))
            .map_err(store_failure)?;
        if let Some(ready) = entry.ready() {
            return Ok(Some(ready));
        }
        let Some(locked) = self.locked(arch, step) else {
            return Ok(None);
        };
        if let Some(ready) = self.out_of_blobs(step, locked)? {
            return Ok(Some(ready));
        }
        let archive = self.prebuilt(arch);
        if !self.source.no_prebuilt && archive.exists() {
            let ready = forge::prebuilt::install(&self.store, step, locked, &archive);
            return ready.map(Some).map_err(|error| {
                let hint = error
                    .hint()
                    .or(Some("git checkout images/prebuilt".to_owned()));
                Failure::new(Exit::FetchFailed, error).hint(hint)
            });
        }
        let remotes = self.remotes()?;
        if remotes.mirrors.is_empty() || remotes.client.is_none() {
            return Ok(None);
        }
        let mut progress = self.progress();
        match forge::mirror::install(&self.store, step, locked, &remotes, &mut |event| {
            progress.show(event);
        }) {
            Ok(ready) => Ok(Some(ready)),
            Err(MirrorError::Store(error) | MirrorError::Fetch(FetchError::Store(error))) => {
                Err(store_failure(error))
            }
            Err(error) => {
                output::note(format!("no mirror has the image of {arch}: {error}"));
                Ok(None)
            }
        }
    }

    /// The image from files that the store has by their digests: imported, or fetched before.
    fn out_of_blobs(&self, step: &Step, locked: &LockedImage) -> Result<Option<Ready>, Failure> {
        let all = locked.files.values();
        if !all.clone().all(|file| self.store.has_blob(&file.sha256)) {
            return Ok(None);
        }
        match forge::mirror::install(&self.store, step, locked, &Remotes::offline(), &mut |_| {}) {
            Ok(ready) => Ok(Some(ready)),
            // A blob was corrupt: it is in quarantine now, and the next place is asked.
            Err(MirrorError::Fetch(FetchError::Offline(_))) => Ok(None),
            Err(error) => Err(Failure::new(Exit::Failed, error)),
        }
    }

    /// What the lock promises of an image, if it was written for these recipes.
    fn locked(&self, arch: &str, step: &Step) -> Option<&LockedImage> {
        let locked = self.project.lock.images.get(arch);
        locked.filter(|its| its.key == step.key)
    }

    /// With `--locked`, an image that would change the lock is refused before it is built.
    fn check_locked(&self, arch: &str, step: &Step) -> Result<(), Failure> {
        if !self.context.global.locked || self.locked(arch, step).is_some() {
            return Ok(());
        }
        let error =
            anyhow::anyhow!("`images/images.lock` would change for {arch}, and --locked was given");
        let hint = "run it without --locked and commit the lock".to_owned();
        Err(Failure::new(Exit::Failed, error).hint(hint))
    }

    /// How steps are performed.
    pub(crate) fn options(&self) -> Result<build::Options, Failure> {
        let mut options = build::Options::new(self.remotes()?, self.context.env.path.clone());
        options.jobs = self.context.jobs();
        if self.source.no_sandbox {
            options.sandbox = SandboxChoice::Off;
        }
        Ok(options)
    }

    /// Performs the plan as far as it leads to some steps.
    pub(crate) fn perform(
        &self,
        wanted: &[StepId],
        options: &build::Options,
    ) -> Result<BTreeMap<StepId, Ready>, Failure> {
        self.showing(|events| build::perform(&self.store, &self.plan, wanted, options, events))
    }

    /// Runs something that sends events, and shows them as they come.
    pub(crate) fn showing<T>(
        &self,
        work: impl FnOnce(&mpsc::Sender<Event>) -> Result<T, BuildError>,
    ) -> Result<T, Failure> {
        let (sender, events) = mpsc::channel();
        let mut progress = self.progress();
        let done = std::thread::scope(|scope| {
            scope.spawn(move || {
                for event in events {
                    self.timings().note(&event);
                    progress.show(event);
                }
            });
            let done = work(&sender);
            drop(sender);
            done
        });
        done.map_err(build_failure)
    }

    /// Gets every source of the plan that the store lacks: how many there are, and their bytes.
    pub(crate) fn fetch_sources(&self) -> Result<(usize, u64), Failure> {
        let remotes = self.remotes()?;
        let mut progress = self.progress();
        let sources = self.plan.steps.iter().flat_map(|step| &step.sources);
        let pins: BTreeMap<_, _> = sources
            .map(|source| ((&source.pin.file, source.pin.sha256), &source.pin))
            .collect();
        forge::fetch::check_offline(&self.store, pins.values().copied(), &remotes)
            .map_err(fetch_failure)?;
        for pin in pins.values() {
            forge::fetch::fetch(&self.store, pin, &remotes, &mut |event| {
                progress.show(event);
            })
            .map_err(fetch_failure)?;
        }
        Ok((pins.len(), pins.values().map(|pin| pin.size).sum()))
    }

    /// When each step ran so far.
    pub(crate) fn timings(&self) -> MutexGuard<'_, Timings> {
        self.timings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From where sources may come.
    pub(crate) fn remotes(&self) -> Result<Remotes, Failure> {
        let env = &self.context.env;
        let mirrors = self.mirrors().to_vec();
        let client = host::http::Client::new(self.context.global.offline)
            .map_err(|error| Failure::new(Exit::FetchFailed, error))?;
        let Some(client) = client else {
            return Ok(Remotes {
                mirrors,
                ..Remotes::offline()
            });
        };
        let debian_mirrors = host::debian::mirrors(self.source.debian_mirror.as_deref(), env);
        Ok(Remotes {
            mirrors,
            debian_mirrors,
            ..Remotes::online(Arc::new(client))
        })
    }

    /// Kiln mirrors: those of the command line, else those of the environment.
    fn mirrors(&self) -> &[String] {
        match &self.source.mirror[..] {
            [] => &self.context.env.kiln_mirrors,
            named => named,
        }
    }

    pub(crate) fn progress(&self) -> BuildProgress {
        let global = &self.context.global;
        BuildProgress::new(self.context.style, global.quiet, global.verbose > 0)
    }

    /// The archive of an architecture's image in the repository.
    pub(crate) fn prebuilt(&self, arch: &str) -> Utf8PathBuf {
        lock::prebuilt(self.context, arch)
    }
}

/// The plan of some architectures.
pub(crate) fn plan_for(project: &Project, arches: &[String]) -> Result<Plan, Failure> {
    project.plan(arches).map_err(hinted!(Exit::Usage))
}

/// Notes in the store what this checkout needs, for all its architectures, of which `plan` may be a part.
fn keep_root(
    context: &Context,
    project: &Project,
    plan: &Plan,
    arches: &[String],
    store: &Store,
) -> Result<(), Failure> {
    let mut all: Vec<String> = project.arches.keys().cloned().collect();
    let mut whole = (arches != all).then(|| project.plan(&all)).transpose();
    if whole.is_err() {
        // One that is being added has no kernel config yet: that is no matter of the others'.
        all.retain(|arch| project.plan(slice::from_ref(arch)).is_ok());
        whole = project.plan(&all).map(Some);
    }
    let whole = whole.map_err(hinted!(Exit::Usage))?;
    let plan = whole.as_ref().unwrap_or(plan);
    let root = forge::roots::root(&context.root, plan, &project.lock);
    store.keep_root(&root).map_err(store_failure)
}

/// Puts the sources that one store has into another, checked as if they came from outside.
pub(crate) fn share_sources(from: &Store, to: &Store, plan: &Plan) -> Result<(), Failure> {
    let layout = from.root().join("v1");
    let remotes = Remotes {
        mirrors: vec![file_url(&layout)],
        ..Remotes::offline()
    };
    for source in plan.steps.iter().flat_map(|step| &step.sources) {
        if !from.has_blob(&source.pin.sha256) {
            continue;
        }
        forge::fetch::fetch(to, &source.pin, &remotes, &mut |_| {}).map_err(fetch_failure)?;
    }
    Ok(())
}

fn file_url(path: &Utf8Path) -> String {
    format!("file://{path}")
}

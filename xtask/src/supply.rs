//! Where images come from: the store, else the repository, else a mirror, else source. What a build
//! gives is held against `images/images.lock`.

mod failure;
mod fetch;
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
use forge::prebuilt::PrebuiltError;
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

pub(crate) use failure::{build_failure, fetch_failure, store_failure};
pub(crate) use fetch::Fetched;
pub(crate) use lock::{NOT_LOCKED, check_lock, compare, locked};
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
        Ok(Self::new(context, source, project, plan, arches, store))
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
        let arches = Context::arches(&project, &source.arch)?;
        let recipes: Vec<&str> = recipes.iter().map(String::as_str).collect();
        let plan = project.plan_of(&arches, &recipes);
        let plan = plan.map_err(hinted!(Exit::Usage))?;
        let store = context.store()?;
        Ok(Self::new(context, source, project, plan, arches, store))
    }

    fn new(
        context: &'a Context,
        source: &'a SourceArgs,
        project: Project,
        plan: Plan,
        arches: Vec<String>,
        store: Store,
    ) -> Self {
        Self {
            context,
            project,
            plan,
            store,
            arches,
            source,
            timings: Mutex::default(),
        }
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
            match self.local(arch, step)? {
                Some(ready) => {
                    images.insert(arch.clone(), ready);
                }
                None => wanted.push((arch.clone(), id)),
            }
        }
        images.extend(self.ask_mirrors(wanted.iter().map(|(arch, _)| arch.as_str()))?);
        wanted.retain(|(arch, _)| !images.contains_key(arch));
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
        match self.local(arch, step)? {
            Some(ready) => Ok(Some(ready)),
            None => Ok(self.ask_mirrors([arch])?.remove(arch)),
        }
    }

    /// The image without building and without a network: from the store or the repository.
    fn local(&self, arch: &str, step: &Step) -> Result<Option<Ready>, Failure> {
        if self.source.from_source {
            return Ok(None);
        }
        let entry = self
            .store
            .entry(&EntryName::image(step.key))
            .map_err(store_failure)?;
        let promised = self.locked(arch, step);
        if let Some(ready) = entry.ready() {
            // A build that was not what the lock promises has left its entry all the same.
            if let Some(promised) = promised {
                compare(arch, promised, &locked(&ready))?;
            }
            return Ok(Some(ready));
        }
        let Some(locked) = promised else {
            self.note_other_key(arch, step);
            return Ok(None);
        };
        if let Some(ready) = self.out_of_blobs(step, locked)? {
            return Ok(Some(ready));
        }
        let archive = self.prebuilt(arch);
        if self.source.no_prebuilt || !archive.exists() {
            return Ok(None);
        }
        match forge::prebuilt::install(&self.store, step, locked, &archive) {
            Ok(ready) => Ok(Some(ready)),
            Err(PrebuiltError::Store(error)) => Err(store_failure(error)),
            Err(error) => {
                let hint = error
                    .hint()
                    .or(Some("git checkout images/prebuilt".to_owned()));
                Err(Failure::new(Exit::FetchFailed, error).hint(hint))
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
            Err(MirrorError::Store(error) | MirrorError::Fetch(FetchError::Store(error))) => {
                Err(store_failure(error))
            }
            Err(error) => Err(Failure::new(Exit::Failed, error)),
        }
    }

    /// Says why no image that was made elsewhere will do.
    fn note_other_key(&self, arch: &str, step: &Step) {
        let has = match self.project.lock.images.get(arch) {
            Some(its) => format!("the key {} for {arch}", its.key.short()),
            None => format!("no image of {arch}"),
        };
        let key = step.key.short();
        output::note(format!(
            "images/images.lock has {has}, these recipes give {key}: it has to be built"
        ));
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
        options.machine = self.context.machine();
        options.generated = Arc::new(self.project.generated.clone());
        options.canaries = Arc::new(self.project.canaries.clone());
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
        self.watching(work).map_err(build_failure)
    }

    fn watching<T, E>(
        &self,
        work: impl FnOnce(&mpsc::Sender<Event>) -> Result<T, E>,
    ) -> Result<T, E> {
        let (sender, events) = mpsc::channel();
        let mut progress = self.progress();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for event in events {
                    self.timings().note(&event);
                    progress.show(event);
                }
            });
            let done = work(&sender);
            drop(sender);
            done
        })
    }

    /// When each step ran so far.
    pub(crate) fn timings(&self) -> MutexGuard<'_, Timings> {
        self.timings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From where sources may come.
    pub(crate) fn remotes(&self) -> Result<Remotes, Failure> {
        let env = &self.context.env;
        let mirrors = self.mirrors().to_vec();
        let Some(client) = self.context.client()? else {
            return Ok(Remotes {
                mirrors,
                ..Remotes::offline()
            });
        };
        let debian_mirrors = host::debian::mirrors(self.source.debian_mirror.as_deref(), env);
        let debian_snapshot = host::debian::snapshot(self.source.debian_snapshot.as_deref(), env);
        Ok(Remotes {
            mirrors,
            debian_mirrors,
            debian_snapshot: Some(debian_snapshot),
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
pub(crate) fn share_sources<'s>(
    from: &Store,
    to: &Store,
    steps: impl IntoIterator<Item = &'s Step>,
) -> Result<(), Failure> {
    let layout = from.root().join("v1");
    let remotes = Remotes {
        mirrors: vec![file_url(&layout)],
        ..Remotes::offline()
    };
    for source in steps.into_iter().flat_map(|step| &step.sources) {
        if !from.has_blob(&source.pin.sha256) {
            continue;
        }
        forge::fetch::fetch(to, &source.pin, &remotes, &mut |_| {}).map_err(fetch_failure)?;
    }
    Ok(())
}

fn file_url(path: &Utf8Path) -> String {
    format!("file://{}", path.as_str().replace('%', "%25"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_in_the_store_s_path_is_no_escape_of_its_url() {
        let url = file_url("/a%20b/v1".into());
        assert_eq!(url, "file:///a%2520b/v1");
    }
}

//! Where images come from: the store, else the repository, else a mirror, else source. What a build
//! gives is held against `images/images.lock`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, mpsc};

use camino::{Utf8Path, Utf8PathBuf};
use forge::build::{self, BuildError, State, StepError};
use forge::event::Event;
use forge::fetch::{FetchError, Remotes};
use forge::mirror::MirrorError;
use forge::prebuilt::Packing;
use forge::sandbox::SandboxChoice;
use forge::store::{EntryName, Ready, Store, StoreError};
use plan::Project;
use plan::digest::BuildKey;
use plan::lock::{Lock, LockedFile, LockedImage};
use plan::source::SourcePin;
use plan::step::{Plan, Step, StepId};

use crate::cli::SourceArgs;
use crate::context::Context;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::render;
use crate::render::build::BuildProgress;

/// Files of an image that are not promised bit for bit: a host's compressor made them. What they
/// hold is: their payload is `kernel`.
const NOT_LOCKED: &str = "compressed";

/// The list of the sources of the images in the repository.
const SOURCES: &str = "images/prebuilt/SOURCES";

/// The images of a run, and all that was needed to find them.
pub(crate) struct Supply<'a> {
    pub(crate) context: &'a Context,
    pub(crate) project: Project,
    pub(crate) plan: Plan,
    pub(crate) store: Store,
    pub(crate) arches: Vec<String>,
    pub(crate) source: &'a SourceArgs,
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
        Ok(Self {
            context,
            project,
            plan,
            store,
            arches,
            source,
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
            scope.spawn(move || events.into_iter().for_each(|event| progress.show(event)));
            let done = work(&sender);
            drop(sender);
            done
        });
        done.map_err(build_failure)
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

    /// What `images` would do, without doing it.
    pub(crate) fn outlook(&self) -> Result<Outlook, Failure> {
        let mut images = Vec::new();
        let mut wanted = Vec::new();
        for arch in &self.arches {
            let (id, step) = self.step("image", arch)?;
            let from = self.from(arch, step);
            if from == Origin::Source {
                wanted.push(id);
            }
            images.push(ImageOutlook {
                arch: arch.clone(),
                key: step.key,
                from,
            });
        }
        let host = host::identity::identity().ok().map(|id| id.short());
        let status = build::status(&self.store, &self.plan, &wanted, host.as_deref());
        Ok(Outlook {
            images,
            states: status.steps.into_iter().collect(),
            missing: status.fetch,
        })
    }

    /// Where `images` would take an image from. A mirror is not asked, so it cannot be promised.
    fn from(&self, arch: &str, step: &Step) -> Origin {
        let source = self.source;
        let locked = self.locked(arch, step).is_some() && !source.from_source;
        let offline = self.context.global.offline;
        if self.store.has_entry(&EntryName::image(step.key)) {
            Origin::Store
        } else if locked && !source.no_prebuilt && self.prebuilt(arch).exists() {
            Origin::Prebuilt
        } else if locked && !offline && !self.mirrors().is_empty() {
            Origin::Mirror
        } else {
            Origin::Source
        }
    }

    /// Writes the images to `images/prebuilt/`, with the list of their sources.
    pub(crate) fn update_prebuilt(&self, images: &BTreeMap<String, Ready>) -> Result<(), Failure> {
        for (arch, ready) in images {
            let packing = Packing::from(&self.project.arches[arch].archive);
            let path = self.prebuilt(arch);
            let size = forge::prebuilt::write(ready, &packing, &path).map_err(|error| {
                let hint = error.hint();
                Failure::new(Exit::Failed, error).hint(hint)
            })?;
            output::note(format!("{path}: {}", render::quantity::bytes(size)));
        }
        let sources = self.context.root.join(SOURCES);
        let text = render::sources::text(&self.project);
        host::files::write(&sources, text.as_bytes())
            .map_err(|error| Failure::new(Exit::Failed, error))
    }

    /// The archive of an architecture's image in the repository.
    pub(crate) fn prebuilt(&self, arch: &str) -> Utf8PathBuf {
        prebuilt(self.context, arch)
    }

    /// Compares what was built with the lock, and writes the lock where the recipes changed.
    fn hold_against_lock(&self, images: &BTreeMap<String, Ready>) -> Result<(), Failure> {
        let mut lock = self.project.lock.clone();
        for (arch, ready) in images {
            let built = locked(ready);
            match lock.images.get(arch) {
                Some(locked) if locked.key == built.key => compare(arch, locked, &built)?,
                _ => {
                    lock.images.insert(arch.clone(), built);
                }
            }
        }
        self.write_lock(&lock)
    }

    /// Writes the lock if it changed.
    fn write_lock(&self, lock: &Lock) -> Result<(), Failure> {
        if *lock == self.project.lock {
            return Ok(());
        }
        let path = self.context.root.join("images/images.lock");
        host::files::write(&path, lock.render().as_bytes())
            .map_err(|error| Failure::new(Exit::Failed, error))?;
        output::note("images/images.lock was written: the recipes have changed");
        Ok(())
    }
}

/// The plan of some architectures.
pub(crate) fn plan_for(project: &Project, arches: &[String]) -> Result<Plan, Failure> {
    project.plan(arches).map_err(|error| {
        let hint = error.hint();
        Failure::new(Exit::Usage, error).hint(hint)
    })
}

/// What `images` would do.
#[derive(Debug)]
pub(crate) struct Outlook {
    /// Each image, and where it would come from.
    pub(crate) images: Vec<ImageOutlook>,
    /// What would be done about each step.
    pub(crate) states: BTreeMap<StepId, State>,
    /// Sources that would be fetched.
    pub(crate) missing: Vec<SourcePin>,
}

/// An image, before it is looked for.
#[derive(Debug)]
pub(crate) struct ImageOutlook {
    /// Its architecture.
    pub(crate) arch: String,
    /// Its key.
    pub(crate) key: BuildKey,
    /// Where it would come from.
    pub(crate) from: Origin,
}

/// Where an image comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It is in the store.
    Store,
    /// It is in the repository.
    Prebuilt,
    /// A mirror is asked, then it is built.
    Mirror,
    /// It is built.
    Source,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Store => "store",
            Self::Prebuilt => "prebuilt",
            Self::Mirror => "mirror",
            Self::Source => "source",
        })
    }
}

/// The archive of an architecture's image in the repository.
fn prebuilt(context: &Context, arch: &str) -> Utf8PathBuf {
    context
        .root
        .join("images/prebuilt")
        .join(arch)
        .with_extension("tar.xz")
}

/// What an entry's files come to in the lock.
pub(crate) fn locked(ready: &Ready) -> LockedImage {
    let files = ready
        .meta()
        .files
        .iter()
        .filter(|(name, _)| name.as_str() != NOT_LOCKED);
    let files = files
        .map(|(name, file)| {
            (
                name.clone(),
                LockedFile {
                    size: file.size,
                    sha256: file.sha256,
                },
            )
        })
        .collect();
    LockedImage {
        key: ready.meta().key,
        files,
    }
}

/// Fails with the first file that differs.
pub(crate) fn compare(
    arch: &str,
    locked: &LockedImage,
    built: &LockedImage,
) -> Result<(), Failure> {
    let names: Vec<&String> = locked.files.keys().chain(built.files.keys()).collect();
    for name in names {
        let (was, is) = (locked.files.get(name), built.files.get(name));
        if was == is {
            continue;
        }
        let text = |file: Option<&LockedFile>| {
            file.map_or_else(
                || "absent".to_owned(),
                |file| format!("{} ({} bytes)", file.sha256, file.size),
            )
        };
        let error = anyhow::anyhow!(
            "`{name}` of {arch} is not what images.lock promises: expected {}, got {}",
            text(was),
            text(is)
        );
        return Err(Failure::new(Exit::FetchFailed, error).hint(Some(
            "the same recipes gave other bytes: `cargo xtask images --from-source --verify` says where"
                .to_owned(),
        )));
    }
    Ok(())
}

/// The recipes' keys equal the lock's, and the archives in the repository hold what the lock says.
pub(crate) fn check_lock(context: &Context) -> Outcome {
    let project = context.project()?;
    let arches: Vec<String> = project.arches.keys().cloned().collect();
    let plan = plan_for(&project, &arches)?;
    if let Some(arch) = project
        .lock
        .images
        .keys()
        .find(|arch| !arches.contains(arch))
    {
        let error = anyhow::anyhow!("images.lock has `{arch}`, which is no architecture here");
        return Err(Failure::new(Exit::Failed, error));
    }
    let again = "cargo xtask images --from-source --update-prebuilt, and commit images/";
    let scratch = host::scratch::Scratch::new_in(&context.env.temp_dir, "kiln-lock-")
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    let store = Store::open(scratch.path()).map_err(store_failure)?;
    for arch in &arches {
        let (Some(step), Some(locked)) = (plan.image(arch), project.lock.images.get(arch)) else {
            let error = anyhow::anyhow!("images.lock has no image of {arch}");
            return Err(Failure::new(Exit::Failed, error).hint(again.to_owned()));
        };
        if step.key != locked.key {
            let error = anyhow::anyhow!(
                "the recipes of {arch} give the key {}, images.lock has {}",
                step.key.short(),
                locked.key.short()
            );
            return Err(Failure::new(Exit::Failed, error).hint(again.to_owned()));
        }
        let archive = prebuilt(context, arch);
        forge::prebuilt::install(&store, step, locked, &archive).map_err(|error| {
            let hint = error.hint();
            Failure::new(Exit::FetchFailed, error).hint(hint)
        })?;
    }
    // No binary without its source: the list beside the images is the one that these recipes give.
    let path = context.root.join(SOURCES);
    let listed = host::files::read(&path).map_err(|error| Failure::new(Exit::Failed, error))?;
    if listed != render::sources::text(&project).as_bytes() {
        let error = anyhow::anyhow!("`{SOURCES}` is not the list of these recipes' sources");
        return Err(Failure::new(Exit::Failed, error).hint(again.to_owned()));
    }
    Ok(Exit::Success)
}

/// A failure of the store.
pub(crate) fn store_failure(error: StoreError) -> Failure {
    let hint = error.hint();
    Failure::new(store_exit(&error), error).hint(hint)
}

/// A failure to get a file, or to keep it.
pub(crate) fn fetch_failure(error: FetchError) -> Failure {
    let hint = error.hint();
    Failure::new(fetch_exit(&error), error).hint(hint)
}

/// A store that cannot be used is a matter of set-up; what is wrong in it is not.
fn store_exit(error: &StoreError) -> Exit {
    match error {
        StoreError::Full { .. }
        | StoreError::ReadOnly(_)
        | StoreError::Absent(_)
        | StoreError::FoldsCase(_)
        | StoreError::FutureEntry { .. } => Exit::SetupMissing,
        _ => Exit::Failed,
    }
}

fn fetch_exit(error: &FetchError) -> Exit {
    match error {
        FetchError::Store(error) => store_exit(error),
        FetchError::Offline(_) | FetchError::AllFailed { .. } => Exit::FetchFailed,
    }
}

fn step_exit(error: &StepError) -> Exit {
    match error {
        StepError::Fetch(error) => fetch_exit(error),
        StepError::Store(error) => store_exit(error),
        _ => Exit::Failed,
    }
}

/// A failure of a build, with the exit code that tells what kind of failure it is.
fn build_failure(error: BuildError) -> Failure {
    let hint = error.hint();
    let exit = match &error {
        BuildError::Offline(error) => fetch_exit(error),
        BuildError::Store(error) => store_exit(error),
        BuildError::Tools(_) | BuildError::Host(_) => Exit::SetupMissing,
        BuildError::Interrupted(_) => Exit::Interrupted,
        BuildError::Jobs(_) => Exit::Failed,
        // Steps that failed in several ways are a failed build.
        BuildError::Steps(failures) => {
            let mut exits = failures.iter().map(|failure| step_exit(&failure.error));
            let first = exits.next().unwrap_or(Exit::Failed);
            if exits.all(|exit| exit == first) {
                first
            } else {
                Exit::Failed
            }
        }
    };
    // The first is in the error itself.
    for failure in error.failures().iter().skip(1) {
        output::note(format!("also failed: {failure}"));
    }
    Failure::new(exit, error).hint(hint)
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

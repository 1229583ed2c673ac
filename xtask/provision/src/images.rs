//! The images of a run, each from the first place that has it; what no place has is built.

use std::collections::BTreeMap;
use std::slice;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use camino::{Utf8Path, Utf8PathBuf};
use forge::build::{self, BuildError};
use forge::event::Event;
use forge::fetch::{FetchError, Remotes};
use forge::mirror::MirrorError;
use plan::Project;
use plan::lock::LockedImage;
use plan::step::{Plan, Step, StepId};
use store::{EntryName, Ready, Store};

use crate::error::ProvisionError;
use crate::lock::{compare, locked};
use crate::places::{Known, Origin, Policy, Reuse, places};

/// The caller that needs images: decides how they may be obtained, and receives the events.
pub trait Caller: Sync {
    /// Addresses of Kiln mirrors.
    fn has_mirrors(&self) -> bool;
    /// From where files may come; asked only when files are needed.
    fn remotes(&self) -> Result<Remotes, ProvisionError>;
    /// How steps are performed; the project's own data are filled in.
    fn options(&self, remotes: Remotes) -> build::Options;
    /// How many files are downloaded at once, where the command line says so.
    fn downloads(&self) -> Option<usize>;
    /// Shows the events of a build or a download until the last has come.
    fn watch(&self, events: Receiver<Event>);
    /// One line that a person should know.
    fn note(&self, text: &str);
}

/// What images are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To be kept.
    Keep,
    /// To start guests from.
    Boot,
}

/// The images of a run, and all that is needed to find them.
pub struct Provision<'a> {
    /// The checkout.
    pub root: Utf8PathBuf,
    /// The recipes.
    pub project: Project,
    /// The plan of the run's architectures.
    pub plan: Plan,
    /// The store.
    pub store: Store,
    /// The architectures of the run.
    pub arches: Vec<String>,
    /// What the command line decides.
    pub policy: Policy,
    /// The caller that needs the images.
    pub caller: Box<dyn Caller + 'a>,
}

impl Provision<'_> {
    /// Every architecture of the project, wanted or not: what the header of a test may name.
    #[must_use]
    pub fn known_arches(&self) -> Vec<String> {
        self.project.arches.keys().cloned().collect()
    }

    /// A recipe's step for an architecture.
    pub fn step(&self, recipe: &str, arch: &str) -> Result<(StepId, &Step), ProvisionError> {
        let found = self.plan.find(recipe, Some(arch));
        let found = found.map(|id| (id, self.plan.step(id)));
        found.ok_or_else(|| ProvisionError::NoRecipe {
            recipe: recipe.to_owned(),
            arch: arch.to_owned(),
        })
    }

    /// Every image of the run, by architecture; an image that is nowhere is built.
    pub fn images(&self, keep_failed: bool) -> Result<BTreeMap<String, Ready>, ProvisionError> {
        self.images_for(Purpose::Keep, keep_failed)
    }

    /// The same for commands that start guests. Where a mirror was named and fails they end: a user who
    /// names one does not want to wait until a compiler is built.
    pub fn images_to_boot(&self) -> Result<BTreeMap<String, Ready>, ProvisionError> {
        self.images_for(Purpose::Boot, false)
    }

    fn images_for(
        &self,
        purpose: Purpose,
        keep_failed: bool,
    ) -> Result<BTreeMap<String, Ready>, ProvisionError> {
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
        let (found, failed) = self.ask_mirrors(wanted.iter().map(|(arch, _)| arch.as_str()))?;
        images.extend(found);
        if purpose == Purpose::Boot && !failed.is_empty() {
            return Err(ProvisionError::mirrors_failed(&failed));
        }
        wanted.retain(|(arch, _)| !images.contains_key(arch));
        if purpose == Purpose::Boot && self.policy.offline {
            self.check_buildable(&wanted)?;
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

    /// Offline, an image that cannot be built is reported as the missing image: the sources of its
    /// compiler are of no use to a caller who wants to boot it.
    fn check_buildable(&self, wanted: &[(String, StepId)]) -> Result<(), ProvisionError> {
        let sources = self.lacking(wanted.iter().map(|(_, id)| id));
        if self.policy.reuse == Reuse::Nothing || sources.is_empty() {
            return Ok(());
        }
        let mut pins = Vec::new();
        for (arch, id) in wanted {
            let step = self.plan.step(*id);
            let locked = self.locked(arch, step);
            pins.extend(locked.map(|locked| forge::mirror::pins(step, locked)));
        }
        if pins.is_empty() {
            return Ok(());
        }
        let missing = forge::fetch::missing(&self.store, pins.iter().flatten(), &self.remotes()?);
        Err(ProvisionError::ImagesOffline {
            missing: FetchError::Offline(missing),
            arches: wanted.iter().map(|(arch, _)| arch.clone()).collect(),
        })
    }

    /// The image without building: from the store, the repository or a mirror.
    pub fn at_hand(&self, arch: &str, step: &Step) -> Result<Option<Ready>, ProvisionError> {
        match self.local(arch, step)? {
            Some(ready) => Ok(Some(ready)),
            None => Ok(self.ask_mirrors([arch])?.0.remove(arch)),
        }
    }

    /// The image without building and without a network: from the store or the repository.
    pub(crate) fn local(&self, arch: &str, step: &Step) -> Result<Option<Ready>, ProvisionError> {
        let promised = self.locked(arch, step);
        if let Some(promised) = promised {
            self.condemn_unlocked(arch, promised)?;
        }
        for origin in places(self.policy, &self.known(arch, step)) {
            let found = match (origin, promised) {
                (Origin::Store, _) => self.in_store(step)?,
                (Origin::Blobs, Some(locked)) => self.out_of_blobs(step, locked)?,
                (Origin::Prebuilt, Some(locked)) => {
                    let archive = self.prebuilt(arch);
                    let ready = forge::prebuilt::install(&self.store, step, locked, &archive)?;
                    Some(ready)
                }
                (Origin::Blobs | Origin::Prebuilt | Origin::Mirror | Origin::Source, _) => None,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        if promised.is_none() && self.policy.reuse != Reuse::Nothing {
            self.note_other_key(arch, step);
        }
        Ok(None)
    }

    /// What is known about an image before any place is tried.
    pub(crate) fn known(&self, arch: &str, step: &Step) -> Known {
        let locked = self.locked(arch, step);
        let has_blobs = |locked: &LockedImage| {
            let mut files = locked.files.values();
            !locked.files.is_empty() && files.all(|file| self.store.has_blob(&file.sha256))
        };
        let places = [
            (
                Origin::Store,
                self.store.has_entry(&EntryName::image(step.key)),
            ),
            (Origin::Blobs, locked.is_some_and(has_blobs)),
            (Origin::Prebuilt, self.prebuilt(arch).exists()),
            (Origin::Mirror, self.caller.has_mirrors()),
        ];
        let available = places.into_iter().filter(|(_, is_there)| *is_there);
        Known {
            in_lock: locked.is_some(),
            available: available.map(|(origin, _)| origin).collect(),
        }
    }

    /// The entry in the store.
    fn in_store(&self, step: &Step) -> Result<Option<Ready>, ProvisionError> {
        Ok(self.store.entry(&EntryName::image(step.key))?.ready())
    }

    /// Puts away an entry that is whole and is not what the lock promises, so that the next place is tried:
    /// a build that differed has left one. Gives what is wrong with it.
    fn condemn_unlocked(
        &self,
        arch: &str,
        promised: &LockedImage,
    ) -> Result<Option<String>, ProvisionError> {
        let entry = self.store.entry(&EntryName::image(promised.key))?;
        let Some(ready) = entry.ready() else {
            return Ok(None);
        };
        let Err(error) = compare(arch, promised, &locked(&ready)) else {
            return Ok(None);
        };
        let why = error.to_string();
        match self.store.condemn(&ready, &why)? {
            Some(_) => Ok(Some(why)),
            // In a store that cannot be written to it would be used.
            None => Err(error),
        }
    }

    /// Compares the images in the store with the lock of this checkout. What differs is quarantined and said.
    pub fn verify_locked(&self) -> Result<Vec<String>, ProvisionError> {
        let locked = self.project.lock.images.iter();
        let wrong = locked.map(|(arch, promised)| self.condemn_unlocked(arch, promised));
        wrong.filter_map(Result::transpose).collect()
    }

    /// The image from files that the store has by their digests: imported, or fetched before.
    fn out_of_blobs(
        &self,
        step: &Step,
        locked: &LockedImage,
    ) -> Result<Option<Ready>, ProvisionError> {
        match forge::mirror::install(&self.store, step, locked, &Remotes::offline(), &mut |_| {}) {
            Ok(ready) => Ok(Some(ready)),
            // A blob was corrupt: it is in quarantine now, and the next place is tried.
            Err(MirrorError::Fetch(FetchError::Offline(_))) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Says why no image that was made elsewhere will do.
    fn note_other_key(&self, arch: &str, step: &Step) {
        let has = match self.project.lock.images.get(arch) {
            Some(its) => format!("the key {} for {arch}", its.key.short()),
            None => format!("no image of {arch}"),
        };
        let key = step.key.short();
        self.caller.note(&format!(
            "images/images.lock has {has}, these recipes give {key}: it has to be built"
        ));
    }

    /// What the lock promises of an image, if it was written for these recipes.
    pub(crate) fn locked(&self, arch: &str, step: &Step) -> Option<&LockedImage> {
        let locked = self.project.lock.images.get(arch);
        locked.filter(|its| its.key == step.key)
    }

    /// With `--locked`, an image that would change the lock is refused before it is built.
    pub(crate) fn check_locked(&self, arch: &str, step: &Step) -> Result<(), ProvisionError> {
        if !self.policy.locked || self.locked(arch, step).is_some() {
            return Ok(());
        }
        Err(ProvisionError::WouldChangeLock(arch.to_owned()))
    }

    /// From where files may come.
    pub fn remotes(&self) -> Result<Remotes, ProvisionError> {
        self.caller.remotes()
    }

    /// How steps are performed.
    pub fn options(&self) -> Result<build::Options, ProvisionError> {
        let mut options = self.caller.options(self.remotes()?);
        options.generated = Arc::new(self.project.generated.clone());
        options.canaries = Arc::new(self.project.canaries.clone());
        Ok(options)
    }

    /// Performs the plan as far as it leads to some steps.
    pub fn perform(
        &self,
        wanted: &[StepId],
        options: &build::Options,
    ) -> Result<BTreeMap<StepId, Ready>, ProvisionError> {
        self.showing(|events| build::perform(&self.store, &self.plan, wanted, options, events))
    }

    /// Runs something that sends events, and shows them as they come.
    pub fn showing<T>(
        &self,
        work: impl FnOnce(&Sender<Event>) -> Result<T, BuildError>,
    ) -> Result<T, ProvisionError> {
        Ok(self.watching(work)?)
    }

    pub(crate) fn watching<T, E>(
        &self,
        work: impl FnOnce(&Sender<Event>) -> Result<T, E>,
    ) -> Result<T, E> {
        let (sender, events) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || self.caller.watch(events));
            let done = work(&sender);
            drop(sender);
            done
        })
    }

    /// The archive of an architecture's image in the repository.
    #[must_use]
    pub fn prebuilt(&self, arch: &str) -> Utf8PathBuf {
        crate::lock::prebuilt(&self.root, arch)
    }
}

/// Notes in the store what a checkout needs, for all its architectures, of which `plan` may be a part.
pub fn keep_root(
    checkout: &Utf8Path,
    project: &Project,
    (plan, arches): (&Plan, &[String]),
    store: &Store,
) -> Result<(), ProvisionError> {
    let mut all: Vec<String> = project.arches.keys().cloned().collect();
    let mut whole = (arches != all).then(|| project.plan(&all)).transpose();
    if whole.is_err() {
        // One that is being added has no kernel config yet: that is not a matter of the others'.
        all.retain(|arch| project.plan(slice::from_ref(arch)).is_ok());
        whole = project.plan(&all).map(Some);
    }
    let whole = whole?;
    let plan = whole.as_ref().unwrap_or(plan);
    let root = forge::roots::root(checkout, plan, &project.lock);
    Ok(store.keep_root(&root)?)
}

/// The steps of these recipes, or all.
#[must_use]
pub fn steps_of(plan: &Plan, recipes: &[String]) -> Vec<StepId> {
    let is_wanted = |id: &StepId| recipes.is_empty() || recipes.contains(&plan.step(*id).recipe);
    plan.ids().filter(is_wanted).collect()
}

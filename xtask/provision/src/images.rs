//! The local images, each from the first origin that has it: the store or the repository.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use plan::Project;
use plan::lock::LockedImage;
use plan::step::{BARE, IMAGE, Plan, Step, StepId};
use store::{EntryName, Ready, Store};

use crate::blobs;
use crate::error::ProvisionError;
use crate::lock::{compare, locked};
use crate::origins::{ImageFacts, Origin, Policy, Reuse, origins};
use crate::prebuilt;

/// The images of a run, and the data to find them.
pub struct Provision<'a> {
    /// The checkout.
    pub root: Utf8PathBuf,
    /// The recipes.
    pub project: Project,
    /// The plan of the run's architectures.
    pub plan: Plan,
    /// The store.
    pub store: Store,
    /// What the command line allows.
    pub arches: Vec<String>,
    /// What the command line decides.
    pub policy: Policy,
    /// Whether Kiln mirrors may be used.
    pub has_mirrors: bool,
    /// Prints a line for the user.
    pub note: Box<dyn Fn(&str) + Sync + 'a>,
}

/// The entry of a locked image in the store.
enum LockedEntry {
    /// It does not exist or is incomplete.
    Absent,
    /// It has the files of the lock.
    Equal(Box<Ready>),
    /// It was quarantined because of this difference.
    Condemned(String),
}

impl LockedEntry {
    fn equal(self) -> Option<Ready> {
        match self {
            Self::Equal(ready) => Some(*ready),
            Self::Absent | Self::Condemned(_) => None,
        }
    }

    fn difference(self) -> Option<String> {
        match self {
            Self::Condemned(why) => Some(why),
            Self::Absent | Self::Equal(_) => None,
        }
    }
}

impl Provision<'_> {
    /// All architectures of the project, selected or not. A test's header may name any of them.
    #[must_use]
    pub fn known_arches(&self) -> Vec<String> {
        self.project.arches.keys().cloned().collect()
    }

    /// The step of a recipe for an architecture.
    pub fn step(&self, recipe: &str, arch: &str) -> Result<(StepId, &Step), ProvisionError> {
        let found = self.plan.find(recipe, Some(arch));
        let found = found.map(|id| (id, self.plan.step(id)));
        found.ok_or_else(|| ProvisionError::NoRecipe {
            recipe: recipe.to_owned(),
            arch: arch.to_owned(),
        })
    }

    /// What a recipe makes for these architectures, as far as it is here. The rest has to be fetched or
    /// built.
    pub fn at_hand(
        &self,
        recipe: &str,
        arches: &[String],
    ) -> Result<BTreeMap<String, Ready>, ProvisionError> {
        let mut images = BTreeMap::new();
        for arch in arches {
            let (_, step) = self.step(recipe, arch)?;
            self.check_locked(arch, step)?;
            if let Some(ready) = self.local(arch, step)? {
                images.insert(arch.clone(), ready);
            }
        }
        Ok(images)
    }

    /// Finds an image without a build or a network: in the store or the repository.
    pub fn local(&self, arch: &str, step: &Step) -> Result<Option<Ready>, ProvisionError> {
        let promised = self.locked(arch, step);
        let mut entry = match promised {
            Some(promised) => self.entry_of_lock(arch, promised)?.equal(),
            None => None,
        };
        for origin in origins(self.policy, &self.image_facts(arch, step)) {
            let found = match (origin, promised) {
                (Origin::Store, Some(_)) => entry.take(),
                (Origin::Store, None) => self.in_store(step)?,
                (Origin::Blobs, Some(locked)) => blobs::install(&self.store, step, locked)?,
                (Origin::Prebuilt, Some(locked)) => {
                    let archive = self.prebuilt(arch, step);
                    let ready = prebuilt::install(&self.store, step, locked, &archive)?;
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

    /// The facts about an image before any origin is tried.
    #[must_use]
    pub fn image_facts(&self, arch: &str, step: &Step) -> ImageFacts {
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
            (Origin::Prebuilt, self.prebuilt(arch, step).exists()),
            (Origin::Mirror, self.has_mirrors),
        ];
        let available = places.into_iter().filter(|(_, is_there)| *is_there);
        ImageFacts {
            in_lock: locked.is_some(),
            available: available.map(|(origin, _)| origin).collect(),
        }
    }

    /// The entry in the store.
    pub fn in_store(&self, step: &Step) -> Result<Option<Ready>, ProvisionError> {
        Ok(self.store.entry(&EntryName::image(step.key))?.ready())
    }

    /// The entry of a locked image. Quarantines one that is complete but does not match the lock, so that the
    /// next origin is tried. A build that differed may have left it.
    fn entry_of_lock(
        &self,
        arch: &str,
        promised: &LockedImage,
    ) -> Result<LockedEntry, ProvisionError> {
        let entry = self.store.entry(&EntryName::image(promised.key))?;
        let Some(ready) = entry.ready() else {
            return Ok(LockedEntry::Absent);
        };
        let Err(error) = compare(arch, promised, &locked(&ready)) else {
            return Ok(LockedEntry::Equal(Box::new(ready)));
        };
        let why = error.to_string();
        match self.store.condemn(&ready, &why)? {
            Some(_) => Ok(LockedEntry::Condemned(why)),
            // A read-only store cannot quarantine it, so it would be used.
            None => Err(error),
        }
    }

    /// Compares the images in the store with the lock of this checkout. Quarantines the ones that
    /// differ and returns the reasons.
    pub fn verify_locked(&self) -> Result<Vec<String>, ProvisionError> {
        let locks = [IMAGE, BARE].map(|recipe| self.project.lock.of(recipe));
        let wrong = locks
            .into_iter()
            .flatten()
            .map(|(arch, promised)| self.entry_of_lock(arch, promised));
        wrong
            .filter_map(|entry| entry.map(LockedEntry::difference).transpose())
            .collect()
    }

    /// Prints why no existing image can be used.
    fn note_other_key(&self, arch: &str, step: &Step) {
        let has = match self.project.lock.of(&step.recipe).get(arch) {
            Some(its) => format!("the key {} for {arch}", its.key.short()),
            None => format!("no {} of {arch}", step.recipe),
        };
        let key = step.key.short();
        (self.note)(&format!(
            "images/images.lock has {has}, these recipes give {key}: it has to be built"
        ));
    }

    /// The locked image, if the lock was written for these recipes.
    #[must_use]
    pub fn locked(&self, arch: &str, step: &Step) -> Option<&LockedImage> {
        let locked = self.project.lock.of(&step.recipe).get(arch);
        locked.filter(|its| its.key == step.key)
    }

    /// With `--locked`, refuses an image that would change the lock before it is built.
    pub fn check_locked(&self, arch: &str, step: &Step) -> Result<(), ProvisionError> {
        if !self.policy.locked || self.locked(arch, step).is_some() {
            return Ok(());
        }
        Err(ProvisionError::WouldChangeLock(arch.to_owned()))
    }

    /// The archive in the repository of what a step makes for an architecture.
    #[must_use]
    pub fn prebuilt(&self, arch: &str, step: &Step) -> Utf8PathBuf {
        crate::lock::archive(&self.root, &step.recipe, arch)
    }
}

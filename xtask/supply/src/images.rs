//! Provides the images of a run, each from the first origin that has it, or else from a build.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use fetch::{FetchError, Remotes};
use forge::build::{self, BuildError};
use forge::event::Event;
use plan::step::{IMAGE, Step, StepId};
use provision::{Provision, ProvisionError, Reuse, blobs};
use store::Ready;

use crate::error::SupplyError;

/// The caller that needs images. It decides how they may be obtained and receives the events.
pub trait Caller: Sync {
    /// The permitted remotes. Called only when files are needed.
    fn remotes(&self) -> Result<Remotes, SupplyError>;
    /// The build options. The project's own data are filled in.
    fn options(&self, remotes: Remotes) -> build::Options;
    /// The number of concurrent downloads, if the command line sets it.
    fn downloads(&self) -> Option<usize>;
    /// Shows the events of a build or a download until the last one.
    fn watch(&self, events: Receiver<Event>);
}

/// The purpose of the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To store them.
    Keep,
    /// To boot guests.
    Boot,
}

/// The images of a run, from any permitted origin.
pub struct Supplier<'a> {
    /// The local images.
    pub provision: Provision<'a>,
    /// The caller that needs the images.
    pub caller: Box<dyn Caller + 'a>,
}

impl<'a> Deref for Supplier<'a> {
    type Target = Provision<'a>;

    fn deref(&self) -> &Provision<'a> {
        &self.provision
    }
}

impl Supplier<'_> {
    /// Every image of the run by architecture. Missing images are built.
    pub fn images(&self, keep_failed: bool) -> Result<BTreeMap<String, Ready>, SupplyError> {
        let mut images = BTreeMap::new();
        for (id, ready) in self.products(&[IMAGE], keep_failed)? {
            images.extend(self.plan.step(id).arch.clone().map(|arch| (arch, ready)));
        }
        Ok(images)
    }

    /// What these recipes make for the architectures of the run; what is nowhere is built.
    pub fn products(
        &self,
        recipes: &[&str],
        keep_failed: bool,
    ) -> Result<BTreeMap<StepId, Ready>, SupplyError> {
        self.products_for(recipes, Purpose::Keep, keep_failed)
    }

    /// The same for commands that start guests. Where a mirror was named and fails they end: a user who
    /// names one does not want to wait until a compiler is built.
    pub fn products_to_boot(&self, recipe: &str) -> Result<BTreeMap<StepId, Ready>, SupplyError> {
        self.products_for(&[recipe], Purpose::Boot, false)
    }

    /// The steps of these recipes for the architectures of the run. Not every recipe has one for each.
    #[must_use]
    pub fn wanted(&self, recipes: &[&str]) -> Vec<(String, StepId)> {
        let mut wanted = Vec::new();
        for recipe in recipes {
            let steps = self
                .arches
                .iter()
                .map(|arch| (arch, self.plan.find(recipe, Some(arch))));
            wanted.extend(steps.filter_map(|(arch, id)| Some((arch.clone(), id?))));
        }
        wanted
    }

    fn products_for(
        &self,
        recipes: &[&str],
        purpose: Purpose,
        keep_failed: bool,
    ) -> Result<BTreeMap<StepId, Ready>, SupplyError> {
        let mut images = BTreeMap::new();
        let mut wanted = Vec::new();
        for (arch, id) in self.wanted(recipes) {
            let step = self.plan.step(id);
            self.check_locked(&arch, step)?;
            match self.local(&arch, step)? {
                Some(ready) => drop(images.insert(id, ready)),
                None => wanted.push((arch, id)),
            }
        }
        let ours = wanted
            .iter()
            .filter(|(_, id)| self.plan.step(*id).recipe == IMAGE);
        let (mut found, failed) = self.ask_mirrors(ours.map(|(arch, _)| arch.as_str()))?;
        for (arch, id) in &wanted {
            let mirrored = Some(arch).filter(|_| self.plan.step(*id).recipe == IMAGE);
            let mirrored = mirrored.and_then(|arch| found.remove(arch));
            images.extend(mirrored.map(|ready| (*id, ready)));
        }
        if purpose == Purpose::Boot && !failed.is_empty() {
            return Err(SupplyError::mirrors_failed(&failed));
        }
        wanted.retain(|(_, id)| !images.contains_key(id));
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
        let built = self.perform(&ids, &options)?;
        images.extend(built.into_iter().filter(|(id, _)| ids.contains(id)));
        self.compare_with_lock(&images)?;
        Ok(images)
    }

    /// Offline, reports an image that cannot be built as a missing image, because a list of missing
    /// compiler sources does not help a caller who wants to boot it.
    fn check_buildable(&self, wanted: &[(String, StepId)]) -> Result<(), SupplyError> {
        let sources = self.lacking(wanted.iter().map(|(_, id)| id));
        if self.policy.reuse == Reuse::Nothing || sources.is_empty() {
            return Ok(());
        }
        let mut pins = Vec::new();
        for (arch, id) in wanted {
            let step = self.plan.step(*id);
            let locked = self.locked(arch, step);
            pins.extend(locked.map(|locked| blobs::pins(step, locked)));
        }
        if pins.is_empty() {
            return Ok(());
        }
        let missing = fetch::missing(&self.store, pins.iter().flatten(), &self.remotes()?);
        Err(SupplyError::ImagesOffline {
            missing: FetchError::Offline(missing),
            arches: wanted.iter().map(|(arch, _)| arch.clone()).collect(),
        })
    }

    /// An image without a build: from the store, the repository or a mirror.
    pub fn fetched(&self, arch: &str, step: &Step) -> Result<Option<Ready>, SupplyError> {
        match self.local(arch, step)? {
            Some(ready) => Ok(Some(ready)),
            None if step.recipe == IMAGE => Ok(self.ask_mirrors([arch])?.0.remove(arch)),
            None => Ok(None),
        }
    }

    /// The permitted remotes.
    pub fn remotes(&self) -> Result<Remotes, SupplyError> {
        self.caller.remotes()
    }

    /// The build options.
    pub fn options(&self) -> Result<build::Options, SupplyError> {
        let mut options = self.caller.options(self.remotes()?);
        options.generated = Arc::new(self.project.generated.clone());
        options.canaries = Arc::new(self.project.canaries.clone());
        Ok(options)
    }

    /// Carries out the plan as far as some steps need it.
    pub fn perform(
        &self,
        wanted: &[StepId],
        options: &build::Options,
    ) -> Result<BTreeMap<StepId, Ready>, SupplyError> {
        self.showing(|events| build::perform(&self.store, &self.plan, wanted, options, events))
    }

    /// The steps of these recipes, or all steps. Each recipe must have one for a selected architecture.
    pub fn steps_of(&self, recipes: &[String]) -> Result<Vec<StepId>, SupplyError> {
        if recipes.is_empty() {
            return Ok(self.plan.ids().collect());
        }
        let mut wanted = BTreeMap::new();
        for id in self.plan.ids() {
            let step = self.plan.step(id);
            // The compiler of another architecture may be an input.
            let is_selected = (step.arch.as_ref()).is_none_or(|arch| self.arches.contains(arch));
            if is_selected && recipes.contains(&step.recipe) {
                wanted.insert(id, &step.recipe);
            }
        }
        let is_missing = |recipe: &&String| !wanted.values().any(|found| found == recipe);
        if let Some(recipe) = recipes.iter().find(is_missing) {
            let (recipe, arch) = (recipe.clone(), self.arches.join("`, `"));
            return Err(ProvisionError::NoRecipe { recipe, arch }.into());
        }
        Ok(wanted.into_keys().collect())
    }

    /// Runs a function that sends events, and shows them as they arrive.
    pub fn showing<T>(
        &self,
        work: impl FnOnce(&Sender<Event>) -> Result<T, BuildError>,
    ) -> Result<T, SupplyError> {
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
}

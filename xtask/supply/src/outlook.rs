//! Predicts what `images` would do, from the current contents of the store and the repository.

use std::collections::BTreeMap;

use forge::build::{self, State};
use plan::digest::BuildKey;
use plan::source::SourcePin;
use plan::step::{BARE, IMAGE, Step, StepId};

use crate::images::Supplier;
use provision::origins::{Origin, origins};

/// The prediction.
#[derive(Debug)]
pub struct Outlook {
    /// Each image and its origin.
    pub images: Vec<ImageOutlook>,
    /// The state of each step.
    pub states: BTreeMap<StepId, State>,
    /// The sources that would be fetched.
    pub missing: Vec<SourcePin>,
}

/// The prediction for one image.
#[derive(Debug)]
pub struct ImageOutlook {
    /// The recipe that makes it.
    pub recipe: String,
    /// Its architecture.
    pub arch: String,
    /// Its key.
    pub key: BuildKey,
    /// Its origin.
    pub from: Origin,
}

impl Supplier<'_> {
    /// What `images` would do, without doing it.
    #[must_use]
    pub fn outlook(&self) -> Outlook {
        let mut images = Vec::new();
        let mut wanted = Vec::new();
        for (arch, id) in self.wanted(&[IMAGE, BARE]) {
            let step = self.plan.step(id);
            let from = self.from(&arch, step);
            if from == Origin::Source {
                wanted.push(id);
            }
            images.push(ImageOutlook {
                recipe: step.recipe.clone(),
                arch,
                key: step.key,
                from,
            });
        }
        let host = host::identity::identity().ok().map(|id| id.short());
        let status = build::status(&self.store, &self.plan, &wanted, host.as_deref());
        Outlook {
            images,
            states: status.steps.into_iter().collect(),
            missing: status.fetch,
        }
    }

    /// The origin of an image. Mirrors are not contacted, so a mirror is only a possibility.
    fn from(&self, arch: &str, step: &Step) -> Origin {
        let known = self.image_facts(arch, step);
        if known.available.contains(&Origin::Store) {
            // A build finds it too, even with `--from-source`.
            return Origin::Store;
        }
        let origins = origins(self.policy, &known);
        origins.first().copied().unwrap_or(Origin::Source)
    }
}

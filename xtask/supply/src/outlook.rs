//! Predicts what `images` would do, from the current contents of the store and the repository.

use std::collections::BTreeMap;

use forge::build::{self, State};
use plan::digest::BuildKey;
use plan::source::SourcePin;
use plan::step::{Step, StepId};

use crate::error::SupplyError;
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
    /// Its architecture.
    pub arch: String,
    /// Its key.
    pub key: BuildKey,
    /// Its origin.
    pub from: Origin,
}

impl Supplier<'_> {
    /// Predicts what `images` would do, without doing it.
    pub fn outlook(&self) -> Result<Outlook, SupplyError> {
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

//! What `images` would do, from what is in the store and the repository now.

use std::collections::BTreeMap;

use forge::build::{self, State};
use plan::digest::BuildKey;
use plan::source::SourcePin;
use plan::step::{Step, StepId};

use crate::error::SupplyError;
use crate::images::Supplier;
use provision::places::{Origin, places};

/// What `images` would do.
#[derive(Debug)]
pub struct Outlook {
    /// Each image, and where it would come from.
    pub images: Vec<ImageOutlook>,
    /// What would be done about each step.
    pub states: BTreeMap<StepId, State>,
    /// Sources that would be fetched.
    pub missing: Vec<SourcePin>,
}

/// An image, before it is looked for.
#[derive(Debug)]
pub struct ImageOutlook {
    /// Its architecture.
    pub arch: String,
    /// Its key.
    pub key: BuildKey,
    /// Where it would come from.
    pub from: Origin,
}

impl Supplier<'_> {
    /// What `images` would do, without doing it.
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

    /// Where `images` would take an image from. A mirror is not asked, so it cannot be promised.
    fn from(&self, arch: &str, step: &Step) -> Origin {
        let known = self.known(arch, step);
        if known.available.contains(&Origin::Store) {
            // A build finds it too, also with `--from-source`.
            return Origin::Store;
        }
        let places = places(self.policy, &known);
        places.first().copied().unwrap_or(Origin::Source)
    }
}

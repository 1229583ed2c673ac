//! What `images` would do, from what is in the store and the repository now.

use std::collections::BTreeMap;
use std::fmt;

use forge::build::{self, State};
use plan::digest::BuildKey;
use plan::source::SourcePin;
use plan::step::{Step, StepId};
use store::EntryName;

use super::Supply;
use crate::exit::Failure;

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

impl Supply<'_> {
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
}

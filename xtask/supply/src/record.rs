//! Writes the results of a build to the repository: the lock, and the archives of images.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use forge::prebuilt::Packing;
use plan::lock::Lock;
use plan::step::StepId;
use store::Ready;

use crate::error::SupplyError;
use crate::images::Supplier;
use provision::lock::{compare, locked};
use provision::sources;

impl Supplier<'_> {
    /// Writes images and bare-metal guests to `images/prebuilt/`, with the list of their sources; returns each archive
    /// with its size in bytes.
    pub fn update_prebuilt(
        &self,
        images: &BTreeMap<StepId, Ready>,
    ) -> Result<Vec<(Utf8PathBuf, u64)>, SupplyError> {
        let mut written = Vec::new();
        for (id, ready) in images {
            let step = self.plan.step(*id);
            let arch = step.arch.as_deref().unwrap_or_default();
            if !self.project.arches[arch].prebuilt {
                continue;
            }
            let packing = Packing::from(&self.project.arches[arch].archive);
            let path = self.prebuilt(arch, step);
            let size = forge::prebuilt::write(ready, &packing, &path);
            written.push((path, size.map_err(SupplyError::Pack)?));
        }
        let text = sources::text(&self.project);
        host::files::write(&self.root.join(sources::PATH), text.as_bytes())?;
        Ok(written)
    }

    /// Compares the built images with the lock, and updates the lock if the recipes changed.
    pub(crate) fn compare_with_lock(
        &self,
        images: &BTreeMap<StepId, Ready>,
    ) -> Result<(), SupplyError> {
        let mut lock = self.project.lock.clone();
        for (id, ready) in images {
            let step = self.plan.step(*id);
            let arch = step.arch.as_deref().unwrap_or_default();
            let built = locked(ready);
            match lock.of(&step.recipe).get(arch) {
                Some(locked) if locked.key == built.key => compare(arch, locked, &built)?,
                _ => lock.insert(&step.recipe, arch.to_owned(), built),
            }
        }
        self.write_lock(&lock)
    }

    /// Writes the lock if it changed.
    fn write_lock(&self, lock: &Lock) -> Result<(), SupplyError> {
        if *lock == self.project.lock {
            return Ok(());
        }
        let path = self.root.join("images/images.lock");
        host::files::write(&path, lock.render().as_bytes())?;
        (self.note)("images/images.lock was written: the recipes have changed");
        Ok(())
    }
}

//! What a checkout needs in the store: everything that its plan names, built or not.

use std::slice;

use camino::Utf8Path;
use plan::Project;
use plan::distribution;
use plan::lock::Lock;
use plan::step::Plan;
use store::Store;
use store::roots::Root;

use crate::error::ProvisionError;

/// The root of a checkout with this plan and lock.
#[must_use]
fn root(checkout: &Utf8Path, plan: &Plan, lock: &Lock) -> Root {
    let mut root = Root::new(checkout);
    for step in &plan.steps {
        root.entry(step.key);
        for source in &step.sources {
            root.blob(&source.pin.sha256);
            root.tree(&source.tree_id());
        }
    }
    let locked = lock.images.values().chain(lock.bare.values());
    for file in locked.flat_map(|image| image.files.values()) {
        root.blob(&file.sha256);
    }
    root
}

/// Records in the store what a checkout needs for all its architectures, of which `plan` may cover
/// a part.
pub fn keep_root(
    checkout: &Utf8Path,
    project: &Project,
    (plan, arches): (&Plan, &[String]),
    store: &Store,
) -> Result<(), ProvisionError> {
    let mut all: Vec<String> = project.arches.keys().cloned().collect();
    let mut whole = (arches != all).then(|| project.plan(&all)).transpose();
    if whole.is_err() {
        // A new architecture may have no kernel config yet. It must not affect the others.
        all.retain(|arch| project.plan(slice::from_ref(arch)).is_ok());
        whole = project.plan(&all).map(Some);
    }
    let whole = whole?;
    let plan = whole.as_ref().unwrap_or(plan);
    let mut root = root(checkout, plan, &project.lock);
    for arch in project.arches.keys() {
        let lock = host::files::read_text(&checkout.join(distribution::lock_path(arch)))?;
        if let Some(image) = lock.as_deref().and_then(distribution::locked_image) {
            root.blob(&image.sha256);
        }
    }
    Ok(store.keep_root(&root)?)
}

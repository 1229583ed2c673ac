//! What a checkout needs of the store: everything that its plan names, made or not.

use camino::Utf8Path;
use plan::lock::Lock;
use plan::step::Plan;
use store::roots::Root;

use crate::unpack::tree_id;

/// The root of a checkout with this plan and lock.
#[must_use]
pub fn root(checkout: &Utf8Path, plan: &Plan, lock: &Lock) -> Root {
    let mut root = Root::new(checkout);
    for step in &plan.steps {
        root.entry(step.key);
        for source in &step.sources {
            root.blob(&source.pin.sha256);
            root.tree(&tree_id(source));
        }
    }
    for file in lock.images.values().flat_map(|image| image.files.values()) {
        root.blob(&file.sha256);
    }
    root
}

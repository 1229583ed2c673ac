//! Images from a mirror, file by file: each is a blob, named by the digest that the lock gives.

use plan::digest::BuildKey;
use plan::lock::LockedImage;
use plan::source::SourcePin;
use plan::step::Step;

use crate::event::Event;
use crate::fetch::{FetchError, Remotes, fetch};
use store::{About, EntryName, EntryState, Ready, Store, StoreError};

/// Why an image could not be had from a mirror.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The recipes have changed since the lock was written.
    #[error("`images.lock` locks build {locked}, the recipes give {planned}")]
    OtherBuild {
        /// In the lock.
        locked: BuildKey,
        /// In the plan.
        planned: BuildKey,
    },
}

impl MirrorError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Fetch(error) => error.hint(),
            Self::OtherBuild { .. } => {
                Some("build the image: `cargo xtask images --from-source`".to_owned())
            }
        }
    }
}

/// Fetches each locked file from the mirrors of `remotes` and makes them the entry of `image`,
/// unless it is there. Only the lock is trusted.
pub fn install(
    store: &Store,
    image: &Step,
    locked: &LockedImage,
    remotes: &Remotes,
    events: &mut dyn FnMut(Event),
) -> Result<Ready, MirrorError> {
    if image.key != locked.key {
        return Err(MirrorError::OtherBuild {
            locked: locked.key,
            planned: image.key,
        });
    }
    let vacant = match store.entry(&EntryName::image(image.key))? {
        EntryState::Ready(ready) => return Ok(ready),
        EntryState::Vacant(vacant) => vacant,
    };
    let mut blobs = Vec::new();
    for (name, file) in &locked.files {
        let shown = image
            .arch
            .as_deref()
            .map_or_else(String::new, |arch| format!("{arch}/"));
        let pin = SourcePin {
            file: format!("{shown}{name}"),
            size: file.size,
            sha256: file.sha256,
            locations: Vec::new(),
        };
        blobs.push((name, fetch(store, &pin, remotes, events)?));
    }
    let staging = vacant.stage()?;
    for (name, blob) in blobs {
        blob.lay_out(&staging.path().join(name))
            .map_err(|error| StoreError::io(store.root(), error))?;
    }
    Ok(staging.commit(About::step(image, 0.0))?)
}

#[cfg(test)]
mod tests;

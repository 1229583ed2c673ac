//! Images from a mirror, file by file: each is a blob, named by the digest that the lock gives.

use plan::digest::BuildKey;
use plan::lock::LockedImage;
use plan::source::SourcePin;
use plan::step::Step;

use crate::event::Event;
use crate::fetch::{FetchError, Remotes, fetch};
use store::{About, EntryName, EntryState, Ready, Store, StoreError};

/// Why an image could not be fetched from a mirror.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The recipes have changed since the lock was written.
    #[error("`images.lock` is out of date: it locks build {locked}, the recipes give {planned}")]
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
            Self::OtherBuild { .. } => Some("cargo xtask images --from-source".to_owned()),
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
    for (name, pin) in locked.files.keys().zip(pins(image, locked)) {
        blobs.push((name, fetch(store, &pin, remotes, events)?));
    }
    let staging = vacant.stage()?;
    for (name, blob) in blobs {
        blob.lay_out(&staging.path().join(name))
            .map_err(|error| StoreError::io(store.root(), error))?;
    }
    Ok(staging.commit(About::step(image, 0.0))?)
}

/// The files of a locked image, for a caller that fetches those of several images together. They have no
/// place of their own: mirrors have them.
#[must_use]
pub fn pins(image: &Step, locked: &LockedImage) -> Vec<SourcePin> {
    let arch = image.arch.as_deref();
    let above = arch.map_or_else(String::new, |arch| format!("{arch}/"));
    let files = locked.files.iter();
    let pin = files.map(|(name, file)| SourcePin {
        file: format!("{above}{name}"),
        size: file.size,
        sha256: file.sha256,
        locations: Vec::new(),
    });
    pin.collect()
}

#[cfg(test)]
mod tests;

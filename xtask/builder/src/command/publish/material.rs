//! Collects the inputs of a release: images, sources, licences and crates.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use plan::step::{BARE, IMAGE};
use publish::crates::{self, Crate};
use publish::release::{self, Blob};

use crate::wiring::{Supply, store_failure, supply_failure};
use xtask::context::Context;
use xtask::exit::{Exit, Failure, hinted};

/// The files of the images, by architecture and name.
type Images = BTreeMap<String, BTreeMap<String, Blob>>;

/// The images.
pub(super) fn images(supply: &Supply<'_>) -> Result<Images, Failure> {
    products(supply, IMAGE)
}

/// The bare-metal programs of a repository whose lock has some.
pub(super) fn programs(supply: &Supply<'_>) -> Result<Images, Failure> {
    let locked = &supply.project.lock.bare;
    if supply.arches.iter().all(|arch| !locked.contains_key(arch)) {
        return Ok(Images::new());
    }
    products(supply, BARE)
}

/// The locked files of a recipe, and their paths.
fn products(supply: &Supply<'_>, recipe: &str) -> Result<Images, Failure> {
    let mut images = Images::new();
    for (id, ready) in supply.products(&[recipe], false).map_err(supply_failure)? {
        let arch = supply.plan.step(id).arch.clone().unwrap_or_default();
        let files = provision::lock::locked(&ready)
            .files
            .into_iter()
            .map(|(name, file)| {
                let path = ready.path().join(&name);
                let (digest, size) = (file.sha256, file.size);
                (name, Blob { digest, size, path })
            });
        images.insert(arch, files.collect());
    }
    Ok(images)
}

/// Every source archive, from the store or a download.
pub(super) fn sources(supply: &Supply<'_>) -> Result<BTreeMap<String, Blob>, Failure> {
    supply.fetch_sources().map_err(supply_failure)?;
    let mut found = BTreeMap::new();
    for (file, (_, source)) in release::sources(&supply.plan) {
        let blob = supply
            .store
            .blob(&source.pin.sha256)
            .map_err(store_failure)?;
        found.extend(blob.map(|blob| {
            let (digest, size, path) = (blob.digest(), blob.size(), blob.path().to_owned());
            (file.to_owned(), Blob { digest, size, path })
        }));
    }
    Ok(found)
}

/// The texts in `LICENSES/`, by identifier.
pub(super) fn licences(context: &Context) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let files = host::files::read_tree(&context.root, &["LICENSES"], &[])
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    let named = files.into_iter();
    Ok(named
        .filter_map(|(path, text)| Some((path.file_stem()?.to_owned(), text)))
        .collect())
}

/// The crates of the lock file with their licences.
pub(crate) fn crates(context: &Context) -> Result<Vec<Crate>, Failure> {
    crates::read(&context.root, &cargo(context)).map_err(hinted!(Exit::Failed))
}

/// The cargo that runs this program, else the one on PATH.
pub(super) fn cargo(context: &Context) -> Utf8PathBuf {
    let cargo = context.env.cargo.clone();
    cargo.unwrap_or_else(|| Utf8PathBuf::from("cargo"))
}

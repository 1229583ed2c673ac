//! Images held against `images/images.lock`, and the archives of them in `images/prebuilt/`.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use forge::prebuilt::Packing;
use plan::lock::{Lock, LockedFile, LockedImage};
use store::{Ready, Store};

use super::failure::store_failure;
use super::{Supply, plan_for};
use crate::context::Context;
use crate::exit::{Exit, Failure, Outcome, hinted};
use crate::{output, render};

/// Files of an image that are not promised bit for bit: a host's compressor made them. What they
/// hold is: their payload is `kernel`.
pub(crate) const NOT_LOCKED: &str = "compressed";

/// The list of the sources of the images in the repository.
const SOURCES: &str = "images/prebuilt/SOURCES";

impl Supply<'_> {
    /// Writes the images to `images/prebuilt/`, with the list of their sources.
    pub(crate) fn update_prebuilt(&self, images: &BTreeMap<String, Ready>) -> Result<(), Failure> {
        for (arch, ready) in images {
            if !self.project.arches[arch].prebuilt {
                continue;
            }
            let packing = Packing::from(&self.project.arches[arch].archive);
            let path = self.prebuilt(arch);
            let size =
                forge::prebuilt::write(ready, &packing, &path).map_err(hinted!(Exit::Failed))?;
            output::note(format!("{path}: {}", render::quantity::bytes(size)));
        }
        let sources = self.context.root.join(SOURCES);
        let text = render::sources::text(&self.project);
        host::files::write(&sources, text.as_bytes())
            .map_err(|error| Failure::new(Exit::Failed, error))
    }

    /// Compares what was built with the lock, and writes the lock where the recipes changed.
    pub(super) fn hold_against_lock(
        &self,
        images: &BTreeMap<String, Ready>,
    ) -> Result<(), Failure> {
        let mut lock = self.project.lock.clone();
        for (arch, ready) in images {
            let built = locked(ready);
            match lock.images.get(arch) {
                Some(locked) if locked.key == built.key => compare(arch, locked, &built)?,
                _ => {
                    lock.images.insert(arch.clone(), built);
                }
            }
        }
        self.write_lock(&lock)
    }

    /// Writes the lock if it changed.
    fn write_lock(&self, lock: &Lock) -> Result<(), Failure> {
        if *lock == self.project.lock {
            return Ok(());
        }
        let path = self.context.root.join("images/images.lock");
        host::files::write(&path, lock.render().as_bytes())
            .map_err(|error| Failure::new(Exit::Failed, error))?;
        output::note("images/images.lock was written: the recipes have changed");
        Ok(())
    }
}

/// The archive of an architecture's image in the repository.
pub(super) fn prebuilt(context: &Context, arch: &str) -> Utf8PathBuf {
    context
        .root
        .join("images/prebuilt")
        .join(arch)
        .with_extension("tar.xz")
}

/// What an entry's files come to in the lock.
pub(crate) fn locked(ready: &Ready) -> LockedImage {
    let files = ready
        .meta()
        .files
        .iter()
        .filter(|(name, _)| name.as_str() != NOT_LOCKED);
    let files = files
        .map(|(name, file)| {
            (
                name.clone(),
                LockedFile {
                    size: file.size,
                    sha256: file.sha256,
                },
            )
        })
        .collect();
    LockedImage {
        key: ready.meta().key,
        files,
    }
}

/// Fails with the first file that differs.
pub(crate) fn compare(
    arch: &str,
    locked: &LockedImage,
    built: &LockedImage,
) -> Result<(), Failure> {
    let names: Vec<&String> = locked.files.keys().chain(built.files.keys()).collect();
    for name in names {
        let (was, is) = (locked.files.get(name), built.files.get(name));
        if was == is {
            continue;
        }
        let text = |file: Option<&LockedFile>| {
            file.map_or_else(
                || "absent".to_owned(),
                |file| format!("{} ({} bytes)", file.sha256, file.size),
            )
        };
        let error = anyhow::anyhow!(
            "`{name}` of {arch} is not what images.lock promises: expected {}, got {}",
            text(was),
            text(is)
        );
        return Err(Failure::new(Exit::FetchFailed, error).hint(Some(
            "the same recipes gave other bytes: `cargo xtask images --from-source --verify` says where"
                .to_owned(),
        )));
    }
    Ok(())
}

/// The recipes' keys equal the lock's, and the archives in the repository hold what the lock says.
pub(crate) fn check_lock(context: &Context) -> Outcome {
    let project = context.project()?;
    let arches: Vec<String> = project.arches.keys().cloned().collect();
    let plan = plan_for(&project, &arches)?;
    if let Some(arch) = project
        .lock
        .images
        .keys()
        .find(|arch| !arches.contains(arch))
    {
        let error = anyhow::anyhow!("images.lock has `{arch}`, which is no architecture here");
        return Err(Failure::new(Exit::Failed, error));
    }
    let scratch = host::scratch::Scratch::new_in(&context.env.temp_dir, "lock")
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    let store = Store::open(scratch.path()).map_err(store_failure)?;
    for arch in &arches {
        let prebuilt = project.arches[arch].prebuilt;
        let again = again((!prebuilt).then_some(arch));
        let (Some(step), Some(locked)) = (plan.image(arch), project.lock.images.get(arch)) else {
            if !prebuilt {
                continue;
            }
            let error = anyhow::anyhow!("images.lock has no image of {arch}");
            return Err(Failure::new(Exit::Failed, error).hint(again));
        };
        if step.key != locked.key {
            let error = anyhow::anyhow!(
                "the recipes of {arch} give the key {}, images.lock has {}",
                step.key.short(),
                locked.key.short()
            );
            return Err(Failure::new(Exit::Failed, error).hint(again));
        }
        if prebuilt {
            let archive = self::prebuilt(context, arch);
            forge::prebuilt::install(&store, step, locked, &archive)
                .map_err(hinted!(Exit::FetchFailed))?;
        }
    }
    // No binary without its source: the list beside the images is the one that these recipes give.
    let path = context.root.join(SOURCES);
    let listed = host::files::read(&path).map_err(|error| Failure::new(Exit::Failed, error))?;
    if listed != render::sources::text(&project).as_bytes() {
        let error = anyhow::anyhow!("`{SOURCES}` is not the list of these recipes' sources");
        return Err(Failure::new(Exit::Failed, error).hint(again(None)));
    }
    Ok(Exit::Success)
}

/// What brings the lock up to date; an architecture whose image is not in the repository is named.
fn again(named: Option<&String>) -> String {
    let named = named.map_or_else(String::new, |arch| format!(" --arch {arch}"));
    format!("cargo xtask images --from-source --update-prebuilt{named}, and commit images/")
}

//! Compares images with `images/images.lock` and checks that the lock is up to date.

use camino::{Utf8Path, Utf8PathBuf};
use plan::Project;
use plan::lock::{LockedFile, LockedImage};
use plan::step::{BARE, IMAGE, Step};
use store::{Ready, Store};

use crate::error::{Outdated, ProvisionError};
use crate::{prebuilt, sources};

/// A file of an image that is not locked bit for bit, because a host's compressor made it. Its
/// payload is `kernel`, which is locked.
pub const NOT_LOCKED: &str = "compressed";

/// The archive in the repository of what a recipe makes for an architecture.
#[must_use]
pub fn archive(checkout: &Utf8Path, recipe: &str, arch: &str) -> Utf8PathBuf {
    let above = match recipe {
        IMAGE => "",
        recipe => &format!("{recipe}/"),
    };
    checkout.join(format!("images/prebuilt/{above}{arch}.tar.xz"))
}

/// Describes the files of an entry as in the lock.
#[must_use]
pub fn locked(ready: &Ready) -> LockedImage {
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

/// Compares an entry with the lock. Fails with the first file that differs.
pub fn compare(
    arch: &str,
    locked: &LockedImage,
    built: &LockedImage,
) -> Result<(), ProvisionError> {
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
        return Err(ProvisionError::Differs {
            arch: arch.to_owned(),
            name: name.clone(),
            expected: text(was),
            found: text(is),
        });
    }
    Ok(())
}

/// Checks that the keys of the recipes equal those in the lock, and that the archives in the
/// repository match the lock. `scratch` is an empty directory for the check.
pub fn check(
    checkout: &Utf8Path,
    project: &Project,
    scratch: &Utf8Path,
) -> Result<(), ProvisionError> {
    let arches: Vec<String> = project.arches.keys().cloned().collect();
    let plan = project.plan(&arches)?;
    let unknown = [IMAGE, BARE].map(|recipe| project.lock.of(recipe).keys());
    let unknown = unknown.into_iter().flatten();
    let mut unknown = unknown.filter(|arch| !arches.contains(arch));
    if let Some(arch) = unknown.next() {
        return Err(Outdated::UnknownArch(arch.clone()).into());
    }
    let store = Store::open(scratch)?;
    for arch in &arches {
        let is_here = project.arches[arch].prebuilt;
        let bare = plan.find(BARE, Some(arch)).map(|id| plan.step(id));
        for (step, recipe) in [(plan.image(arch), IMAGE), (bare, BARE)] {
            let locked = project.lock.of(recipe).get(arch);
            let (Some(step), Some(locked)) = (step, locked) else {
                if !is_here || (step, locked) == (None, None) && recipe == BARE {
                    continue;
                }
                return Err(Outdated::NoImage(arch.clone()).into());
            };
            let archive = archive(checkout, recipe, arch);
            check_step(step, locked, is_here.then_some((&store, &archive)))?;
        }
    }
    // Every binary must come with its source: the list next to the images must match the recipes.
    let listed = host::files::read(&checkout.join(sources::PATH))?;
    if listed != sources::text(project).as_bytes() {
        return Err(Outdated::Sources.into());
    }
    Ok(())
}

/// Compares a step with the lock, and an archive in the repository with both.
fn check_step(
    step: &Step,
    locked: &LockedImage,
    archive: Option<(&Store, &Utf8PathBuf)>,
) -> Result<(), ProvisionError> {
    if step.key != locked.key {
        let outdated = Outdated::OtherKey {
            arch: step.arch.clone().unwrap_or_default(),
            planned: step.key.short(),
            locked: locked.key.short(),
            prebuilt: archive.is_some(),
        };
        return Err(outdated.into());
    }
    if let Some((store, archive)) = archive {
        prebuilt::install(store, step, locked, archive)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use plan::digest::{BuildKey, Digest};

    use super::*;

    #[test]
    fn first_differing_file_is_named() {
        let image = |files: &[(&str, &[u8])]| LockedImage {
            key: BuildKey::from_bytes([0; 32]),
            files: files
                .iter()
                .map(|(name, bytes)| {
                    let file = LockedFile {
                        size: bytes.len() as u64,
                        sha256: Digest::of(bytes),
                    };
                    ((*name).to_owned(), file)
                })
                .collect(),
        };
        let check = |was: &[(&str, &[u8])], is: &[(&str, &[u8])], expect: Option<&str>| {
            let differs = compare("x", &image(was), &image(is)).err();
            let name = differs.map(|error| match error {
                ProvisionError::Differs { name, .. } => name,
                error => panic!("{error}"),
            });
            assert_eq!(name.as_deref(), expect);
        };
        let both: &[(&str, &[u8])] = &[("initramfs.cpio", b"a"), ("kernel", b"b")];
        check(both, both, None);
        check(
            both,
            &[("initramfs.cpio", b"a"), ("kernel", b"c")],
            Some("kernel"),
        );
        check(both, &[("initramfs.cpio", b"a")], Some("kernel"));
        check(&[], &[("kernel", b"b")], Some("kernel"));
    }
}

//! What a verification of a release needs of a tree: what it promises, and its source bundle.

use std::collections::BTreeMap;
use std::io;

use camino::Utf8Path;
use fs_err as fs;
use plan::digest::Digest;
use plan::lock::{Lock, LockedFile, LockedImage};

use crate::document::parse_sums;
use crate::index::{ARCH, Index};
use crate::manifest::Manifest;
use crate::perform::INDEX;
use crate::place::{Place, PlaceError};
use crate::release::SUMS;

/// Why a release cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The tree cannot be read.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Something of the release is not as it should be.
    #[error("`{0}` is missing, or cannot be read")]
    Broken(String),
    /// There is no such release.
    #[error("there is no release `{0}`")]
    Unknown(String),
    /// The bundle would build something else than was published.
    #[error("the source bundle makes another `{name}` of {arch} than was published")]
    Differs {
        /// Architecture.
        arch: String,
        /// File.
        name: String,
    },
    /// The bundle cannot be kept.
    #[error("cannot keep the source bundle")]
    Io(#[from] io::Error),
}

impl VerifyError {
    /// What mends it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Place(error) => error.hint(),
            Self::Broken(_) => Some("cargo xtask mirror-check says what is wrong".to_owned()),
            Self::Unknown(_) | Self::Differs { .. } | Self::Io(_) => None,
        }
    }
}

/// What a release promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// `kiln-<version>`.
    pub release: String,
    /// The images, by architecture.
    pub images: BTreeMap<String, LockedImage>,
    /// File name of the source bundle.
    pub bundle: String,
    /// Its digest.
    pub digest: Digest,
}

/// What `release`, or the newest of the tree, promises.
pub fn promise(place: &dyn Place, release: Option<&str>) -> Result<Promise, VerifyError> {
    let text = place.text(INDEX)?.ok_or_else(|| broken(INDEX))?;
    let index: Index = serde_json::from_slice(&text).map_err(|_| broken(INDEX))?;
    let releases = index.releases();
    let newest = releases.last().copied().ok_or_else(|| broken(INDEX))?;
    let release = release.unwrap_or(newest);
    if !releases.contains(&release) {
        return Err(VerifyError::Unknown(release.to_owned()));
    }
    let sums = format!("{release}/{SUMS}");
    let text = place.text(&sums)?.ok_or_else(|| broken(&sums))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let listed = parse_sums(&text).ok_or_else(|| broken(&sums))?;
    let bundle = format!("{release}-source.tar");
    let found = listed.iter().find(|(_, path)| *path == bundle);
    let (digest, _) = *found.ok_or_else(|| broken(&bundle))?;
    let mut images = BTreeMap::new();
    for entry in index
        .manifests
        .iter()
        .filter(|entry| entry.release() == release)
    {
        let Some(arch) = entry.annotations.get(ARCH) else {
            continue;
        };
        let path = format!("{release}/{arch}/manifest.json");
        let text = place.text(&path)?.ok_or_else(|| broken(&path))?;
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|_| broken(&path))?;
        let files = manifest.files.into_iter().map(|(name, facts)| {
            let (size, sha256) = (facts.size, facts.sha256);
            (name, LockedFile { size, sha256 })
        });
        let key = manifest.key;
        let files = files.collect();
        images.insert(arch.clone(), LockedImage { key, files });
    }
    Ok(Promise {
        release: release.to_owned(),
        images,
        bundle,
        digest,
    })
}

/// Copies the bundle of a release to a file; its bytes are for the caller to check.
pub fn copy_bundle(place: &dyn Place, promise: &Promise, to: &Utf8Path) -> Result<(), VerifyError> {
    let path = format!("{}/{}", promise.release, promise.bundle);
    let mut from = place.open(&path)?.ok_or_else(|| broken(&path))?;
    let mut file = fs::File::create(to)?;
    io::copy(&mut from, &mut file)?;
    Ok(())
}

/// Fails when the lock of a source bundle is for other images than the release promises: what the bundle
/// gives is then held against the lock by the build itself.
pub fn same_images(promise: &Promise, arches: &[String], lock: &Lock) -> Result<(), VerifyError> {
    for (arch, image) in &promise.images {
        if !arches.is_empty() && !arches.contains(arch) {
            continue;
        }
        let locked = lock.images.get(arch);
        if locked == Some(image) {
            continue;
        }
        let differs = |name: &&String| {
            locked.and_then(|locked| locked.files.get(*name)) != image.files.get(*name)
        };
        let name = image.files.keys().find(differs);
        return Err(VerifyError::Differs {
            arch: arch.clone(),
            name: name.map_or("key", String::as_str).to_owned(),
        });
    }
    Ok(())
}

fn broken(path: &str) -> VerifyError {
    VerifyError::Broken(path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use plan::digest::{BuildKey, Digest};
    use plan::lock::{Lock, LockedFile, LockedImage};

    use super::{Promise, same_images};

    fn image(kernel: &[u8]) -> LockedImage {
        let (size, sha256) = (kernel.len() as u64, Digest::of(kernel));
        LockedImage {
            key: BuildKey::from_bytes([1; 32]),
            files: BTreeMap::from([("kernel".to_owned(), LockedFile { size, sha256 })]),
        }
    }

    #[test]
    fn a_bundle_that_locks_another_image_is_refused_and_the_file_named() {
        let images = |kernel: &[u8]| BTreeMap::from([("riscv".to_owned(), image(kernel))]);
        let promise = Promise {
            release: "kiln-1".to_owned(),
            images: images(b"published"),
            bundle: "kiln-1-source.tar".to_owned(),
            digest: Digest::of(b""),
        };
        let check = |lock: &Lock, arches: &[String]| {
            same_images(&promise, arches, lock).map_err(|error| error.to_string())
        };
        let same = Lock {
            images: images(b"published"),
        };
        let other = Lock {
            images: images(b"other"),
        };
        assert_eq!(check(&same, &[]), Ok(()));
        assert_eq!(check(&other, &["elsewhere".to_owned()]), Ok(()));
        let wrong = "the source bundle makes another `kernel` of riscv than was published";
        assert_eq!(check(&other, &[]), Err(wrong.to_owned()));
        assert_eq!(check(&Lock::default(), &[]), Err(wrong.to_owned()));
    }
}

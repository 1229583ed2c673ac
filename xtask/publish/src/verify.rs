//! Reads what a release promises, and checks its source bundle. The caller builds and compares.

mod bundle;
mod error;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use plan::digest::Digest;
use plan::lock::{Lock, LockedFile, LockedImage};
use plan::source::{Location, SourcePin};

use crate::document::parse_sums;
use crate::index::{ARCH, Index};
use crate::manifest::{Manifest, SourceFacts};
use crate::perform::INDEX;
use crate::release::{PROGRAMS, SUMS};
use crate::schema::SchemaError;
use crate::sign::Keys;
use crate::tree_reader::TreeReader;

pub use bundle::complete;
pub use error::VerifyError;

/// What a release promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// `kiln-<version>`.
    pub release: String,
    /// The images, by architecture.
    pub images: BTreeMap<String, LockedImage>,
    /// The digests of the bare-metal programs, by architecture and name.
    pub programs: BTreeMap<String, BTreeMap<String, Digest>>,
    /// The source archives, by file name.
    pub sources: BTreeMap<String, LockedFile>,
    /// File name of the source bundle.
    pub bundle: String,
    /// The size and digest of the bundle.
    pub facts: LockedFile,
}

impl Promise {
    /// The source bundle, as a file to fetch from the tree at the URL `base`.
    #[must_use]
    pub fn bundle_pin(&self, base: &str) -> SourcePin {
        self.pin(base, &self.bundle, self.facts)
    }

    /// A file of an image, as a file to fetch from the tree at the URL `base`.
    #[must_use]
    pub fn file_pin(&self, base: &str, arch: &str, name: &str, facts: LockedFile) -> SourcePin {
        self.pin(base, &format!("{arch}/{name}"), facts)
    }

    /// The image of an architecture and its bare-metal programs, each with the prefix of its file
    /// names. The lock is that of the bundle, which [`same_images`] has compared.
    pub fn parts<'a>(
        &'a self,
        arch: &str,
        lock: &'a Lock,
    ) -> impl Iterator<Item = (&'static str, &'a LockedImage)> {
        let image = self.images.get(arch).map(|image| ("", image));
        let has_programs = self.programs.contains_key(arch);
        let programs = lock.bare.get(arch).filter(|_| has_programs);
        let programs = programs.map(|programs| (PROGRAMS, programs));
        image.into_iter().chain(programs)
    }

    fn pin(&self, base: &str, path: &str, facts: LockedFile) -> SourcePin {
        let url = format!("{}/{}/{path}", base.trim_end_matches('/'), self.release);
        SourcePin {
            file: path.replace('/', "-"),
            size: facts.size,
            sha256: facts.sha256,
            locations: vec![Location::Url(url)],
        }
    }
}

/// Reads the promise of `release`, or of the newest release: `SHA256SUMS`, signed as `keys`
/// require, and the manifests, which must agree.
pub fn promise(
    place: &dyn TreeReader,
    keys: &Keys,
    release: Option<&str>,
) -> Result<Promise, VerifyError> {
    let text = place.text(INDEX)?.ok_or_else(|| broken(INDEX))?;
    let index = Index::read(&text).map_err(|error| unread(INDEX, error))?;
    let releases = index.releases();
    let newest = releases.last().copied().ok_or(VerifyError::Empty)?;
    let release = release.unwrap_or(newest);
    if !releases.contains(&release) {
        return Err(VerifyError::Unknown {
            release: release.to_owned(),
            known: releases.join(", "),
        });
    }
    let sums = Sums::read(place, keys, release)?;
    let bundle = format!("{release}-source.tar");
    let mut promise = Promise {
        release: release.to_owned(),
        images: BTreeMap::new(),
        programs: sums.programs(),
        sources: BTreeMap::new(),
        facts: LockedFile {
            size: 0,
            sha256: sums.of(&bundle)?,
        },
        bundle,
    };
    let entries = index.manifests.iter();
    let entries = entries.filter(|entry| entry.release() == release);
    // Images and programs of an architecture have an entry each.
    let arches: BTreeSet<_> = entries
        .filter_map(|entry| entry.annotations.get(ARCH))
        .collect();
    for arch in arches {
        let manifest = manifest(place, &sums, arch)?;
        sums.check_digest(&promise.bundle, manifest.bundle.sha256)?;
        promise.facts.size = manifest.bundle.size;
        let named = manifest.sources.into_iter();
        promise.sources.extend(named.map(|source| {
            let SourceFacts { size, sha256, .. } = source;
            (source.file, LockedFile { size, sha256 })
        }));
        let mut files = BTreeMap::new();
        for (name, facts) in manifest.files {
            sums.check_digest(&format!("{arch}/{name}"), facts.sha256)?;
            let (size, sha256) = (facts.size, facts.sha256);
            files.insert(name, LockedFile { size, sha256 });
        }
        let key = manifest.key;
        promise
            .images
            .insert(arch.clone(), LockedImage { key, files });
    }
    if promise.images.is_empty() {
        return Err(broken(&format!("{release}: no image")));
    }
    Ok(promise)
}

/// `manifest.json` of an image, with the digest of `SHA256SUMS`.
fn manifest(place: &dyn TreeReader, sums: &Sums, arch: &str) -> Result<Manifest, VerifyError> {
    let short = format!("{arch}/manifest.json");
    let path = format!("{}/{short}", sums.release);
    let text = place.text(&path)?.ok_or_else(|| broken(&path))?;
    let (wanted, is) = (sums.of(&short)?, Digest::of(&text));
    if is != wanted {
        return Err(VerifyError::Differs { path, is, wanted });
    }
    let manifest = Manifest::read(&text).map_err(|error| unread(&path, error))?;
    if manifest.arch != arch {
        return Err(broken(&path));
    }
    Ok(manifest)
}

/// `SHA256SUMS` of a release.
struct Sums {
    release: String,
    listed: BTreeMap<String, Digest>,
}

impl Sums {
    fn read(place: &dyn TreeReader, keys: &Keys, release: &str) -> Result<Self, VerifyError> {
        let path = format!("{release}/{SUMS}");
        let text = place.text(&path)?.ok_or_else(|| broken(&path))?;
        let mut failed = None;
        let count = keys.count(&text, |key| {
            let signature = place.text(&format!("{path}.{key}.minisig"));
            signature.unwrap_or_else(|error| {
                failed = Some(error);
                None
            })
        });
        if let Some(error) = failed {
            return Err(error.into());
        }
        if count < keys.threshold {
            let wanted = keys.threshold;
            return Err(VerifyError::Signatures {
                path,
                count,
                wanted,
            });
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        let listed = parse_sums(&text).ok_or_else(|| broken(&path))?;
        let listed = listed
            .into_iter()
            .map(|(digest, path)| (path.to_owned(), digest));
        Ok(Self {
            release: release.to_owned(),
            listed: listed.collect(),
        })
    }

    fn of(&self, path: &str) -> Result<Digest, VerifyError> {
        let digest = self.listed.get(path).copied();
        digest.ok_or_else(|| VerifyError::Unlisted(format!("{}/{path}", self.release)))
    }

    /// The bare-metal programs, by architecture and name.
    fn programs(&self) -> BTreeMap<String, BTreeMap<String, Digest>> {
        let mut found = BTreeMap::<_, BTreeMap<_, _>>::new();
        for (path, digest) in &self.listed {
            let Some((arch, path)) = path.split_once('/') else {
                continue;
            };
            if let Some(name) = path.strip_prefix(PROGRAMS) {
                let programs = found.entry(arch.to_owned()).or_default();
                programs.insert(name.to_owned(), *digest);
            }
        }
        found
    }

    /// Fails if a manifest contradicts the checksums.
    fn check_digest(&self, path: &str, manifest: Digest) -> Result<(), VerifyError> {
        let listed = self.of(path)?;
        if listed == manifest {
            return Ok(());
        }
        Err(VerifyError::Disagree {
            path: format!("{}/{path}", self.release),
            listed,
            manifest,
        })
    }
}

/// Fails if the lock in a source bundle is for other images or programs than the release promises.
/// The bundle would compare its build with that lock.
pub fn same_images(promise: &Promise, arches: &[String], lock: &Lock) -> Result<(), VerifyError> {
    for arch in arches {
        same_programs(promise, arch, lock)?;
        let (image, locked) = (promise.images.get(arch), lock.images.get(arch));
        if locked == image {
            continue;
        }
        let file = |image: Option<&LockedImage>, name: &String| image?.files.get(name).copied();
        let mut names = image.into_iter().flat_map(|image| image.files.keys());
        let name = names.find(|name| file(locked, name) != file(image, name));
        return Err(VerifyError::OtherImage {
            arch: arch.clone(),
            name: name.map_or("key", String::as_str).to_owned(),
        });
    }
    Ok(())
}

fn same_programs(promise: &Promise, arch: &str, lock: &Lock) -> Result<(), VerifyError> {
    let Some(programs) = promise.programs.get(arch) else {
        return Ok(());
    };
    let locked = lock.bare.get(arch);
    let locked = locked.into_iter().flat_map(|programs| &programs.files);
    let locked: BTreeMap<&String, Digest> =
        locked.map(|(name, file)| (name, file.sha256)).collect();
    let mut names = programs.keys().chain(locked.keys().copied());
    match names.find(|name| programs.get(*name) != locked.get(name)) {
        None => Ok(()),
        Some(name) => Err(VerifyError::OtherImage {
            arch: arch.to_owned(),
            name: format!("{PROGRAMS}{name}"),
        }),
    }
}

fn unread(path: &str, error: SchemaError) -> VerifyError {
    match error {
        SchemaError::Future { is, known } => VerifyError::Schema {
            path: path.to_owned(),
            is,
            known,
        },
        SchemaError::Unreadable => broken(path),
    }
}

fn broken(path: &str) -> VerifyError {
    VerifyError::Broken(path.to_owned())
}

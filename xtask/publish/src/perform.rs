//! Publishes and withdraws a release, each in an order in which no reader ever finds a binary
//! without its source, wherever the publisher stops.

use plan::digest::Digest;

use crate::document;
use crate::index::{Descriptor, Index, LAYOUT, OciManifest};
use crate::manifest::Manifest;
use crate::release::{Content, PART, Phase, PublishedFile, Release, SUMS, blob_path};
use crate::schema::SchemaError;
use crate::sign::{Keys, SignError, Signer};
use crate::tree::{Tree, TreeError};

/// The file that lists the releases.
pub const INDEX: &str = "index.json";

/// A day in seconds.
const DAY: u64 = 24 * 60 * 60;

/// Why a tree was not changed, or only in part.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The keys.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The tree is malformed.
    #[error("failed to read `{0}` of the release")]
    Broken(String),
    /// A newer version of Kiln has published there.
    #[error("`{path}` of the release {error}")]
    Schema {
        /// Path in the tree.
        path: String,
        /// The version error.
        error: SchemaError,
    },
    /// No such release exists.
    #[error("unknown release `{name}`")]
    Unknown {
        /// The requested name.
        name: String,
        /// The existing releases.
        known: Vec<String>,
    },
}

impl PublishError {
    /// The command that fixes the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Tree(error) => error.hint(),
            Self::Sign(error) => error.hint(),
            Self::Schema {
                error: SchemaError::Future { .. },
                ..
            } => Some("git pull: a newer version of Kiln has published there".to_owned()),
            Self::Broken(_) | Self::Schema { .. } => {
                Some("list every problem: cargo xtask mirror-check".to_owned())
            }
            Self::Unknown { known, .. } if known.is_empty() => {
                Some("the tree contains no release".to_owned())
            }
            Self::Unknown { known, .. } => {
                Some(format!("published releases: {}", known.join(", ")))
            }
        }
    }
}

/// The signing keys and the time of a publication.
pub struct Authority<'a> {
    /// The trusted keys of readers.
    pub keys: &'a Keys,
    /// The signing keys.
    pub signers: &'a [Signer],
    /// Seconds since 1970.
    pub now: u64,
}

/// Checks early that the tree can be read and has a supported format.
pub fn check_access(tree: &dyn Tree) -> Result<(), PublishError> {
    read_index(tree).map(drop)
}

/// Publishes a release. Calls `report` for each written file.
pub fn publish(
    tree: &mut dyn Tree,
    release: &Release,
    authority: &Authority<'_>,
    report: &mut dyn FnMut(&str),
) -> Result<(), PublishError> {
    authority.keys.check(authority.signers)?;
    let index = read_index(tree)?;
    let layout = fixed("oci-layout".to_owned(), LAYOUT.as_bytes().to_vec());
    let files = || [&layout].into_iter().chain(&release.files);
    // A name that already has other content is detected before anything is sent.
    let there = files().map(|file| tree.has(file));
    let there: Vec<bool> = there.collect::<Result<_, _>>()?;
    for (file, there) in files().zip(there) {
        if !there {
            tree.put(file)?;
        }
        report(&file.path);
    }
    for file in signatures(release, authority)? {
        // Signing again does not give the same bytes.
        if tree.text(&file.path).map_err(TreeError::from)?.is_none() {
            tree.put(&file)?;
            report(&file.path);
        }
    }
    let expires = authority.now + authority.keys.days * DAY;
    let next = index.with(&release.name, &release.descriptors, expires);
    announce(tree, &next, authority)?;
    report(INDEX);
    Ok(())
}

/// Withdraws a release: from the index first, its source last. Blobs and sources that another
/// release references stay.
pub fn withdraw(
    tree: &mut dyn Tree,
    name: &str,
    authority: &Authority<'_>,
    report: &mut dyn FnMut(&str),
) -> Result<(), PublishError> {
    authority.keys.check(authority.signers)?;
    let index = read_index(tree)?;
    let known: Vec<String> = index.releases().into_iter().map(str::to_owned).collect();
    let listed = tree
        .text(&format!("{name}/{SUMS}"))
        .map_err(TreeError::from)?;
    if !known.iter().any(|release| release == name) && listed.is_none() {
        let name = name.to_owned();
        return Err(PublishError::Unknown { name, known });
    }
    let doomed = paths_to_remove(tree, &index, name, listed.as_deref())?;
    let expires = authority.now + authority.keys.days * DAY;
    announce(tree, &index.with(name, &[], expires), authority)?;
    report(INDEX);
    for path in doomed {
        tree.remove(&path)?;
        report(&path);
    }
    Ok(())
}

/// The files of only this release in the order of removal: binaries first, and last the list that a
/// second attempt needs.
fn paths_to_remove(
    tree: &dyn Tree,
    index: &Index,
    name: &str,
    listed: Option<&[u8]>,
) -> Result<Vec<String>, PublishError> {
    let broken = |path: &str| PublishError::Broken(path.to_owned());
    let sums = format!("{name}/{SUMS}");
    let listed = String::from_utf8_lossy(listed.unwrap_or_default()).into_owned();
    let listed = document::parse_sums(&listed).ok_or_else(|| broken(&sums))?;
    let (mut kept, mut blobs) = (Vec::new(), Vec::new());
    // After an interrupted attempt, the entries are only in the index part of the folder.
    let part = tree
        .text(&format!("{name}/{PART}"))
        .map_err(TreeError::from)?;
    let part = part.and_then(|text| serde_json::from_slice::<Index>(&text).ok());
    let part = part.unwrap_or_default().manifests;
    let known = index.manifests.iter().filter(|entry| !part.contains(entry));
    for entry in known.chain(&part) {
        let (ours, digest) = (entry.release() == name, entry.sha256());
        let digest = digest.ok_or_else(|| broken(INDEX))?;
        let text = tree.text(&blob_path(&digest)).map_err(TreeError::from)?;
        let manifest = text.and_then(|text| serde_json::from_slice::<OciManifest>(&text).ok());
        let Some(manifest) = manifest else {
            if ours {
                blobs.push(digest);
                continue;
            }
            return Err(broken(&blob_path(&digest)));
        };
        let named = manifest.layers.iter().chain([&manifest.config]);
        let named: Vec<Digest> = named
            .filter_map(Descriptor::sha256)
            .chain([digest])
            .collect();
        if ours {
            blobs.extend(named);
        } else {
            kept.extend(named);
            kept.extend(
                sources(tree, entry.release())?
                    .into_iter()
                    .map(|(_, digest)| digest),
            );
        }
    }
    let archives = sources(tree, name)?;
    blobs.extend(listed.iter().map(|(digest, _)| *digest));
    blobs.sort();
    blobs.dedup();
    let is_archive = |digest: &Digest| archives.iter().any(|(_, its)| its == digest);
    let (binary, other): (Vec<_>, Vec<_>) = listed.iter().partition(|(_, path)| {
        // LICENSES is not an architecture's folder. A manifest lists which other files to remove.
        path.contains('/') && !path.starts_with("LICENSES/") && !path.ends_with("/manifest.json")
    });
    let mut paths: Vec<String> = Vec::new();
    let file = |(_, path): &&(Digest, &str)| format!("{name}/{path}");
    paths.extend(binary.iter().map(file));
    let gone = |digest: &&Digest| !kept.contains(digest) && !is_archive(digest);
    let bundle = |digest: &Digest| other.iter().any(|(its, _)| its == digest);
    paths.extend(
        blobs
            .iter()
            .filter(gone)
            .filter(|digest| !bundle(digest))
            .map(blob_path),
    );
    paths.extend(
        blobs
            .iter()
            .filter(gone)
            .filter(|digest| bundle(digest))
            .map(blob_path),
    );
    for (path, digest) in &archives {
        if !kept.contains(digest) {
            paths.extend([path.clone(), blob_path(digest)]);
        }
    }
    paths.extend(other.iter().map(file));
    let keys: Vec<String> = authority_names(tree, &sums)?;
    paths.extend(keys);
    paths.push(sums);
    Ok(paths)
}

/// The existing signatures next to a file: the plain name, and those by key that can be listed.
fn authority_names(tree: &dyn Tree, path: &str) -> Result<Vec<String>, PublishError> {
    let plain = format!("{path}.minisig");
    let Some(bytes) = tree.text(&plain).map_err(TreeError::from)? else {
        return Ok(Vec::new());
    };
    // Each signature names the others in its trusted comment: `<what> by <key> <key>…`.
    let text = String::from_utf8_lossy(&bytes);
    let keys = text.lines().find_map(|line| line.rsplit_once(" by "));
    let keys = keys.map_or(Vec::new(), |(_, keys)| keys.split(' ').collect());
    let hex = |key: &&str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    let named = keys
        .into_iter()
        .filter(hex)
        .map(|key| format!("{path}.{key}.minisig"));
    Ok(named.chain([plain]).collect())
}

/// The archives in `sources/` that a release references, with their digests.
fn sources(tree: &dyn Tree, release: &str) -> Result<Vec<(String, Digest)>, PublishError> {
    let path = format!("{release}/{SUMS}");
    let Some(text) = tree.text(&path).map_err(TreeError::from)? else {
        return Ok(Vec::new());
    };
    let text = String::from_utf8_lossy(&text).into_owned();
    let listed = document::parse_sums(&text).ok_or_else(|| PublishError::Broken(path.clone()))?;
    let mut found = Vec::new();
    for (_, file) in listed
        .iter()
        .filter(|(_, file)| file.ends_with("/manifest.json"))
    {
        let path = format!("{release}/{file}");
        let text = tree.text(&path).map_err(TreeError::from)?;
        // A file that was already removed references nothing.
        let Some(text) = text else { continue };
        let manifest = Manifest::read(&text).map_err(|error| schema(&path, error))?;
        let named = manifest.sources.iter();
        found.extend(named.map(|its| (format!("sources/{}", its.file), its.sha256)));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn read_index(tree: &dyn Tree) -> Result<Index, PublishError> {
    match tree.text(INDEX).map_err(TreeError::from)? {
        None => Ok(Index::default()),
        Some(text) => Index::read(&text).map_err(|error| schema(INDEX, error)),
    }
}

fn schema(path: &str, error: SchemaError) -> PublishError {
    let path = path.to_owned();
    PublishError::Schema { path, error }
}

/// The path of an index signature: by digest, so that it always matches its index.
pub(crate) fn index_signature(digest: &Digest, key: &str) -> String {
    format!("signatures/{digest}.{key}.minisig")
}

fn announce(
    tree: &mut dyn Tree,
    index: &Index,
    authority: &Authority<'_>,
) -> Result<(), PublishError> {
    let text = index.render();
    let digest = Digest::of(&text);
    for signer in authority.signers {
        let signature = signer.sign(&text, &format!("index {}", index.serial()))?;
        tree.put(&fixed(index_signature(&digest, signer.id()), signature))?;
    }
    tree.replace(INDEX, &text)?;
    tree.replace("index.html", document::page(index).as_bytes())?;
    Ok(())
}

/// The signatures of the checksums: one per key, and the first also under the name that minisign
/// expects.
fn signatures(
    release: &Release,
    authority: &Authority<'_>,
) -> Result<Vec<PublishedFile>, PublishError> {
    let sums = format!("{}/{SUMS}", release.name);
    let text = release.files.iter().find(|file| file.path == sums);
    let Some(Content::Bytes(text)) = text.map(|file| &file.content) else {
        return Ok(Vec::new());
    };
    let keys: Vec<&str> = authority.signers.iter().map(Signer::id).collect();
    let what = format!("{sums} by {}", keys.join(" "));
    let mut files = Vec::new();
    for signer in authority.signers {
        let signature = signer.sign(text, &what)?;
        if files.is_empty() {
            files.push(fixed(format!("{sums}.minisig"), signature.clone()));
        }
        files.push(fixed(format!("{sums}.{}.minisig", signer.id()), signature));
    }
    Ok(files)
}

fn fixed(path: String, bytes: Vec<u8>) -> PublishedFile {
    PublishedFile {
        path,
        content: Content::Bytes(bytes),
        phase: Phase::Signatures,
    }
}

#[cfg(test)]
mod tests;

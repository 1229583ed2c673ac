//! The OCI part of a tree: descriptors, manifests and `index.json`, which also records the
//! releases, its serial number and its expiry.

use std::collections::BTreeMap;

use plan::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::draft::Draft;
use crate::schema::{self, SchemaError};

/// Artifact type of an image for one architecture.
pub const IMAGE_TYPE: &str = "application/vnd.kiln.image.v1";
/// Artifact type of the bare-metal programs for one architecture.
pub const PROGRAMS_TYPE: &str = "application/vnd.kiln.bare.v1";
/// Artifact type of the source of a release.
pub const SOURCE_TYPE: &str = "application/vnd.kiln.source.v1";
/// Media type of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The file `oci-layout`.
pub const LAYOUT: &str = "{\"imageLayoutVersion\":\"1.0.0\"}\n";

const CONFIG: &str = "application/vnd.kiln.manifest.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const LAYER: &str = "application/octet-stream";

/// The release that an entry of the index belongs to.
pub const RELEASE: &str = "kiln.release";
/// The architecture of an image.
pub const ARCH: &str = "kiln.arch";
/// The digest of the manifest of an image's source.
pub const SOURCE: &str = "kiln.source";
/// The version of Kiln's annotations in an index. Without one it is 1.
const SCHEMA: &str = "kiln.schema";
const KNOWN: u64 = 1;
const SERIAL: &str = "kiln.serial";
const EXPIRES: &str = "kiln.expires";
const TITLE: &str = "org.opencontainers.image.title";
const REFERENCE: &str = "org.opencontainers.image.ref.name";
const VERSION: &str = "org.opencontainers.image.version";

/// A reference to a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type.
    pub media_type: String,
    /// `sha256:<hex>`.
    pub digest: String,
    /// Length in bytes.
    pub size: u64,
    /// The artifact type of a manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub(crate) fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: format!("sha256:{digest}"),
            size,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The SHA-256, if the digest is a valid one.
    #[must_use]
    pub fn sha256(&self) -> Option<Digest> {
        self.digest.strip_prefix("sha256:")?.parse().ok()
    }

    /// The release that it belongs to.
    #[must_use]
    pub fn release(&self) -> &str {
        self.annotations.get(RELEASE).map_or("", String::as_str)
    }

    /// The file name of a layer.
    #[must_use]
    pub fn title(&self) -> &str {
        self.annotations.get(TITLE).map_or("", String::as_str)
    }

    /// Whether it is an image.
    #[must_use]
    pub fn is_image(&self) -> bool {
        self.artifact_type.as_deref() == Some(IMAGE_TYPE)
    }

    /// Whether it is a source rather than binaries.
    #[must_use]
    pub fn is_source(&self) -> bool {
        self.artifact_type.as_deref() == Some(SOURCE_TYPE)
    }
}

/// An OCI manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OciManifest {
    schema_version: u32,
    media_type: String,
    artifact_type: String,
    /// The description of the layers.
    pub config: Descriptor,
    /// The files in the order of addition.
    pub layers: Vec<Descriptor>,
    annotations: BTreeMap<String, String>,
}

impl OciManifest {
    pub(crate) fn new(artifact: &str, release: &str, version: &str, arch: Option<&str>) -> Self {
        let part = match arch {
            None => "source".to_owned(),
            Some(arch) if artifact == PROGRAMS_TYPE => format!("{arch}-bare"),
            Some(arch) => arch.to_owned(),
        };
        let mut annotations = BTreeMap::from([
            (RELEASE.to_owned(), release.to_owned()),
            (VERSION.to_owned(), version.to_owned()),
            (REFERENCE.to_owned(), format!("{release}-{part}")),
        ]);
        annotations.extend(arch.map(|arch| (ARCH.to_owned(), arch.to_owned())));
        Self {
            schema_version: 2,
            media_type: MANIFEST.to_owned(),
            artifact_type: artifact.to_owned(),
            config: Descriptor::new(EMPTY, Digest::of(b"{}"), 2),
            layers: Vec::new(),
            annotations,
        }
    }

    pub(crate) fn config(&mut self, digest: Digest, size: u64) {
        self.config = Descriptor::new(CONFIG, digest, size);
    }

    pub(crate) fn layer(&mut self, title: &str, digest: Digest, size: u64) {
        let mut layer = Descriptor::new(LAYER, digest, size);
        let _ = layer.annotations.insert(TITLE.to_owned(), title.to_owned());
        self.layers.push(layer);
    }

    /// Adds the manifest as a blob. Returns the index entry for it.
    pub(crate) fn finish(mut self, draft: &mut Draft, source: Option<&Descriptor>) -> Descriptor {
        if self.config.media_type == EMPTY {
            draft.blob(b"{}");
        }
        let source = source.map(|source| (SOURCE.to_owned(), source.digest.clone()));
        self.annotations.extend(source);
        let text = json(&self);
        draft.blob(&text);
        let mut entry = Descriptor::new(MANIFEST, Digest::of(&text), text.len() as u64);
        entry.artifact_type = Some(self.artifact_type);
        entry.annotations = self.annotations;
        entry
    }
}

/// `index.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    schema_version: u32,
    media_type: String,
    /// All published manifests.
    pub manifests: Vec<Descriptor>,
    annotations: BTreeMap<String, String>,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            schema_version: 2,
            media_type: INDEX.to_owned(),
            manifests: Vec::new(),
            annotations: BTreeMap::new(),
        }
    }
}

impl Index {
    /// Parses the file.
    pub fn read(text: &[u8]) -> Result<Self, SchemaError> {
        // OCI's own schema has always been 2. Kiln's is in an annotation.
        schema::read::<serde_json::Value>(text, 2, |index| index["schemaVersion"].as_u64())?;
        schema::read(text, KNOWN, |index| match &index["annotations"][SCHEMA] {
            serde_json::Value::Null => Some(1),
            schema => schema.as_str()?.parse().ok(),
        })
    }

    /// Formats the file.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        json(self)
    }

    /// The number of changes of the index.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.number(SERIAL).unwrap_or(0)
    }

    /// The expiry in seconds since 1970, or `None` if it never expires.
    #[must_use]
    pub fn expires(&self) -> Option<u64> {
        self.number(EXPIRES)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.annotations.get(name)?.parse().ok()
    }

    /// The releases, oldest first.
    #[must_use]
    pub fn releases(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for entry in &self.manifests {
            if !names.contains(&entry.release()) {
                names.push(entry.release());
            }
        }
        names
    }

    /// An index of these entries alone for a registry, without serial and expiry.
    #[must_use]
    pub fn naming(&self, entries: &[Descriptor]) -> Self {
        Self {
            manifests: entries.to_vec(),
            ..self.clone()
        }
    }

    /// The next index, in which `release` has exactly these entries.
    #[must_use]
    pub fn with(&self, release: &str, entries: &[Descriptor], expires: u64) -> Self {
        let mut next = self.clone();
        next.manifests.retain(|entry| entry.release() != release);
        next.manifests.extend_from_slice(entries);
        next.annotations = BTreeMap::from([
            (SCHEMA.to_owned(), KNOWN.to_string()),
            (SERIAL.to_owned(), (self.serial() + 1).to_string()),
            (EXPIRES.to_owned(), expires.to_string()),
        ]);
        next
    }
}

/// The canonical form of a JSON document: indented, fields in the order of the type, a final
/// newline.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    // Only maps with keys that are not strings fail, and no type here has one.
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    text
}

//! A pinned source archive: name, size, SHA-256, locations, patches.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use camino::Utf8PathBuf;
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::relative::is_relative;

/// An archive with exact bytes, and how it becomes a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Name of the tree in the sandbox: `/src/<name>`.
    pub name: String,
    /// The bytes to fetch.
    pub pin: SourcePin,
    /// An archive inside the archive that is the actual source, if any.
    pub inner: Option<String>,
    /// Number of leading path components to drop.
    pub strip: usize,
    /// Unified diffs, applied in order with `-p1`.
    pub patches: Vec<Patch>,
}

/// Version of the unpacking procedure, which is part of the names of trees.
const TREE_FORMAT: &[u8] = b"kiln tree 1";

impl Source {
    /// The name of the unpacked tree, from everything that its bytes depend on.
    #[must_use]
    pub fn tree_id(&self) -> Digest {
        let mut hasher = Sha256::new();
        let mut field = |tag: &str, bytes: &[u8]| {
            hasher.update((tag.len() as u64).to_le_bytes());
            hasher.update(tag);
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        field("format", TREE_FORMAT);
        field("archive", self.pin.sha256.to_string().as_bytes());
        field("strip", &(self.strip as u64).to_le_bytes());
        if let Some(inner) = &self.inner {
            field("inner", inner.as_bytes());
        }
        for patch in &self.patches {
            field("patch", patch.text.as_bytes());
        }
        Digest::from_bytes(hasher.finalize().into())
    }
}

/// Bytes from outside, which are used only if size and SHA-256 match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourcePin {
    /// File name, as published under `sources/`.
    pub file: String,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// Its locations, tried in order.
    pub locations: Vec<Location>,
}

impl SourcePin {
    /// The URLs that need no mirror.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.locations.iter().filter_map(|location| match location {
            Location::Url(url) => Some(url.as_str()),
            Location::Debian(_) | Location::DebianSnapshot(_) => None,
        })
    }

    /// The distinct services that host the file. One service may withdraw all of its locations at
    /// once, so two locations are independent only if their services differ.
    #[must_use]
    pub fn services(&self) -> BTreeSet<&str> {
        self.locations.iter().map(Location::service).collect()
    }
}

/// One location of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Location {
    /// An `https:`, `http:` or `file:` URL.
    Url(String),
    /// A path below the base of any Debian mirror, such as `pool/main/…`.
    Debian(String),
    /// The file's SHA-1 in Debian's snapshot archive, which keeps every file that was ever in
    /// Debian.
    DebianSnapshot(Sha1),
}

impl Location {
    /// Parses a location from a recipe. `None` if it has none of the three forms.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.contains(char::is_whitespace) {
            return None;
        }
        if let Some(path) = text.strip_prefix("debian:") {
            let fits = path.starts_with("pool/") && is_relative(path);
            return fits.then(|| Self::Debian(path.to_owned()));
        }
        if let Some(sha1) = text.strip_prefix("debian-snapshot:") {
            return sha1.parse().ok().map(Self::DebianSnapshot);
        }
        let rest = ["https://", "http://", "file:///"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))?;
        (!rest.is_empty()).then(|| Self::Url(text.to_owned()))
    }

    /// The service that hosts the file: the kind of archive, or the host of a URL.
    #[must_use]
    pub fn service(&self) -> &str {
        match self {
            Self::Debian(_) => "debian",
            Self::DebianSnapshot(_) => "debian-snapshot",
            Self::Url(url) => {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                rest.split('/').next().unwrap_or(rest)
            }
        }
    }
}

impl fmt::Display for Location {
    /// Formats it as in a recipe.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::Debian(path) => write!(f, "debian:{path}"),
            Self::DebianSnapshot(sha1) => write!(f, "debian-snapshot:{sha1}"),
        }
    }
}

/// A file's identifier in Debian's snapshot archive. It is never trusted: the downloaded bytes must
/// have the pinned SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sha1(String);

impl Sha1 {
    /// Takes the 20 bytes of a finished SHA-1.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 20]) -> Self {
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
        Self(digits.collect())
    }
}

impl fmt::Display for Sha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Sha1 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is not a SHA-1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a SHA-1 in 40 lower-case hexadecimal digits")]
pub struct NotSha1(pub String);

impl FromStr for Sha1 {
    type Err = NotSha1;

    fn from_str(text: &str) -> Result<Self, NotSha1> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 40 && text.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotSha1(text.to_owned()))
        }
    }
}

/// A patch, by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Patch {
    /// Path in the repository.
    pub path: Utf8PathBuf,
    /// The unified diff with its header.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA1: &str = "d2ad53065f74afc1280d795570d8cc7258f909e1";

    #[test]
    fn location_round_trips_through_text() {
        let snapshot = format!("debian-snapshot:{SHA1}");
        for (text, service) in [
            ("debian:pool/main/l/linux/linux_6.12.orig.tar.xz", "debian"),
            (snapshot.as_str(), "debian-snapshot"),
            ("https://a.example/b.tar", "a.example"),
            ("http://a.example:8080/b.tar", "a.example:8080"),
            ("file:///b.tar", ""),
        ] {
            let location = Location::parse(text).unwrap();
            assert_eq!(location.to_string(), text);
            assert_eq!(location.service(), service);
        }
    }

    #[test]
    fn sha1_is_written_in_hexadecimal() {
        let mut bytes = [0; 20];
        (bytes[0], bytes[19]) = (0xd2, 0x0f);
        let text = Sha1::from_bytes(bytes).to_string();
        assert_eq!(text, format!("d2{}0f", "0".repeat(36)));
        assert_eq!(text.parse::<Sha1>().unwrap(), Sha1::from_bytes(bytes));
    }

    #[test]
    fn other_texts_are_not_locations() {
        let short = format!("debian-snapshot:{}", &SHA1[1..]);
        let upper = format!("debian-snapshot:{}", SHA1.to_uppercase());
        for text in [
            "",
            "https://",
            "ftp://a.example/b",
            "debian:dists/b",
            "debian:pool/../b",
            "debian-snapshot:",
            &short,
            &upper,
            "https://a.example/b c",
        ] {
            assert_eq!(Location::parse(text), None, "{text}");
        }
    }

    #[test]
    fn two_urls_of_one_host_are_one_service() {
        let pin = |locations: &[&str]| SourcePin {
            file: "a.tar".to_owned(),
            size: 1,
            sha256: Digest::of(b"a"),
            locations: locations
                .iter()
                .filter_map(|text| Location::parse(text))
                .collect(),
        };
        let snapshot = format!("debian-snapshot:{SHA1}");
        for (locations, count) in [
            (&["https://a.example/1", "https://a.example/2"][..], 1),
            (&["https://a.example/1", "https://b.example/1"], 2),
            (&["debian:pool/a", "debian:pool/b"], 1),
            (&["debian:pool/a", &snapshot], 2),
        ] {
            assert_eq!(pin(locations).services().len(), count, "{locations:?}");
        }
    }
}

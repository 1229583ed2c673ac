//! Derives another version of a recipe: the possible locations of its files, and the text of the
//! recipe that pins them. Used by `cargo xtask recipe bump`, which downloads the files.

use toml_edit::{Array, DocumentMut, Item, TableLike, Value};

use crate::digest::Digest;
use crate::source::{Location, Sha1, Source};

/// Possible locations of a source's file in another version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// File name.
    pub file: String,
    /// Name of the archive inside the archive, if any.
    pub inner: Option<String>,
    /// The locations in the recipe's order. `None` for one whose URL depends on the bytes.
    pub locations: Vec<Option<Location>>,
}

/// The new pin of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSource {
    /// The source's name in the recipe.
    pub name: String,
    /// The location.
    pub found: Candidate,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// SHA-1 of the file.
    pub sha1: Sha1,
}

/// Why a recipe's version cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BumpError {
    /// A name that must change does not contain the old version.
    #[error("failed to derive the new name of `{name}`: it does not contain the version {version}")]
    NoVersion {
        /// File name or location.
        name: String,
        /// The version in the recipe.
        version: String,
    },
    /// The text does not match the parsed recipe.
    #[error("failed to rewrite the recipe: {0}")]
    Recipe(String),
}

/// The possible locations of the file of `source` in the version `to`.
pub fn candidate(source: &Source, from: &str, to: &str) -> Result<Candidate, BumpError> {
    let renamed = |name: &str| {
        replace_version(name, from, to).ok_or_else(|| BumpError::NoVersion {
            name: name.to_owned(),
            version: from.to_owned(),
        })
    };
    let location = |location: &Location| {
        Ok(match location {
            Location::Url(url) => Some(Location::Url(renamed(url)?)),
            Location::Debian(path) => Some(Location::Debian(renamed(path)?)),
            Location::DebianSnapshot(_) => None,
        })
    };
    Ok(Candidate {
        file: renamed(&source.pin.file)?,
        inner: source.inner.as_deref().map(renamed).transpose()?,
        locations: source
            .pin
            .locations
            .iter()
            .map(location)
            .collect::<Result<_, _>>()?,
    })
}

/// Files in a pool's directory that may be the wanted one under another name: the same package and
/// version, repacked or compressed differently. `listing` is the directory as a web page.
#[must_use]
pub fn alternatives(listing: &str, wanted: &str, version: &str) -> Vec<String> {
    let Some(end) = find_version(wanted, version).map(|start| start + version.len()) else {
        return Vec::new();
    };
    let prefix = &wanted[..end];
    let links = listing.split("href=\"").skip(1);
    let names = links.filter_map(|rest| rest.split('"').next());
    let mut names: Vec<String> = names
        .map(|name| {
            name.replace("%2B", "+")
                .replace("%2b", "+")
                .replace("%7E", "~")
        })
        .filter(|name| {
            let rest = name.strip_prefix(prefix);
            rest.is_some_and(|rest| !continues(rest) && rest.contains(".orig.tar."))
                && name.strip_suffix(".asc").is_none()
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

impl Candidate {
    /// The same candidate with another file name in the Debian pool.
    #[must_use]
    pub fn with_file(&self, file: &str) -> Self {
        let renamed = |location: &Option<Location>| match location {
            Some(Location::Debian(path)) => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                Some(Location::Debian(format!("{folder}/{file}")))
            }
            other => other.clone(),
        };
        Self {
            file: file.to_owned(),
            inner: self.inner.clone(),
            locations: self.locations.iter().map(renamed).collect(),
        }
    }
}

/// The recipe's text with another version and other sources. Keeps comments and layout.
pub fn rewrite(text: &str, version: &str, sources: &[NewSource]) -> Result<String, BumpError> {
    let wrong = |what: String| BumpError::Recipe(what);
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| wrong(error.message().to_owned()))?;
    set(document.get_mut("version"), version).ok_or_else(|| wrong("no `version`".to_owned()))?;
    let Some(tables) = document
        .get_mut("source")
        .and_then(Item::as_array_of_tables_mut)
    else {
        return if sources.is_empty() {
            Ok(document.to_string())
        } else {
            Err(wrong("no `[[source]]`".to_owned()))
        };
    };
    for source in sources {
        let named = |table: &&mut toml_edit::Table| {
            table.get("name").and_then(Item::as_str) == Some(&source.name)
        };
        let table = tables.iter_mut().find(named);
        table
            .and_then(|table| set_source(table, source))
            .ok_or_else(|| wrong(format!("the source `{}` is incomplete", source.name)))?;
    }
    Ok(document.to_string())
}

fn set_source(table: &mut toml_edit::Table, source: &NewSource) -> Option<()> {
    set(table.get_mut("file"), source.found.file.as_str())?;
    set(table.get_mut("size"), i64::try_from(source.size).ok()?)?;
    set(table.get_mut("sha256"), source.sha256.to_string())?;
    if let Some(inner) = &source.found.inner {
        let item: &mut dyn TableLike = table.get_mut("inner")?.as_table_like_mut()?;
        set(item.get_mut("file"), inner.as_str())?;
    }
    let locations: &mut Array = table.get_mut("locations")?.as_array_mut()?;
    for (value, location) in locations.iter_mut().zip(&source.found.locations) {
        let snapshot = || Location::DebianSnapshot(source.sha1.clone());
        let location = location.clone().unwrap_or_else(snapshot);
        replace(value, location.to_string());
    }
    Some(())
}

/// Replaces the value of a key. `None` if the key does not exist.
fn set(item: Option<&mut Item>, new: impl Into<Value>) -> Option<()> {
    replace(item?.as_value_mut()?, new);
    Some(())
}

fn replace(value: &mut Value, new: impl Into<Value>) {
    let decor = value.decor().clone();
    *value = new.into();
    *value.decor_mut() = decor;
}

/// Replaces every occurrence of the version in `text`. `None` if it does not occur.
fn replace_version(text: &str, from: &str, to: &str) -> Option<String> {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(at) = find_version(rest, from) {
        replaced.push_str(&rest[..at]);
        replaced.push_str(to);
        rest = &rest[at + from.len()..];
    }
    if rest.len() == text.len() {
        return None;
    }
    replaced.push_str(rest);
    Some(replaced)
}

/// Finds a version in a text, but not as part of a longer number.
fn find_version(text: &str, version: &str) -> Option<usize> {
    if version.is_empty() {
        return None;
    }
    let mut found = text.match_indices(version).map(|(at, _)| at);
    found.find(|&at| {
        let before = text[..at].trim_end_matches('.').len() == at
            && !text[..at].ends_with(|c: char| c.is_ascii_digit());
        before && !continues(&text[at + version.len()..])
    })
}

/// Whether this text continues a version number.
fn continues(rest: &str) -> bool {
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    rest.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests;

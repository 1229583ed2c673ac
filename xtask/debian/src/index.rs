//! The packages of an archive: `Release` and `Packages` files.

use std::collections::BTreeMap;
use std::io::{self, Read};

use plan::digest::Digest;
use plan::source::{Location, Sha1};
use sha1::Digest as _;

use crate::control::{Paragraph, paragraphs};
use crate::relation::{Relation, clauses};

/// A package of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The path of the file below the base of a mirror.
    pub path: String,
    /// The length of the file in bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// Whether every system has it: `Essential: yes` or `Priority: required`.
    pub is_base: bool,
    /// What it needs: `Pre-Depends` and `Depends`.
    pub(crate) depends: Vec<Vec<Relation>>,
    /// What cannot be installed with it: `Conflicts` and `Breaks`.
    pub(crate) conflicts: Vec<Relation>,
    /// Virtual packages that it provides, perhaps with a version.
    pub(crate) provides: Vec<Relation>,
}

/// The packages of an archive by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    packages: BTreeMap<String, Package>,
}

/// A paragraph that is not a package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the package index has no valid `{field}` for package `{package}`")]
pub struct IndexError {
    package: String,
    field: &'static str,
}

impl Index {
    /// Reads a `Packages` file. Of several versions of a package, the last one counts.
    pub fn parse(text: &str) -> Result<Self, IndexError> {
        let packages = paragraphs(text).map(|paragraph| {
            let package = package(&paragraph)?;
            Ok((package.name.clone(), package))
        });
        Ok(Self {
            packages: packages.collect::<Result<_, _>>()?,
        })
    }

    /// A package by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Package> {
        self.packages.get(name)
    }

    /// All packages, by name.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.values()
    }
}

fn package(paragraph: &Paragraph) -> Result<Package, IndexError> {
    let name = paragraph.get("Package").unwrap_or_default().to_owned();
    let error = |field| IndexError {
        package: name.clone(),
        field,
    };
    let field = |field| paragraph.get(field).ok_or_else(|| error(field));
    let relations =
        |field| clauses(paragraph.get(field).unwrap_or_default()).ok_or_else(|| error(field));
    let depends = [relations("Pre-Depends")?, relations("Depends")?].concat();
    let conflicts = [relations("Conflicts")?, relations("Breaks")?].concat();
    let is = |field, value| paragraph.get(field) == Some(value);
    Ok(Package {
        version: field("Version")?.to_owned(),
        path: field("Filename")?.to_owned(),
        size: field("Size")?.parse().map_err(|_| error("Size"))?,
        sha256: field("SHA256")?.parse().map_err(|_| error("SHA256"))?,
        is_base: is("Essential", "yes") || is("Priority", "required"),
        depends,
        conflicts: conflicts.into_iter().flatten().collect(),
        provides: relations("Provides")?.into_iter().flatten().collect(),
        name,
    })
}

/// Length and SHA-256 of a file of the archive, as a `Release` file states them.
#[must_use]
pub fn digest_in_release(release: &str, file: &str) -> Option<(u64, Digest)> {
    let sums = paragraphs(release).find_map(|one| one.get("SHA256").map(str::to_owned))?;
    sums.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (digest, size, name) = (words.next()?, words.next()?, words.next()?);
        (name == file).then(|| Some((size.parse().ok()?, digest.parse().ok()?)))?
    })
}

/// Unpacks a text that is compressed with xz.
pub fn unpack_xz(bytes: &[u8]) -> io::Result<String> {
    let mut text = String::new();
    liblzma::read::XzDecoder::new(bytes).read_to_string(&mut text)?;
    Ok(text)
}

/// Where Debian's snapshot archive keeps these bytes.
#[must_use]
pub fn snapshot_location(bytes: &[u8]) -> Location {
    Location::DebianSnapshot(Sha1::from_bytes(sha1::Sha1::digest(bytes).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "3a2118df47bf3f04285649f0455c2fc6fe2dc7f0b237073038aa00af41f0d5f2";

    #[test]
    fn package_is_read_with_all_its_relationships() {
        let text = format!(
            "Package: a\nVersion: 1-2\nFilename: pool/a.deb\nSize: 7\nSHA256: {SUM}\nEssential: yes\n\
             Pre-Depends: b\nDepends: c | d (>= 2)\nBreaks: e (<< 3)\nProvides: f (= 1)\n"
        );
        let index = Index::parse(&text).unwrap();
        let package = index.get("a").unwrap();
        assert!(package.is_base);
        assert_eq!((package.size, package.path.as_str()), (7, "pool/a.deb"));
        assert_eq!(package.depends.len(), 2);
        assert_eq!(package.conflicts[0].to_string(), "e (<< 3)");
        assert_eq!(package.provides[0].to_string(), "f (= 1)");
    }

    #[test]
    fn invalid_field_is_named() {
        let text = "Package: a\nVersion: 1\nFilename: x\nSize: many\n";
        let error = Index::parse(text).unwrap_err().to_string();
        assert_eq!(
            error,
            "the package index has no valid `Size` for package `a`"
        );
    }

    #[test]
    fn release_states_the_digest_of_its_index() {
        let release = format!("Suite: stable\nMD5Sum:\n 00 1 main/x\nSHA256:\n {SUM} 12 main/x\n");
        assert_eq!(
            digest_in_release(&release, "main/x"),
            Some((12, SUM.parse().unwrap()))
        );
        assert_eq!(digest_in_release(&release, "main/y"), None);
    }
}

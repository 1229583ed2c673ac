//! Compares a rebuilt image file by file with the promised one. The core of `images --verify`,
//! `repro` and `verify-release`.
//!
//! The promise is the lock or a release. The caller rebuilds the image.

use std::collections::BTreeMap;

use camino::Utf8Path;
use plan::digest::Digest;
use plan::lock::LockedFile;

use crate::error::SupplyError;

/// A file of an image as promised and as rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuiltFile {
    /// Architecture.
    pub arch: String,
    /// Name in the image.
    pub name: String,
    /// The promised file, if any.
    pub promised: Option<LockedFile>,
    /// The rebuilt file, if any.
    pub rebuilt: Option<LockedFile>,
    /// The first difference, if it was searched for.
    pub difference: Option<String>,
}

impl RebuiltFile {
    /// Whether both have the same bytes.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.promised.is_some() && self.promised == self.rebuilt
    }

    /// Finds the first difference between the promised and the rebuilt file, if both exist.
    pub fn find_difference(
        &mut self,
        promised: &Utf8Path,
        rebuilt: &Utf8Path,
    ) -> Result<(), SupplyError> {
        if !self.is_equal() && self.promised.is_some() && self.rebuilt.is_some() {
            let (was, is) = (host::files::read(promised)?, host::files::read(rebuilt)?);
            let difference = inspect::compare::first_difference_in(&was, &is);
            self.difference = difference.map(|difference| difference.to_string());
        }
        Ok(())
    }
}

/// Every promised or rebuilt file, by name.
#[must_use]
pub fn compare(
    arch: &str,
    promised: &BTreeMap<String, LockedFile>,
    rebuilt: &BTreeMap<String, LockedFile>,
) -> Vec<RebuiltFile> {
    let mut names: Vec<&String> = promised.keys().chain(rebuilt.keys()).collect();
    names.sort();
    names.dedup();
    let file = |name: &String| RebuiltFile {
        arch: arch.to_owned(),
        name: name.clone(),
        promised: promised.get(name).copied(),
        rebuilt: rebuilt.get(name).copied(),
        difference: None,
    };
    names.into_iter().map(file).collect()
}

/// Whether every file is as promised.
#[must_use]
pub fn is_equal(files: &[RebuiltFile]) -> bool {
    files.iter().all(RebuiltFile::is_equal)
}

/// Size and digest of files in a directory, computed from their bytes, because the program that
/// wrote them is not trusted. Omits files that do not exist.
pub fn digests<'a>(
    directory: &Utf8Path,
    names: impl Iterator<Item = &'a String>,
) -> Result<BTreeMap<String, LockedFile>, SupplyError> {
    let mut files = BTreeMap::new();
    for name in names {
        let path = directory.join(name);
        if path.exists() {
            let bytes = host::files::read(&path)?;
            let file = LockedFile {
                size: bytes.len() as u64,
                sha256: Digest::of(&bytes),
            };
            files.insert(name.clone(), file);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &[u8])]) -> BTreeMap<String, LockedFile> {
        let file = |(name, bytes): &(&str, &[u8])| {
            let file = LockedFile {
                size: bytes.len() as u64,
                sha256: Digest::of(bytes),
            };
            ((*name).to_owned(), file)
        };
        list.iter().map(file).collect()
    }

    #[test]
    fn every_difference_of_an_image_is_found() {
        let check = |was: &[(&str, &[u8])], is: &[(&str, &[u8])], expect: &[&str]| {
            let rows = compare("x", &files(was), &files(is));
            let differ = rows.iter().filter(|row| !row.is_equal());
            let names: Vec<_> = differ.map(|row| row.name.as_str()).collect();
            assert_eq!(names, expect);
            assert_eq!(is_equal(&rows), expect.is_empty());
        };
        let both: &[(&str, &[u8])] = &[("initramfs.cpio", b"a"), ("kernel", b"b")];
        check(both, both, &[]);
        check(
            both,
            &[("initramfs.cpio", b"a"), ("kernel", b"c")],
            &["kernel"],
        );
        check(both, &[("initramfs.cpio", b"a")], &["kernel"]);
        check(&[("kernel", b"b")], both, &["initramfs.cpio"]);
        check(&[], both, &["initramfs.cpio", "kernel"]);
        check(&[], &[], &[]);
    }

    #[test]
    fn digests_and_difference_are_computed_from_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let (was, is) = (dir.join("was"), dir.join("is"));
        for (directory, text) in [(&was, "same\none\n"), (&is, "same\ntwo\n")] {
            host::files::write(&directory.join("config"), text.as_bytes()).unwrap();
        }
        let names = ["config".to_owned(), "missing".to_owned()];
        let read = |directory: &Utf8Path| digests(directory, names.iter()).unwrap();
        let mut rows = compare("x", &read(&was), &read(&is));
        assert_eq!(rows.len(), 1);
        let row = &mut rows[0];
        let (was, is) = (was.join("config"), is.join("config"));
        row.find_difference(&was, &is).unwrap();
        let found = row.difference.as_deref().unwrap();
        assert!(found.contains("one") && found.contains("two"), "{found}");
        // Equal files are not read.
        let mut equal = compare("x", &read(dir), &read(dir));
        assert!(equal.is_empty());
        let same = files(&[("a", b"1")]);
        equal = compare("x", &same, &same);
        equal[0]
            .find_difference("/missing".into(), "/missing".into())
            .unwrap();
        assert_eq!(equal[0].difference, None);
    }
}

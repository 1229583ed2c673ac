//! Checks one release: its folder is complete and matches the index.

use std::collections::BTreeMap;
use std::io::Read as _;

use plan::digest::Digest;
use serde_json::Value;

use super::{Defect, Walk, bundle};
use crate::document::parse_sums;
use crate::index::{ARCH, Index};
use crate::manifest::Manifest;
use crate::release::{SUMS, blob_path};
use crate::sbom;
use crate::schema::SchemaError;
use crate::tree_reader::ReadError;

/// Files that every release has.
const ALWAYS: [&str; 4] = [
    "README",
    "BUILD.md",
    "kiln.spdx.json",
    "provenance.intoto.jsonl",
];

/// Whether a name in the base of a tree is that of a release's folder.
#[must_use]
pub fn is_folder(name: &str) -> bool {
    name.starts_with("kiln-")
}

impl Walk<'_> {
    pub(super) fn release(&mut self, name: &str, index: &Index) -> Result<(), ReadError> {
        let sums = format!("{name}/{SUMS}");
        let Some(text) = self.expect_file(&sums, self.place.text(&sums))? else {
            return Ok(());
        };
        self.signed(&sums, &text, |key| format!("{sums}.{key}.minisig"))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let Some(listed) = parse_sums(&text) else {
            self.report(&sums, Defect::Unreadable);
            return Ok(());
        };
        let listed: BTreeMap<&str, Digest> = listed
            .into_iter()
            .map(|(digest, path)| (path, digest))
            .collect();
        let bundle = format!("{name}-source.tar");
        for (path, digest) in &listed {
            if *path != bundle {
                self.file(&format!("{name}/{path}"), None, *digest)?;
            }
        }
        for path in ALWAYS.into_iter().chain([bundle.as_str()]) {
            if !listed.contains_key(path) {
                self.report(&format!("{name}/{path}"), Defect::Unlisted);
            }
        }
        let images = index
            .manifests
            .iter()
            .filter(|its| its.release() == name && its.is_image());
        let mut sources = BTreeMap::new();
        for arch in images.filter_map(|its| its.annotations.get(ARCH)) {
            sources.extend(self.image(name, arch, &listed)?);
        }
        self.licences(name, &listed)?;
        for (file, digest) in &sources {
            self.file(&format!("sources/{file}"), None, *digest)?;
            // Also checked by content, because that is how a mirror is used.
            self.file(&blob_path(digest), None, *digest)?;
        }
        let path = format!("{name}/{bundle}");
        let Some(wanted) = listed.get(bundle.as_str()) else {
            return Ok(());
        };
        let Some(file) = self.expect_file(&path, self.place.open(&path))? else {
            return Ok(());
        };
        // Without a size, the blob was already reported as missing or wrong.
        let most = self.sizes.get(wanted).copied().unwrap_or(u64::MAX - 1);
        let file = Box::new(file.take(most + 1));
        let held = bundle::read(file, &format!("{name}-source"), &sources);
        self.count(held.size);
        let (is, wanted) = (held.digest, *wanted);
        match held.broken {
            Some(why) => self.report(&path, Defect::Unavailable(why)),
            None if held.size > most => self.report(&path, Defect::Longer(most)),
            None if is != wanted => self.report(&path, Defect::Differs { is, wanted }),
            None => {}
        }
        for lacks in held.lacks {
            self.report(&path, Defect::Lacks(lacks));
        }
        Ok(())
    }

    /// Checks an image: its manifest and the provenance of each file. Returns its sources.
    fn image(
        &mut self,
        name: &str,
        arch: &str,
        listed: &BTreeMap<&str, Digest>,
    ) -> Result<BTreeMap<String, Digest>, ReadError> {
        let path = format!("{name}/{arch}/manifest.json");
        let Some(text) = self.expect_file(&path, self.place.text(&path))? else {
            return Ok(BTreeMap::new());
        };
        let manifest = match Manifest::read(&text) {
            Ok(manifest) if manifest.arch == *arch => manifest,
            other => {
                let error = other.err().unwrap_or(SchemaError::Unreadable);
                self.report(&path, error.into());
                return Ok(BTreeMap::new());
            }
        };
        let provenance = format!("{name}/provenance.intoto.jsonl");
        let statements = self.expect_file(&provenance, self.place.text(&provenance))?;
        let statements = statements.unwrap_or_default();
        let statements: Vec<Value> = String::from_utf8_lossy(&statements)
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        for (file, facts) in &manifest.files {
            let short = format!("{arch}/{file}");
            match listed.get(short.as_str()) {
                Some(digest) if *digest == facts.sha256 => {}
                Some(digest) => {
                    let (is, wanted) = (*digest, facts.sha256);
                    self.report(&format!("{name}/{short}"), Defect::Differs { is, wanted });
                }
                None => self.report(&format!("{name}/{short}"), Defect::Unlisted),
            }
            let digest = facts.sha256.to_string();
            let is_stated = statements.iter().any(|statement| {
                let subjects = statement["subject"].as_array();
                subjects.is_some_and(|its| {
                    its.iter().any(|one| {
                        one["name"] == short.as_str() && one["digest"]["sha256"] == digest.as_str()
                    })
                })
            });
            if !is_stated {
                self.report(&provenance, Defect::NoProvenance(short));
            }
        }
        let named = manifest.sources.iter();
        self.sizes
            .extend(named.map(|source| (source.sha256, source.size)));
        let sources = manifest.sources.into_iter();
        Ok(sources.map(|source| (source.file, source.sha256)).collect())
    }

    /// Checks that the folder has the text of every licence in the bill of materials.
    fn licences(&mut self, name: &str, listed: &BTreeMap<&str, Digest>) -> Result<(), ReadError> {
        let path = format!("{name}/kiln.spdx.json");
        let Some(text) = self.expect_file(&path, self.place.text(&path))? else {
            return Ok(());
        };
        let Ok(bill) = serde_json::from_slice::<Value>(&text) else {
            self.report(&path, Defect::Unreadable);
            return Ok(());
        };
        let packages = bill["packages"].as_array().map_or(&[][..], Vec::as_slice);
        for package in packages {
            if package["primaryPackagePurpose"] == sbom::CRATE {
                continue;
            }
            let expression = package["licenseDeclared"].as_str().unwrap_or_default();
            for id in plan::spdx::identifiers(expression).unwrap_or_default() {
                let text = format!("LICENSES/{id}.txt");
                if id != "NOASSERTION" && !listed.contains_key(text.as_str()) {
                    self.report(&format!("{name}/{text}"), Defect::Missing);
                }
            }
        }
        Ok(())
    }

    /// Checks a folder that is not in the index: if it contains anything, it contains the source.
    pub(super) fn abandoned(&mut self, name: &str) -> Result<(), ReadError> {
        let source = format!("{name}/{name}-source.tar");
        let has_source = self.place.open(&source)?.is_some();
        let Some(names) = self.place.folders(name)? else {
            return Ok(());
        };
        let binaries = names.iter().filter(|folder| *folder != "LICENSES");
        for arch in binaries {
            if !has_source && self.place.open(&format!("{name}/{arch}/kernel"))?.is_some() {
                self.report(&format!("{name}/{arch}"), Defect::NoSource);
            }
        }
        Ok(())
    }
}

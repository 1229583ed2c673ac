//! Checks a published tree completely, from the index to the last byte. It trusts nothing but the
//! given keys and reports all problems.

mod bundle;
mod finding;
mod release;
mod strays;

use std::collections::{BTreeMap, BTreeSet};

use plan::digest::Digest;

use crate::index::{Descriptor, Index, LAYOUT, OciManifest, SOURCE};
use crate::perform::{INDEX, index_signature};
use crate::release::blob_path;
use crate::sign::Keys;
use crate::tree_reader::{ReadError, TEXT, TreeReader};

pub use finding::{Defect, Finding};
pub use release::is_folder;

/// What the check compares with.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// The trusted keys.
    pub keys: &'a Keys,
    /// The current time in seconds since 1970.
    pub now: u64,
    /// The highest serial seen so far on this host.
    pub seen: u64,
}

/// The result of a check.
#[derive(Debug, Default)]
pub struct Report {
    /// The releases of the index.
    pub releases: Vec<String>,
    /// The serial of the index.
    pub serial: u64,
    /// The number of hashed files.
    pub files: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// The problems.
    pub findings: Vec<Finding>,
    /// Unfinished publications and withdrawals.
    pub unfinished: Vec<String>,
    /// Unreferenced files, if the tree can be listed.
    pub strays: Vec<String>,
}

/// Checks a tree. Fails only if it cannot be read at all. A problem in the tree is a finding.
pub fn walk(place: &dyn TreeReader, known: &Known<'_>) -> Result<Report, ReadError> {
    let mut walk = Walk::new(place, known);
    walk.tree()?;
    Ok(walk.report)
}

/// Checks the index alone, for callers that check each file of a tree when they use it.
pub fn walk_index(place: &dyn TreeReader, known: &Known<'_>) -> Result<Report, ReadError> {
    let mut walk = Walk::new(place, known);
    walk.announced()?;
    Ok(walk.report)
}

/// A check in progress.
struct Walk<'a> {
    place: &'a dyn TreeReader,
    known: &'a Known<'a>,
    report: Report,
    /// Paths with a correct hash.
    hashed: BTreeSet<String>,
    /// Referenced paths.
    named: BTreeSet<String>,
    /// Sizes of files from the manifests.
    sizes: BTreeMap<Digest, u64>,
}

impl<'a> Walk<'a> {
    fn new(place: &'a dyn TreeReader, known: &'a Known<'a>) -> Self {
        Self {
            place,
            known,
            report: Report::default(),
            hashed: BTreeSet::new(),
            named: BTreeSet::new(),
            sizes: BTreeMap::new(),
        }
    }
}

impl Walk<'_> {
    /// Reads the index and checks everything that it lists.
    fn announced(&mut self) -> Result<Option<Index>, ReadError> {
        let index = self.index()?;
        if let Some(index) = &index {
            self.report.serial = index.serial();
            self.report.releases = index.releases().into_iter().map(str::to_owned).collect();
        }
        Ok(index)
    }

    fn tree(&mut self) -> Result<(), ReadError> {
        let index = self.announced()?;
        let layout = self.optional("oci-layout", self.place.text("oci-layout"))?;
        if layout.as_deref() != Some(LAYOUT.as_bytes()) && index.is_some() {
            self.report("oci-layout", Defect::NoLayout);
        }
        let index = index.unwrap_or_default();
        for entry in &index.manifests {
            self.entry(&index, entry)?;
        }
        for name in self.report.releases.clone() {
            self.release(&name, &index)?;
        }
        self.unannounced()?;
        self.strays()
    }

    /// The index, if its signatures are valid.
    fn index(&mut self) -> Result<Option<Index>, ReadError> {
        let before = self.report.findings.len();
        let Some(text) = self.optional(INDEX, self.place.text(INDEX))? else {
            if self.report.findings.len() > before {
                return Ok(None);
            }
            // Nothing was published in the tree yet, or it is not a tree.
            let empty = self
                .place
                .names()?
                .is_some_and(|names| !names.iter().any(|n| n == "index.html"));
            if !empty {
                self.report(INDEX, Defect::Missing);
            }
            return Ok(None);
        };
        let index = match Index::read(&text) {
            Ok(index) => index,
            Err(error) => {
                self.report(INDEX, error.into());
                return Ok(None);
            }
        };
        let digest = Digest::of(&text);
        self.signed(INDEX, &text, |key| index_signature(&digest, key))?;
        if index
            .expires()
            .is_some_and(|expires| expires < self.known.now)
        {
            let expired = host::clock::rfc3339(index.expires().unwrap_or_default());
            self.report(INDEX, Defect::Expired(expired));
        }
        if index.serial() < self.known.seen {
            let (is, seen) = (index.serial(), self.known.seen);
            self.report(INDEX, Defect::Older { is, seen });
        }
        Ok(Some(index))
    }

    /// Checks that enough trusted keys have signed `text`.
    fn signed(
        &mut self,
        path: &str,
        text: &[u8],
        name: impl Fn(&str) -> String,
    ) -> Result<(), ReadError> {
        let mut failed = None;
        let keys = self.known.keys;
        let count = keys.count(text, |key| {
            let path = name(key);
            match self.optional(&path, self.place.text(&path)) {
                Ok(signature) => signature,
                Err(error) => {
                    failed = Some(error);
                    None
                }
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if count < keys.threshold {
            let wanted = keys.threshold;
            self.report(path, Defect::Signatures { count, wanted });
        }
        Ok(())
    }

    /// Checks an entry of the index: its manifest, the blobs of the manifest, and the source of an
    /// image.
    fn entry(&mut self, index: &Index, entry: &Descriptor) -> Result<(), ReadError> {
        let Some(digest) = self.blob(entry)? else {
            return Ok(());
        };
        let path = blob_path(&digest);
        let Some(text) = self.expect_file(&path, self.place.text(&path))? else {
            return Ok(());
        };
        let Ok(manifest) = serde_json::from_slice::<OciManifest>(&text) else {
            self.report(&path, Defect::Unreadable);
            return Ok(());
        };
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            self.blob(blob)?;
        }
        if !entry.is_source() {
            let source = entry.annotations.get(SOURCE);
            let there = index.manifests.iter().any(|other| {
                Some(&other.digest) == source
                    && other.release() == entry.release()
                    && other.is_source()
            });
            if !there {
                self.report(&path, Defect::NoSource);
            }
        }
        Ok(())
    }

    /// Checks a referenced blob. Returns its digest if it is correct.
    fn blob(&mut self, blob: &Descriptor) -> Result<Option<Digest>, ReadError> {
        let Some(digest) = blob.sha256() else {
            self.report(&blob.digest, Defect::Unreadable);
            return Ok(None);
        };
        self.sizes.insert(digest, blob.size);
        let right = self.file(&blob_path(&digest), Some(blob.size), digest)?;
        Ok(right.then_some(digest))
    }

    /// Checks a file that must have these bytes.
    fn file(&mut self, path: &str, size: Option<u64>, digest: Digest) -> Result<bool, ReadError> {
        if self.hashed.contains(&format!("{path} {digest}")) {
            return Ok(true);
        }
        self.named.insert(path.to_owned());
        let size = size.or_else(|| self.sizes.get(&digest).copied());
        let most = size.unwrap_or(TEXT);
        let Some((is, got)) = self.expect_file(path, self.place.digest(path, most))? else {
            return Ok(false);
        };
        self.count(is);
        let wrong = match size {
            _ if is > most => Some(Defect::Longer(most)),
            Some(wanted) if is != wanted => Some(Defect::Length { is, wanted }),
            _ if got != digest => Some(Defect::Differs {
                is: got,
                wanted: digest,
            }),
            _ => None,
        };
        if let Some(wrong) = wrong {
            self.report(path, wrong);
            return Ok(false);
        }
        self.hashed.insert(format!("{path} {digest}"));
        Ok(true)
    }

    /// Opens a required file. Its absence is a finding.
    fn expect_file<T>(
        &mut self,
        path: &str,
        found: Result<Option<T>, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        if matches!(found, Ok(None)) {
            self.report(path, Defect::Missing);
        }
        self.optional(path, found)
    }

    /// Opens an optional file. A failure to fetch it is a finding, and the check continues.
    fn optional<T>(
        &mut self,
        path: &str,
        found: Result<Option<T>, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        self.named.insert(path.to_owned());
        match found {
            Ok(found) => return Ok(found),
            Err(error) if error.is_of_the_place() => return Err(error),
            Err(ReadError::TooLarge(_)) => self.report(path, Defect::Longer(TEXT)),
            Err(error) => self.report(path, Defect::Unavailable(error.why())),
        }
        Ok(None)
    }

    fn count(&mut self, bytes: u64) {
        self.report.files += 1;
        self.report.bytes += bytes;
    }

    fn report(&mut self, path: &str, defect: Defect) {
        let finding = Finding {
            path: path.to_owned(),
            defect,
        };
        if !self.report.findings.contains(&finding) {
            self.report.findings.push(finding);
        }
    }

    /// Checks folders that the index does not list, from unfinished publications. Even they must
    /// not contain a binary without its source.
    fn unannounced(&mut self) -> Result<(), ReadError> {
        let Some(names) = self.place.names()? else {
            return Ok(());
        };
        for name in names.iter().filter(|name| is_folder(name)) {
            if !self.report.releases.contains(name) {
                self.report.unfinished.push(name.clone());
                self.abandoned(name)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

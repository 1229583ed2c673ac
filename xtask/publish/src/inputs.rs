//! What a release is made from, and the names that follow from it.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use plan::Project;
use plan::digest::Digest;
use plan::source::Source;
use plan::step::{Plan, Step};

use crate::crates::Crate;

/// The recipe whose step is an image.
pub(crate) const IMAGE: &str = "image";
/// The licence of the repository, where its files do not say otherwise.
pub(crate) const OWN_LICENCE: &str = "GPL-2.0-or-later";

/// A file that is published under its digest, and where its bytes are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// Length in bytes.
    pub size: u64,
    /// A file that holds them.
    pub path: Utf8PathBuf,
}

/// Everything that a release is a function of.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The repository.
    pub project: &'a Project,
    /// The plan of the architectures that are released.
    pub plan: &'a Plan,
    /// Version of the release.
    pub version: &'a str,
    /// The commit of the repository.
    pub commit: &'a str,
    /// Files of the images, by architecture and name.
    pub images: &'a BTreeMap<String, BTreeMap<String, Blob>>,
    /// Source archives, by file name.
    pub sources: &'a BTreeMap<String, Blob>,
    /// Texts of licences, by SPDX identifier.
    pub licences: &'a BTreeMap<String, Vec<u8>>,
    /// The crates in the source bundle.
    pub crates: &'a [Crate],
    /// The source bundle.
    pub bundle: &'a Blob,
    /// Where the tree will be, if it is known: for lists of addresses.
    pub url: Option<&'a str>,
}

/// `kiln-<version>`: the name of a release and of its folder.
#[must_use]
pub fn name(version: &str) -> String {
    format!("kiln-{version}")
}

/// Every source of a plan, by file name, with a step that uses it.
#[must_use]
pub fn sources(plan: &Plan) -> BTreeMap<&str, (&Step, &Source)> {
    let mut found = BTreeMap::new();
    for step in &plan.steps {
        for source in &step.sources {
            let known = found.entry(source.pin.file.as_str());
            let known = known.or_insert((step, source));
            // Several recipes may use one source; it is the one that bears its name that says most.
            if step.recipe == source.name {
                *known = (step, source);
            }
        }
    }
    found
}

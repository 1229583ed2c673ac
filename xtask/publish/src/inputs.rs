//! The inputs of a release, and the names derived from them.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use plan::Project;
use plan::digest::Digest;
use plan::source::Source;
use plan::step::{Plan, Step};

use crate::crates::Crate;

/// The recipe whose steps are images.
pub(crate) const IMAGE: &str = "image";
/// The licence of the repository, except for files with a licence of their own.
pub(crate) const OWN_LICENCE: &str = "GPL-2.0-or-later";

/// A file that is published under its digest, and its current location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// Length in bytes.
    pub size: u64,
    /// A file with these bytes.
    pub path: Utf8PathBuf,
}

/// All inputs of a release.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The repository.
    pub project: &'a Project,
    /// The plan of the released architectures.
    pub plan: &'a Plan,
    /// Version of the release.
    pub version: &'a str,
    /// The commit of the repository.
    pub commit: &'a str,
    /// Files of the images, by architecture and name.
    pub images: &'a BTreeMap<String, BTreeMap<String, Blob>>,
    /// Bare-metal programs in the same form.
    pub programs: &'a BTreeMap<String, BTreeMap<String, Blob>>,
    /// Source archives, by file name.
    pub sources: &'a BTreeMap<String, Blob>,
    /// Texts of licences, by SPDX identifier.
    pub licences: &'a BTreeMap<String, Vec<u8>>,
    /// The crates in the source bundle.
    pub crates: &'a [Crate],
    /// The source bundle.
    pub bundle: &'a Blob,
    /// The URL of the tree, if known, for lists of URLs.
    pub url: Option<&'a str>,
}

/// `kiln-<version>`: the name of a release and of its folder.
#[must_use]
pub fn name(version: &str) -> String {
    format!("kiln-{version}")
}

/// Every source of a plan by file name, with a step that uses it.
#[must_use]
pub fn sources(plan: &Plan) -> BTreeMap<&str, (&Step, &Source)> {
    let mut found = BTreeMap::new();
    for step in &plan.steps {
        for source in &step.sources {
            let known = found.entry(source.pin.file.as_str());
            let known = known.or_insert((step, source));
            // Several recipes may use one source. The recipe of the same name has the most specific
            // facts.
            if step.recipe == source.name {
                *known = (step, source);
            }
        }
    }
    found
}

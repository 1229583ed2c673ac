//! Fetches files before they are needed: images from mirrors, sources from everywhere, several
//! files at a time.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use fetch::{FetchError, Remotes, check_offline, fetch_all};
use forge::build;
use plan::source::SourcePin;
use plan::step::{Step, StepId};
use provision::{Reuse, blobs};
use store::{Ready, Store};

use crate::error::SupplyError;
use crate::images::Supplier;

/// Default number of concurrent downloads, kept low because mirrors belong to others.
const AT_ONCE: usize = 4;

/// The result of a fetch.
pub struct Fetched {
    /// Images, by architecture.
    pub images: BTreeMap<String, Ready>,
    /// Architectures whose image must be built.
    pub to_build: Vec<String>,
    /// Sources that are in the store.
    pub sources: Vec<SourcePin>,
    /// The failed downloads.
    pub failed: Vec<FetchError>,
    /// The number of requested files.
    pub wanted: usize,
}

impl Supplier<'_> {
    /// Fetches the images, or what is needed to build them, and with `sources` everything that any
    /// build needs. Continues after a failed download.
    pub fn fetch(&self, sources: bool) -> Result<Fetched, SupplyError> {
        let (mut images, mut to_build) = (BTreeMap::new(), BTreeMap::new());
        let mut pins = Vec::new();
        for arch in &self.arches {
            let (id, step) = self.step("image", arch)?;
            self.check_locked(arch, step)?;
            if let Some(ready) = self.local(arch, step)? {
                images.insert(arch.clone(), ready);
            } else if let Some(mirrored) = self.mirrored(arch)? {
                pins.extend(mirrored);
            } else {
                to_build.insert(arch.clone(), id);
            }
        }
        let sources = if sources {
            sources_of(&self.plan.steps)
        } else {
            self.lacking(to_build.values())
        };
        pins.extend(sources.iter().cloned());
        let pins = distinct(pins);
        let failed = self.fetch_files(&pins)?;
        images.extend(self.assembled(self.arches.iter().map(String::as_str))?);
        let there = |pin: &SourcePin| self.store.has_blob(&pin.sha256);
        Ok(Fetched {
            images,
            to_build: to_build.into_keys().collect(),
            sources: sources.into_iter().filter(there).collect(),
            failed,
            wanted: pins.len(),
        })
    }

    /// Fetches every missing source of the plan. Returns their number and size in bytes.
    pub fn fetch_sources(&self) -> Result<(usize, u64), SupplyError> {
        self.fetch_sources_of(&self.plan.steps)
    }

    /// The same for some steps.
    pub fn fetch_sources_of<'s>(
        &self,
        steps: impl IntoIterator<Item = &'s Step>,
    ) -> Result<(usize, u64), SupplyError> {
        let pins = sources_of(steps);
        let failed = self.fetch_files(&pins)?;
        if !failed.is_empty() {
            let wanted = pins.len();
            return Err(FetchError::Several { wanted, failed }.into());
        }
        Ok((pins.len(), pins.iter().map(|pin| pin.size).sum()))
    }

    /// Fetches images from mirrors unless they are local. Also returns why the others could not be
    /// fetched.
    pub(crate) fn ask_mirrors<'a>(
        &self,
        arches: impl IntoIterator<Item = &'a str>,
    ) -> Result<(BTreeMap<String, Ready>, Vec<FetchError>), SupplyError> {
        if self.policy.offline {
            return Ok((BTreeMap::new(), Vec::new()));
        }
        let mut asked = BTreeMap::new();
        for arch in arches {
            if let Some(pins) = self.mirrored(arch)? {
                asked.insert(arch, pins);
            }
        }
        if asked.is_empty() {
            return Ok((BTreeMap::new(), Vec::new()));
        }
        let failed = self.fetch_files(&distinct(asked.values().flatten().cloned().collect()))?;
        let images = self.assembled(asked.keys().copied())?;
        for (arch, pins) in asked {
            let its = |error: &&FetchError| match error {
                FetchError::AllFailed { sha256, .. } => {
                    pins.iter().any(|pin| pin.sha256 == *sha256)
                }
                _ => false,
            };
            if let Some(error) = failed.iter().find(its) {
                (self.note)(&format!("no mirror has the image of {arch}: {error}"));
            }
        }
        Ok((images, failed))
    }

    /// The files of a locked image to fetch from mirrors, or `None` if no mirror can be used.
    fn mirrored(&self, arch: &str) -> Result<Option<Vec<SourcePin>>, SupplyError> {
        let (_, step) = self.step("image", arch)?;
        let nobody = self.policy.reuse == Reuse::Nothing || !self.has_mirrors;
        let locked = self.locked(arch, step).filter(|_| !nobody);
        Ok(locked.map(|locked| blobs::pins(step, locked)))
    }

    /// The images whose files are now complete.
    fn assembled<'a>(
        &self,
        arches: impl Iterator<Item = &'a str>,
    ) -> Result<BTreeMap<String, Ready>, SupplyError> {
        let mut images = BTreeMap::new();
        for arch in arches {
            let (_, step) = self.step("image", arch)?;
            let locked = self.locked(arch, step);
            let Some(locked) = locked.filter(|_| self.policy.reuse != Reuse::Nothing) else {
                continue;
            };
            // A missing file was reported when its download failed.
            if let Some(ready) = blobs::install(&self.store, step, locked)? {
                images.insert(arch.to_owned(), ready);
            }
        }
        Ok(images)
    }

    /// The sources that builds of these steps would fetch.
    pub(crate) fn lacking<'a>(&self, wanted: impl Iterator<Item = &'a StepId>) -> Vec<SourcePin> {
        let wanted: Vec<StepId> = wanted.copied().collect();
        let host = host::identity::identity().ok().map(|id| id.short());
        build::status(&self.store, &self.plan, &wanted, host.as_deref()).fetch
    }

    /// Downloads files into the store. Returns the failures.
    pub(crate) fn fetch_files(&self, pins: &[SourcePin]) -> Result<Vec<FetchError>, SupplyError> {
        let remotes = self.remotes()?;
        check_offline(&self.store, pins, &remotes)?;
        let pins: Vec<&SourcePin> = pins.iter().collect();
        let at_once = self.caller.downloads().unwrap_or(AT_ONCE);
        let failed =
            self.watching(|events| fetch_all(&self.store, &pins, &remotes, at_once, events))?;
        Ok(failed)
    }
}

/// Every source of some steps.
fn sources_of<'s>(steps: impl IntoIterator<Item = &'s Step>) -> Vec<SourcePin> {
    let sources = steps.into_iter().flat_map(|step| &step.sources);
    distinct(sources.map(|source| source.pin.clone()).collect())
}

/// Removes duplicates by content.
fn distinct(mut pins: Vec<SourcePin>) -> Vec<SourcePin> {
    let mut seen = BTreeSet::new();
    pins.retain(|pin| seen.insert(pin.sha256));
    pins
}

/// Copies the sources of one store to another and checks them like downloads.
pub fn share_sources<'s>(
    from: &Store,
    to: &Store,
    steps: impl IntoIterator<Item = &'s Step>,
) -> Result<(), SupplyError> {
    let layout = from.root().join("v1");
    let remotes = Remotes {
        mirrors: vec![file_url(&layout).into()],
        ..Remotes::offline()
    };
    for source in steps.into_iter().flat_map(|step| &step.sources) {
        if !from.has_blob(&source.pin.sha256) {
            continue;
        }
        fetch::fetch(to, &source.pin, &remotes, &mut |_| {})?;
    }
    Ok(())
}

fn file_url(path: &Utf8Path) -> String {
    format!("file://{}", path.as_str().replace('%', "%25"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_in_store_path_is_literal() {
        let url = file_url("/a%20b/v1".into());
        assert_eq!(url, "file:///a%2520b/v1");
    }
}

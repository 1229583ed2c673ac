//! Fetches the release: the bundle, which is unpacked, and the published images and programs.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8PathBuf;
use fetch::{FetchError, Remotes};
use host::secret::SecretUrl;
use plan::lock::Lock;
use plan::source::{Source, SourcePin};
use publish::area::Area;
use publish::verify::Promise;
use store::{Store, Verified};

use super::refused;
use crate::network;
use crate::render::build::BuildProgress;
use crate::wiring::fetch_failure;
use xtask::context::Context;
use xtask::exit::{Exit, Failure, hinted};

/// The published files, by architecture and name.
pub(super) type Published = BTreeMap<String, BTreeMap<String, Utf8PathBuf>>;

/// A place that files of a release are fetched from, and no other.
pub(super) struct Publisher<'a> {
    place: &'a SecretUrl,
    base: String,
    remotes: Remotes,
    store: Store,
    progress: BuildProgress,
}

impl<'a> Publisher<'a> {
    pub(super) fn open(
        context: &Context,
        place: &'a SecretUrl,
        area: &Area,
    ) -> Result<Self, Failure> {
        let (base, remotes) = origin(context, place)?;
        let global = &context.global;
        Ok(Self {
            place,
            base,
            remotes,
            store: area.published().map_err(refused)?,
            progress: BuildProgress::new(context.style, global.quiet, global.verbose > 0),
        })
    }

    fn bring(&mut self, pin: &SourcePin) -> Result<Verified, Failure> {
        let mut show = |event| self.progress.show(event);
        fetch::fetch(&self.store, pin, &self.remotes, &mut show).map_err(|error| {
            // Other locations are not permitted.
            let hint = matches!(error, FetchError::AllFailed { .. }).then(|| {
                format!(
                    "to list all problems: cargo xtask mirror-check {}",
                    self.place
                )
            });
            let failure = fetch_failure(error);
            let hint = hint.or(failure.hint.clone());
            failure.hint(hint)
        })
    }

    /// Fetches the bundle and unpacks it.
    pub(super) fn bundle(&mut self, promise: &Promise) -> Result<Utf8PathBuf, Failure> {
        let pin = promise.bundle_pin(&self.base);
        let blob = self.bring(&pin)?;
        let source = Source {
            name: promise.release.clone(),
            pin,
            inner: None,
            strip: 1,
            patches: Vec::new(),
        };
        // With the rules for untrusted archives.
        let mut show = |event| self.progress.show(event);
        unpack::tree(&self.store, &source, &blob, &mut show).map_err(hinted!(Exit::FetchFailed))
    }

    /// Fetches the images and bare-metal programs.
    pub(super) fn files(
        &mut self,
        promise: &Promise,
        arches: &[String],
        lock: &Lock,
    ) -> Result<Published, Failure> {
        let mut published = Published::new();
        for arch in arches {
            for (prefix, part) in promise.parts(arch, lock) {
                for (name, facts) in &part.files {
                    let name = format!("{prefix}{name}");
                    let blob = self.bring(&promise.file_pin(&self.base, arch, &name, *facts))?;
                    let files = published.entry(arch.clone()).or_default();
                    files.insert(name, blob.path().to_owned());
                }
            }
        }
        Ok(published)
    }
}

/// The URL of the tree, and the permitted remotes.
fn origin(context: &Context, place: &SecretUrl) -> Result<(String, Remotes), Failure> {
    let place = place.reveal();
    if !place.starts_with("http://") && !place.starts_with("https://") {
        let path = place.strip_prefix("file://").unwrap_or(place);
        let path = context.env.absolute(&Utf8PathBuf::from(path));
        return Ok((format!("file://{path}"), Remotes::offline()));
    }
    let client = network::client(context).map_err(hinted!(Exit::FetchFailed))?;
    let remotes = client.map_or_else(Remotes::offline, |client| Remotes::online(Arc::new(client)));
    Ok((place.to_owned(), remotes))
}

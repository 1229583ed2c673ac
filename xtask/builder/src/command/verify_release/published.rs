//! Fetches the release: the bundle, which is unpacked, and the published images.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8PathBuf;
use fetch::{FetchError, Remotes};
use host::secret::SecretUrl;
use plan::source::{Source, SourcePin};
use publish::area::Area;
use publish::verify::Promise;
use store::Verified;

use super::refused;
use crate::network;
use crate::render::build::BuildProgress;
use crate::wiring::fetch_failure;
use xtask::cli::publish::VerifyReleaseArgs;
use xtask::context::Context;
use xtask::exit::{Exit, Failure, hinted};

/// The published files, by architecture and name.
pub(super) type Published = BTreeMap<String, BTreeMap<String, Utf8PathBuf>>;

/// Fetches the bundle, which is unpacked, and the published files, from the tree only.
pub(super) fn fetch(
    context: &Context,
    args: &VerifyReleaseArgs,
    area: &Area,
    promise: &Promise,
    arches: &[String],
) -> Result<(Utf8PathBuf, Published), Failure> {
    let store = area.published().map_err(refused)?;
    let (base, remotes) = origin(context, &args.place)?;
    let global = &context.global;
    let mut progress = BuildProgress::new(context.style, global.quiet, global.verbose > 0);
    let mut bring = |pin: &SourcePin| -> Result<Verified, Failure> {
        fetch::fetch(&store, pin, &remotes, &mut |event| progress.show(event)).map_err(|error| {
            // Other locations are not permitted.
            let hint = matches!(error, FetchError::AllFailed { .. }).then(|| {
                format!(
                    "to list all problems: cargo xtask mirror-check {}",
                    args.place
                )
            });
            let failure = fetch_failure(error);
            let hint = hint.or(failure.hint.clone());
            failure.hint(hint)
        })
    };
    let mut published = Published::new();
    for arch in arches {
        for (name, facts) in &promise.images[arch].files {
            let blob = bring(&promise.file_pin(&base, arch, name, *facts))?;
            let files = published.entry(arch.clone()).or_default();
            files.insert(name.clone(), blob.path().to_owned());
        }
    }
    let pin = promise.bundle_pin(&base);
    let blob = bring(&pin)?;
    let source = Source {
        name: promise.release.clone(),
        pin,
        inner: None,
        strip: 1,
        patches: Vec::new(),
    };
    // With the rules for untrusted archives.
    let tree = unpack::tree(&store, &source, &blob, &mut |event| progress.show(event))
        .map_err(hinted!(Exit::FetchFailed))?;
    Ok((tree, published))
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

//! What was built, compared with what was published, file by file.

use camino::Utf8Path;
use plan::digest::Digest;
use publish::area::Area;
use publish::sameness::Sameness;
use publish::verify::Promise;
use store::{EntryName, Store};

use super::published::Published;
use super::rebuild;
use crate::wiring::store_failure;
use xtask::exit::{Exit, Failure};

/// Compares every published file of some architectures; fails when an image was not built at all.
pub(super) fn compare(
    area: &Area,
    promise: &Promise,
    arches: &[String],
    published: &Published,
) -> Result<Vec<Sameness>, Failure> {
    let store = Store::open(&rebuild::store(area)).map_err(store_failure)?;
    let mut rows = Vec::new();
    for arch in arches {
        let image = &promise.images[arch];
        let entry = store
            .entry(&EntryName::image(image.key))
            .map_err(store_failure)?;
        let Some(built) = entry.ready() else {
            let release = &promise.release;
            let error =
                anyhow::anyhow!("failed to build the image of {arch} from the source of {release}");
            return Err(Failure::new(Exit::FetchFailed, error).hint(area.unfinished()));
        };
        for (name, facts) in &image.files {
            let path = built.path().join(name);
            let published = &published[arch][name];
            rows.push(row(arch, name, facts.sha256, published, &path)?);
        }
    }
    Ok(rows)
}

fn row(
    arch: &str,
    file: &str,
    digest: Digest,
    published: &Utf8Path,
    built: &Utf8Path,
) -> Result<Sameness, Failure> {
    let failed = |error| Failure::new(Exit::Failed, anyhow::Error::new(error));
    let mut row = Sameness {
        arch: arch.to_owned(),
        file: file.to_owned(),
        published: digest,
        built: None,
        difference: None,
    };
    if !built.exists() {
        return Ok(row);
    }
    let is = host::files::read(built).map_err(failed)?;
    row.built = Some(Digest::of(&is));
    if !row.same() {
        let was = host::files::read(published).map_err(failed)?;
        row.difference = forge::compare::first_difference_in(&was, &is).map(|its| its.to_string());
    }
    Ok(row)
}

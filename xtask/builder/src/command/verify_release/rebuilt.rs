//! Compares the published images with the rebuilt ones, file by file.

use publish::area::Area;
use publish::verify::Promise;
use store::{EntryName, Store};
use supply::rebuilt::{self, RebuiltFile};

use super::published::Published;
use super::rebuild;
use crate::wiring::{store_failure, supply_failure};
use xtask::exit::{Exit, Failure};

/// Compares every published file of some architectures. Fails if an image was not built.
pub(super) fn compare(
    area: &Area,
    promise: &Promise,
    arches: &[String],
    published: &Published,
) -> Result<Vec<RebuiltFile>, Failure> {
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
        let files = rebuilt::digests(&built.path(), image.files.keys()).map_err(supply_failure)?;
        for mut row in rebuilt::compare(arch, &image.files, &files) {
            let name = &row.name;
            let (was, is) = (&published[arch][name], built.path().join(name));
            row.find_difference(was, &is).map_err(supply_failure)?;
            rows.push(row);
        }
    }
    Ok(rows)
}

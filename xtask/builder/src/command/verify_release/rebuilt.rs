//! Compares the published images and programs with the rebuilt ones, file by file.

use plan::lock::Lock;
use publish::area::Area;
use publish::release::PROGRAMS;
use publish::verify::Promise;
use store::{EntryName, Store};
use supply::rebuilt::{self, RebuiltFile};

use super::published::Published;
use super::rebuild;
use crate::wiring::{store_failure, supply_failure};
use xtask::exit::{Exit, Failure};

/// Compares every published file. Fails if an image or a set of programs was not built.
pub(super) fn compare(
    area: &Area,
    promise: &Promise,
    lock: &Lock,
    published: &Published,
) -> Result<Vec<RebuiltFile>, Failure> {
    let store = Store::open(&rebuild::store(area)).map_err(store_failure)?;
    let mut rows = Vec::new();
    for (arch, paths) in published {
        for (prefix, part) in promise.parts(arch, lock) {
            let entry = store
                .entry(&EntryName::image(part.key))
                .map_err(store_failure)?;
            let Some(built) = entry.ready() else {
                let release = &promise.release;
                let what = match prefix {
                    PROGRAMS => "bare-metal programs",
                    _ => "image",
                };
                let error = anyhow::anyhow!(
                    "failed to build the {what} of {arch} from the source of {release}"
                );
                return Err(Failure::new(Exit::FetchFailed, error).hint(area.unfinished()));
            };
            let files =
                rebuilt::digests(&built.path(), part.files.keys()).map_err(supply_failure)?;
            for mut row in rebuilt::compare(arch, &part.files, &files) {
                let is = built.path().join(&row.name);
                row.name = format!("{prefix}{}", row.name);
                row.find_difference(&paths[&row.name], &is)
                    .map_err(supply_failure)?;
                rows.push(row);
            }
        }
    }
    Ok(rows)
}

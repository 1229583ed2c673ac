//! `cargo xtask store export` and `export-qemu`: copy files of the store for another machine, and
//! for QEMU's own tests.

use camino::Utf8Path;
use host::process::command::quote;
use plan::step::{BARE, IMAGE};
use store::{Verified, transfer};

use crate::wiring::{Supply, store_failure, supply_failure};
use xtask::cli::SourceArgs;
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit, Failure, hinted};
use xtask::output;
use xtask::render::quantity;

pub(super) fn export(
    context: &Context,
    file: &Utf8Path,
    source: &SourceArgs,
    sources: bool,
) -> CommandResult {
    let supply = Supply::open(context, source)?;
    let images = product_blobs(&supply, &[IMAGE, BARE])?;
    let mut digests: Vec<_> = images.into_iter().map(|(_, blob)| blob.digest()).collect();
    if sources {
        supply.fetch_sources().map_err(supply_failure)?;
        let sources = supply.plan.steps.iter().flat_map(|step| &step.sources);
        digests.extend(sources.map(|source| source.pin.sha256));
    }
    digests.sort_unstable();
    digests.dedup();
    let mut blobs = Vec::new();
    for digest in &digests {
        blobs.extend(supply.store.blob(digest).map_err(store_failure)?);
    }
    let path = context.env.absolute(file);
    let size = transfer::export(&blobs, &path).map_err(hinted!(Exit::Failed))?;
    output::result(format!(
        "wrote {path}: {} files, {}; on the other machine: cargo xtask store import {}",
        blobs.len(),
        quantity::bytes(size),
        path.file_name().unwrap_or_default()
    ));
    Ok(Exit::Success)
}

/// Mode of a cached asset, as QEMU's `tests/functional/qemu_test/asset.py` sets it.
const ASSET_MODE: u32 = 0o440;

/// Writes assets for QEMU's functional tests, which look for an asset as `download/<sha256>` in
/// their cache and hash it. `scripts/clean_functional_cache.py` changes the mode of an asset, and
/// removes it if the time in `<sha256>.stamp`, in seconds since 1970, is over half a year ago.
pub(super) fn export_qemu(context: &Context, dir: &Utf8Path, source: &SourceArgs) -> CommandResult {
    let supply = Supply::open(context, source)?;
    let download = context.env.absolute(dir).join("download");
    for (name, blob) in product_blobs(&supply, &[IMAGE])? {
        let asset = download.join(blob.digest().to_string());
        let stamp = host::clock::seconds().to_string();
        blob.copy_to(&asset, ASSET_MODE)
            .and_then(|()| host::files::write(&asset.with_extension("stamp"), stamp.as_bytes()))
            .map_err(|error| Failure::new(Exit::Failed, error))?;
        output::result(format!("{}  {name}", blob.digest()));
    }
    let cache = context.env.absolute(dir);
    let variable = quote(format!("QEMU_TEST_CACHE_DIR={cache}"));
    // QEMU's own tests have other assets, so downloads stay allowed.
    output::note("In QEMU's build directory:");
    output::note(format!("env {variable} make check-functional"));
    Ok(Exit::Success)
}

/// The locked files that these recipes make, as blobs, which are named by their digests.
fn product_blobs(
    supply: &Supply<'_>,
    recipes: &[&str],
) -> Result<Vec<(String, Verified)>, Failure> {
    let mut blobs = Vec::new();
    let products = supply.products(recipes, false).map_err(supply_failure)?;
    for (id, product) in products {
        let arch = supply.plan.step(id).arch.as_deref().unwrap_or_default();
        for (name, file) in &provision::lock::locked(&product).files {
            let path = product.path().join(name);
            let blob = supply.store.keep(&path, &file.sha256);
            blobs.push((format!("{arch}/{name}"), blob.map_err(store_failure)?));
        }
    }
    Ok(blobs)
}

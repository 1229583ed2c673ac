//! `cargo xtask images --verify`: builds the images in an empty store and compares them with the lock.

use std::slice;

use plan::step::{BARE, IMAGE};
use provision::lock::locked;
use store::Store;
use supply::difference::differences;
use supply::fetch::share_sources;
use supply::rebuilt;

use super::{shown, write_timings};
use crate::network;
use crate::render;
use crate::wiring::{self, Supply, supply_failure};
use xtask::cli::SourceArgs;
use xtask::cli::images::ImagesArgs;
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit, Failure};
use xtask::output;

/// Builds everything in an empty store and compares with the lock.
pub(super) fn run(context: &Context, args: &ImagesArgs) -> CommandResult {
    // In the store, which has the space that a build needs and sweeps the leftovers of killed runs.
    let place = context.store()?;
    let scratch = place.workspace().map_err(wiring::store_failure)?;
    let fresh = Store::open(scratch.path()).map_err(wiring::store_failure)?;
    let supply = Supply::over(context, &args.source, || Ok(fresh))?;
    let mut options = supply.options().map_err(supply_failure)?;
    options.keep_failed = args.keep_failed;
    let wanted = supply.wanted(&[IMAGE, BARE]);
    for (arch, id) in &wanted {
        let step = supply.plan.step(*id);
        let Some(locked) = supply.project.lock.of(&step.recipe).get(arch) else {
            let recipe = &step.recipe;
            let error = anyhow::anyhow!(
                "missing {recipe} of {arch} in images.lock: nothing to compare with"
            );
            return Err(Failure::new(Exit::FetchFailed, error).hint(Some(format!(
                "cargo xtask images --from-source --arch {arch}"
            ))));
        };
        if step.key != locked.key {
            let error =
                anyhow::anyhow!("the recipes of {arch} changed since images.lock was written");
            return Err(Failure::new(Exit::FetchFailed, error).hint(Some(format!(
                "cargo xtask images --from-source --arch {arch}"
            ))));
        }
    }
    // Existing sources are shared, because they are inputs. They are checked again.
    share_sources(&place, &supply.store, &supply.plan.steps).map_err(supply_failure)?;
    let ids: Vec<_> = wanted.iter().map(|(_, id)| *id).collect();
    let performed = supply.perform(&ids, &options);
    if args.timings {
        write_timings(&supply)?;
    }
    let performed = performed.map_err(supply_failure)?;
    let mut exit = Exit::Success;
    for (arch, id) in &wanted {
        let Some(ready) = performed.get(id) else {
            continue;
        };
        let step = supply.plan.step(*id);
        let recipe = step.recipe.as_str();
        let promised = &supply.project.lock.of(recipe)[arch];
        let files = rebuilt::compare(arch, &promised.files, &locked(ready).files);
        let is_equal = rebuilt::is_equal(&files);
        let verdict = render::verify::verdict(context.style, is_equal);
        let key = ready.meta().key.short();
        output::result(format!("{} {key} {verdict}", shown(step)));
        if is_equal {
            continue;
        }
        exit = Exit::FetchFailed;
        let source = SourceArgs::of(slice::from_ref(arch));
        let known = Supply::over(context, &source, || Ok(place.clone()))?;
        let machine = network::machine(context);
        let found = differences(&known, &supply, (recipe, arch), ready, &machine);
        for line in found.map_err(supply_failure)? {
            output::result(line);
        }
    }
    Ok(exit)
}

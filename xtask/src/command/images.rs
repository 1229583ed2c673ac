//! `cargo xtask images`: finds or builds the images; `--plan` shows what that would mean; `--verify`
//! builds them anew and compares.

use std::collections::BTreeMap;
use std::slice;

use forge::build;
use provision::difference::differences;
use provision::fetch::share_sources;
use provision::lock::locked;
use serde_json::json;
use store::{Ready, Store};

use crate::cli::{ImagesArgs, MessageFormat, SourceArgs};
use crate::context::Context;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Color};
use crate::render;
use crate::supply::{self, Supply};

pub(crate) fn run(context: &Context, args: &ImagesArgs) -> Outcome {
    if args.verify {
        return verify(context, args);
    }
    if args.refreeze {
        return refreeze(context, &args.source);
    }
    let supply = Supply::open(context, &args.source)?;
    if args.plan {
        return plan(&supply);
    }
    let images = supply.images(args.keep_failed);
    if args.timings {
        write_timings(&supply)?;
    }
    let images = images?;
    if args.update_prebuilt {
        for (path, size) in supply.update_prebuilt(&images)? {
            output::note(format!("{path}: {}", render::quantity::bytes(size)));
        }
    }
    for (arch, ready) in &images {
        print_image(context, arch, ready);
    }
    Ok(Exit::Success)
}

/// When each step ran, also of a build that failed.
fn write_timings(supply: &Supply<'_>) -> Result<(), Failure> {
    let failed = |error: anyhow::Error| Failure::new(Exit::Failed, error);
    let page = supply
        .timings()
        .page()
        .map_err(|error| failed(error.into()))?;
    let path = supply.context.root.join("target/kiln/timings.html");
    host::files::write(&path, page.as_bytes()).map_err(|error| failed(error.into()))?;
    output::note(format!("Timings: {path}"));
    Ok(())
}

/// One image: its architecture, its key, where it is.
fn print_image(context: &Context, arch: &str, ready: &Ready) {
    let key = ready.meta().key;
    match context.global.message_format {
        MessageFormat::Human => {
            output::result(format!("{arch} {} {}", key.short(), ready.path()));
        }
        MessageFormat::Json => {
            let files = locked(ready).files;
            let line = json!({
                "reason": "image", "arch": arch, "key": key, "path": ready.path(), "files": files,
            });
            output::result(line.to_string());
        }
    }
}

/// What would be fetched and built, from what is in the store now.
fn plan(supply: &Supply<'_>) -> Outcome {
    let outlook = supply.outlook()?;
    match supply.context.global.message_format {
        MessageFormat::Human => output::result(render::plan::human(
            supply.context.style,
            &supply.plan,
            &outlook,
        )),
        MessageFormat::Json => {
            for line in render::plan::json(&supply.plan, &outlook) {
                output::result(line.to_string());
            }
        }
    }
    Ok(Exit::Success)
}

/// Makes the full configs from the fragments and accepts them.
pub(crate) fn refreeze(context: &Context, source: &SourceArgs) -> Outcome {
    let project = context.project()?;
    let recipes = project.freezing_recipes().into_iter().map(str::to_owned);
    let recipes: Vec<String> = recipes.collect();
    let supply = Supply::of_project(context, source, project, &recipes)?;
    let wanted: Vec<_> = supply.plan.ids().collect();
    let options = supply.options()?;
    let changed = supply.showing(|events| {
        build::refreeze(&supply.store, &supply.plan, &wanted, &options, events)
    })?;
    for (path, content) in &changed {
        host::files::write(&context.root.join(path), content)
            .map_err(|error| Failure::new(Exit::Failed, error))?;
        output::result(format!("{path} was written"));
    }
    if changed.is_empty() {
        output::note("every frozen file is what the recipes give");
    }
    Ok(Exit::Success)
}

/// Builds everything in an empty store and compares with the lock.
fn verify(context: &Context, args: &ImagesArgs) -> Outcome {
    // In the store: it has the room that a build needs, and sweeps what a killed run left.
    let place = context.store()?;
    let scratch = place.workspace().map_err(supply::store_failure)?;
    let fresh = Store::open(scratch.path()).map_err(supply::store_failure)?;
    let supply = Supply::over(context, &args.source, || Ok(fresh))?;
    let mut options = supply.options()?;
    options.keep_failed = args.keep_failed;
    let mut wanted = BTreeMap::new();
    for arch in &supply.arches {
        let Some(locked) = supply.project.lock.images.get(arch) else {
            let error = anyhow::anyhow!("images.lock has no image of {arch} to compare with");
            return Err(Failure::new(Exit::FetchFailed, error).hint(Some(format!(
                "cargo xtask images --from-source --arch {arch}"
            ))));
        };
        let (id, step) = supply.step("image", arch)?;
        if step.key != locked.key {
            let error = anyhow::anyhow!("images.lock has another key for {arch}: recipes changed");
            return Err(Failure::new(Exit::FetchFailed, error).hint(Some(format!(
                "cargo xtask images --from-source --arch {arch}"
            ))));
        }
        wanted.insert(arch.clone(), id);
    }
    // Sources are no result: what is here already is taken along, and checked again.
    share_sources(&place, &supply.store, &supply.plan.steps)?;
    let ids: Vec<_> = wanted.values().copied().collect();
    let performed = supply.perform(&ids, &options);
    if args.timings {
        write_timings(&supply)?;
    }
    let performed = performed?;
    let mut exit = Exit::Success;
    for (arch, id) in &wanted {
        let Some(ready) = performed.get(id) else {
            continue;
        };
        let promised = &supply.project.lock.images[arch];
        if locked(ready) == *promised {
            let word = context.style.paint(Color::Green, "equal");
            output::result(format!("{arch} {} {word}", ready.meta().key.short()));
            continue;
        }
        exit = Exit::FetchFailed;
        let word = context.style.paint(Color::Red, "differs");
        output::result(format!("{arch} {} {word}", ready.meta().key.short()));
        let source = SourceArgs::of(slice::from_ref(arch));
        let known = Supply::over(context, &source, || Ok(place.clone()))?;
        for line in differences(&known, &supply, arch, ready, &context.machine())? {
            output::result(line);
        }
    }
    Ok(exit)
}

//! `cargo xtask images`: finds or builds the images. `--plan` predicts the work. `--verify`
//! rebuilds the images and compares. `--matrix` lists the targets.

mod verify;

use forge::build;
use plan::step::{BARE, IMAGE, Step};
use provision::lock::locked;
use serde_json::json;
use store::Ready;
use verdict::runs::stored::{self, StoredRunError};

use crate::command::distribution;
use crate::render;
use crate::wiring::{Supply, supply_failure};
use xtask::cli::images::ImagesArgs;
use xtask::cli::{MessageFormat, SourceArgs};
use xtask::command::test::RUNS;
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit, Failure};
use xtask::output;
use xtask::render::quantity;

pub(crate) fn run(context: &Context, args: &ImagesArgs) -> CommandResult {
    if args.image.is_some() {
        return distribution::run(context, args);
    }
    if args.matrix {
        return matrix(context);
    }
    if args.verify {
        return verify::run(context, args);
    }
    if args.refreeze {
        return refreeze(context, &args.source);
    }
    let supply = Supply::open(context, &args.source)?;
    if args.plan {
        plan(&supply);
        return Ok(Exit::Success);
    }
    let images = supply.products(&[IMAGE, BARE], args.keep_failed);
    if args.timings {
        write_timings(&supply)?;
    }
    let images = images.map_err(supply_failure)?;
    if args.update_prebuilt {
        for (path, size) in supply.update_prebuilt(&images).map_err(supply_failure)? {
            output::note(format!("{path}: {}", quantity::bytes(size)));
        }
    }
    for (id, ready) in &images {
        print_image(context, supply.plan.step(*id), ready);
    }
    Ok(Exit::Success)
}

/// All targets, with the results of the runs that are kept.
fn matrix(context: &Context) -> CommandResult {
    let project = context.project()?;
    let failed = |error: StoredRunError| Failure::new(Exit::Failed, error);
    let runs = stored::all(&context.root.join(RUNS)).map_err(failed)?;
    let size = |arch: &str| {
        let archive = provision::lock::archive(&context.root, IMAGE, arch);
        Some(fs_err::metadata(archive).ok()?.len())
    };
    output::raw(render::matrix::table(&project, size, &runs).as_bytes());
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
    output::note(format!("wrote {path}"));
    Ok(())
}

/// One image, or the bare-metal guests of an architecture: its key, where it is.
fn print_image(context: &Context, step: &Step, ready: &Ready) {
    let arch = step.arch.as_deref().unwrap_or_default();
    let key = ready.meta().key;
    match context.global.message_format {
        MessageFormat::Human => {
            output::result(format!("{} {} {}", shown(step), key.short(), ready.path()));
        }
        MessageFormat::Json => {
            let files = locked(ready).files;
            let line = json!({
                "reason": step.recipe, "arch": arch, "key": key, "path": ready.path(), "files": files,
            });
            output::result(line.to_string());
        }
    }
}

/// The architecture of an image; also the recipe for other steps.
fn shown(step: &Step) -> String {
    let arch = step.arch.as_deref().unwrap_or_default();
    match step.recipe.as_str() {
        IMAGE => arch.to_owned(),
        recipe => format!("{arch} {recipe}"),
    }
}

/// Prints what would be fetched and built with the store's current contents.
fn plan(supply: &Supply<'_>) {
    let outlook = supply.outlook();
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
}

/// Generates the full configs from the fragments and writes them to the repository.
pub(crate) fn refreeze(context: &Context, source: &SourceArgs) -> CommandResult {
    let project = context.project()?;
    let recipes = project.freezing_recipes().into_iter().map(str::to_owned);
    let recipes: Vec<String> = recipes.collect();
    let supply = Supply::of_project(context, source, project, &recipes)?;
    let wanted: Vec<_> = supply.plan.ids().collect();
    let options = supply.options().map_err(supply_failure)?;
    let changed = supply
        .showing(|events| build::refreeze(&supply.store, &supply.plan, &wanted, &options, events))
        .map_err(supply_failure)?;
    for (path, content) in &changed {
        host::files::write(&context.root.join(path), content)
            .map_err(|error| Failure::new(Exit::Failed, error))?;
        output::result(format!("wrote {path}"));
    }
    if changed.is_empty() {
        output::note("every frozen file is up to date");
    }
    Ok(Exit::Success)
}

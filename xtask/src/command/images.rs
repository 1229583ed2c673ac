//! `cargo xtask images`: finds or builds the images; `--plan` shows what that would mean; `--verify`
//! builds them anew and compares.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use forge::compare::{first_difference, first_difference_named};
use forge::{build, generated};
use plan::step::Step;
use provision::fetch::share_sources;
use provision::lock::{compare, locked};
use serde_json::json;
use store::{EntryName, Ready, Store};

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
        explain_difference(&supply, arch, ready, &place)?;
    }
    Ok(exit)
}

/// Says where the built image differs from the one that the lock promises, which is in the store or
/// in the repository.
fn explain_difference(
    supply: &Supply<'_>,
    arch: &str,
    built: &Ready,
    place: &Store,
) -> Result<(), Failure> {
    let context = supply.context;
    let source = SourceArgs::of(&[arch.to_owned()]);
    let known = Supply::over(context, &source, || Ok(place.clone()))?;
    let (id, step) = known.step("image", arch)?;
    let Some(promised) = known.at_hand(arch, step)? else {
        return Ok(compare(
            arch,
            &known.project.lock.images[arch],
            &locked(built),
        )?);
    };
    let unstripped = unstripped(supply, arch)?;
    for name in locked(&promised).files.keys() {
        let (ours, theirs) = (promised.path().join(name), built.path().join(name));
        let difference = match &unstripped {
            Some(unstripped) => first_difference_named(&ours, &theirs, unstripped),
            None => first_difference(&ours, &theirs),
        };
        let difference = difference.map_err(|error| Failure::new(Exit::Failed, error))?;
        if let Some(difference) = difference {
            let told = difference.explain(&context.machine());
            output::result(format!("{arch}: `{name}`: {told}"));
        }
    }
    for id in known.plan.closure(id) {
        explain_generated(supply, known.plan.step(id), place)?;
    }
    Ok(())
}

/// The kernel that was built with all its symbols, which are not in an image.
fn unstripped(supply: &Supply<'_>, arch: &str) -> Result<Option<Utf8PathBuf>, Failure> {
    let (_, linux) = supply.step("linux", arch)?;
    let entry = supply.store.entry(&EntryName::image(linux.key));
    let ready = entry.map_err(supply::store_failure)?.ready();
    Ok(ready.and_then(|ready| ready.file("vmlinux")))
}

/// Says which programs of the host made other files than in the build that the store has.
fn explain_generated(supply: &Supply<'_>, step: &Step, place: &Store) -> Result<(), Failure> {
    let Some(table) = supply.project.generated.get(&step.recipe) else {
        return Ok(());
    };
    let name = EntryName::image(step.key);
    let entry = |store: &Store| store.entry(&name).map_err(supply::store_failure);
    let (first, second) = (entry(place)?.ready(), entry(&supply.store)?.ready());
    let both = first.zip(second);
    match both.and_then(|(first, second)| generated::differing(table, &first, &second)) {
        Some(differing) => {
            for file in differing {
                output::result(format!("{step}: {file}"));
            }
        }
        None => output::note(format!(
            "{step}: the store has no build of it from source, whose generated files could be compared"
        )),
    }
    Ok(())
}

//! Reports where a built image differs from the one in the lock.

use camino::Utf8PathBuf;
use forge::generated;
use inspect::compare::{first_difference, first_difference_named};
use inspect::scan::Tokens;
use plan::step::Step;
use store::{EntryName, Ready, Store};

use crate::error::SupplyError;
use crate::images::Supplier;
use provision::lock::{compare, locked};

/// One line for each difference of what a recipe made. `known` finds the image of the lock, in the store or the repository;
/// `fresh` is what built `built`. `machine` is what the builds may not show.
pub fn differences(
    known: &Supplier<'_>,
    fresh: &Supplier<'_>,
    (recipe, arch): (&str, &str),
    built: &Ready,
    machine: &Tokens,
) -> Result<Vec<String>, SupplyError> {
    let (id, step) = known.step(recipe, arch)?;
    let Some(promised) = known.fetched(arch, step)? else {
        compare(arch, &known.project.lock.of(recipe)[arch], &locked(built))?;
        return Ok(Vec::new());
    };
    let unstripped = unstripped(fresh, arch)?;
    let mut lines = Vec::new();
    for name in locked(&promised).files.keys() {
        let (ours, theirs) = (promised.path().join(name), built.path().join(name));
        let difference = match &unstripped {
            Some(unstripped) => first_difference_named(&ours, &theirs, unstripped)?,
            None => first_difference(&ours, &theirs)?,
        };
        if let Some(difference) = difference {
            lines.push(format!("{arch}: `{name}`: {}", difference.explain(machine)));
        }
    }
    for id in known.plan.closure(id) {
        lines.extend(generated_files(known, &fresh.store, known.plan.step(id))?);
    }
    Ok(lines)
}

/// The built kernel with all its symbols, which an image does not contain.
fn unstripped(fresh: &Supplier<'_>, arch: &str) -> Result<Option<Utf8PathBuf>, SupplyError> {
    let (_, linux) = fresh.step("linux", arch)?;
    let entry = fresh.store.entry(&EntryName::image(linux.key))?;
    Ok(entry.ready().and_then(|ready| ready.file("vmlinux")))
}

/// The generated files that differ from those of the build in the store.
fn generated_files(
    known: &Supplier<'_>,
    fresh: &Store,
    step: &Step,
) -> Result<Vec<String>, SupplyError> {
    let Some(table) = known.project.generated.get(&step.recipe) else {
        return Ok(Vec::new());
    };
    let name = EntryName::image(step.key);
    let first = known.store.entry(&name)?.ready();
    let second = fresh.entry(&name)?.ready();
    let both = first.zip(second);
    let differing = both.and_then(|(first, second)| generated::differing(table, &first, &second));
    let Some(differing) = differing else {
        (known.note)(&format!(
            "{step}: the store has no build of it from source, whose generated files could be compared"
        ));
        return Ok(Vec::new());
    };
    Ok(differing
        .iter()
        .map(|file| format!("{step}: {file}"))
        .collect())
}

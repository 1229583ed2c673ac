//! Compiles QEMU with the mutants, and checks which edits apply.

use camino::Utf8Path;
use mutants::build::{self, BuildError, LeftOut, Recipe};
use mutants::set::{self, Mutant, Selection};
use mutants::tree;

use super::failure;
use xtask::cli::mutants::MutantsArgs;
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit, Failure};
use xtask::output;

/// Prints the mutants that do not apply.
pub(super) fn check(context: &Context, args: &MutantsArgs, selected: &[Mutant]) -> CommandResult {
    let source = context.env.absolute(&args.qemu_src);
    let all: Vec<&Mutant> = selected.iter().collect();
    let misfits = tree::check(&source, &all).map_err(failure(Exit::Usage))?;
    for (name, misfit) in &misfits {
        output::result(format!("{name}: {misfit}"));
    }
    let fitting = selected.len() - misfits.len();
    context.note(format!("{fitting} of {} mutants fit", selected.len()));
    Ok(if misfits.is_empty() {
        Exit::Success
    } else {
        Exit::Failed
    })
}

/// Compiles QEMU with every mutant of the set. Returns the mutants that could not be included.
pub(super) fn compile(
    context: &Context,
    args: &MutantsArgs,
    directory: &Utf8Path,
    arches: &[String],
) -> Result<LeftOut, Failure> {
    // All mutants are compiled in, so that another selection needs no rebuild.
    let all = set::read(&context.root, &Selection::default()).map_err(failure(Exit::Usage))?;
    let project = context.project()?;
    let programs = arches.iter().filter_map(|arch| project.arches.get(arch));
    let programs: Vec<String> = programs.map(|arch| arch.qemu.binary.clone()).collect();
    let recipe = Recipe {
        source: &context.env.absolute(&args.qemu_src),
        directory,
        configure: &args.configure,
        programs: &programs,
        jobs: context.jobs(),
    };
    context.note(format!(
        "compiling {} mutants into {}",
        all.len(),
        programs.join(", ")
    ));
    build::build(&recipe, &all).map_err(|error| {
        let exit = match error {
            BuildError::Tree(_) => Exit::Usage,
            _ => Exit::Failed,
        };
        failure(exit)(error)
    })
}

//! Selects the architectures of a run if its flags do not.

use camino::Utf8PathBuf;
use plan::Project;
use suite::{Needs, Selected};

use super::compare;
use crate::cli::{AccelChoice, SourceArgs, TestArgs};
use crate::context::{ALL, Context};
use crate::exit::Failure;
use crate::kernels;
use crate::output;
use crate::platforms::{self, Guests};
use crate::supply::Supply;

/// The architectures of the command line, of which `all` means each with a QEMU on this host. Without
/// any, those of the settings or the default ones, if the kernel and the QEMU were built for them.
pub(super) fn arches(
    context: &Context,
    project: &Project,
    args: &TestArgs,
) -> Result<Vec<String>, Failure> {
    let mut arches = context.arches(project, &args.source.arch)?;
    if args.source.arch.iter().any(|arch| arch == ALL) {
        for side in compare::sides(args) {
            platforms::keep_installed(context, project, &side.guest, &mut arches)?;
        }
        keep_at_hand(context, &args.source, &mut arches)?;
        return Ok(arches);
    }
    if !args.source.arch.is_empty() {
        return Ok(arches);
    }
    let kernel = args.kernel.first().map(Utf8PathBuf::as_path);
    kernels::narrow(context, project, (kernel, &args.host), &mut arches)?;
    if !args.list {
        for side in compare::sides(args) {
            platforms::keep_built(context, project, &side.guest, &mut arches);
        }
    }
    Ok(arches)
}

/// Leaves out the architectures whose image is neither in the repository nor in the store, so that `all`
/// builds no compilers. With `--from-source` all stay.
fn keep_at_hand(
    context: &Context,
    source: &SourceArgs,
    arches: &mut Vec<String>,
) -> Result<(), Failure> {
    if source.from_source {
        return Ok(());
    }
    let supply = Supply::open(context, source)?;
    let is_here = |name: &str| -> Result<bool, Failure> {
        if supply.project.arches[name].prebuilt && !source.no_prebuilt {
            return Ok(true);
        }
        let (_, step) = supply.step("image", name)?;
        Ok(supply.in_store(step)?.is_some())
    };
    for name in std::mem::take(arches) {
        if is_here(&name)? {
            arches.push(name);
            continue;
        }
        output::note(format!(
            "{name}: skipped, its image is not in the repository: cargo xtask images --arch {name}"
        ));
    }
    Ok(())
}

/// The architectures whose image is booted, in their order: by a test, or to try the accelerator; and those
/// of bare-metal tests.
pub(super) fn guests(
    project: &Project,
    arches: &[String],
    selected: &[Selected<'_>],
    accel: AccelChoice,
) -> Guests {
    let needed = |is_needed: &dyn Fn(Needs) -> bool| {
        let is_needed = |arch: &&String| {
            let mut of_arch = selected.iter().filter(|test| test.arch == arch.as_str());
            of_arch.any(|test| is_needed(test.test.header.body.needs()))
        };
        let needed = arches.iter().filter(is_needed);
        needed.cloned().collect::<Vec<_>>()
    };
    let has_bare = |arch: &String| {
        project
            .arches
            .get(arch)
            .is_some_and(|arch| arch.bare.is_some())
    };
    let mut bare = needed(&|needs| needs.bare);
    bare.retain(has_bare);
    Guests {
        boots: needed(&|needs| needs.image || (needs.accel && accel != AccelChoice::Tcg)),
        bare,
    }
}

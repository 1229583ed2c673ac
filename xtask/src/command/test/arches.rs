//! Which architectures a run is about, where its flags leave that open.

use plan::Project;
use suite::Selected;

use super::compare;
use crate::cli::{AccelChoice, TestArgs};
use crate::context::Context;
use crate::exit::Failure;
use crate::kernels;
use crate::platforms;

/// Those of the command line; else those of the settings or the repository that the kernel and the QEMU
/// were built for.
pub(super) fn arches(
    context: &Context,
    project: &Project,
    args: &TestArgs,
) -> Result<Vec<String>, Failure> {
    let mut arches = context.arches(project, &args.source.arch)?;
    if !args.source.arch.is_empty() {
        return Ok(arches);
    }
    if let Some(kernel) = args.kernel.first() {
        kernels::keep_matching(context, project, kernel, &mut arches)?;
    }
    if !args.list {
        for side in compare::sides(args) {
            platforms::keep_built(context, project, &side.guest, &mut arches);
        }
    }
    Ok(arches)
}

/// The architectures whose image is booted, in their order: by a test, or to try the accelerator.
pub(super) fn boots(
    arches: &[String],
    selected: &[Selected<'_>],
    accel: AccelChoice,
) -> Vec<String> {
    let boots = |arch: &&String| {
        let mut of_arch = selected.iter().filter(|test| test.arch == arch.as_str());
        of_arch.any(|test| {
            let needs = test.test.header.body.needs();
            needs.image || (needs.accel && accel != AccelChoice::Tcg)
        })
    };
    arches.iter().filter(boots).cloned().collect()
}

//! Which architectures a run is about, where its flags leave that open.

use plan::Project;

use super::compare;
use crate::cli::TestArgs;
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

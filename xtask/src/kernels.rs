//! `--kernel DIR|FILE`: the kernel of a build tree in place of the image's own, for guests of the
//! architecture that it was built for.

use camino::Utf8Path;
use guest::platform::{ArchRun, OwnKernel};
use kernel::{Kernel, KernelError, KernelFile, Target};
use plan::Project;
use plan::digest::Digest;

use crate::cli::SourceArgs;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::platforms;
use crate::supply::Supply;

/// Keeps the architectures that a kernel was built for, where the command line names none.
pub(crate) fn keep_matching(
    context: &Context,
    project: &Project,
    place: &Utf8Path,
    arches: &mut Vec<String>,
) -> Result<(), Failure> {
    let source = SourceArgs::of(arches);
    let supply = Supply::open(context, &source)?;
    let images = supply.at_hand(arches)?;
    let place = context.env.absolute(place);
    let (mut refused, mut matching) = (Vec::new(), Vec::new());
    for (name, image) in &images {
        let boot = platforms::boot_files(image)?;
        let Some(arch) = project.arches.get(name) else {
            continue;
        };
        match kernel::find(&place, arch, target(&boot.kernel)?) {
            // What is wrong with its config is said when it is about to be booted.
            Ok(_) | Err(KernelError::Config { .. }) => matching.push(name.clone()),
            Err(error) => refused.push(error),
        }
    }
    if matching.is_empty()
        && let Some(error) = kernel::summary(refused)
    {
        return Err(failure(error));
    }
    *arches = matching;
    Ok(())
}

/// Lets guests boot a kernel in place of their image's own.
pub(crate) fn replace(
    context: &Context,
    runs: &mut [ArchRun],
    place: &Utf8Path,
) -> Result<(), Failure> {
    let place = context.env.absolute(place);
    for run in runs {
        let Some(image) = &mut run.image else {
            continue;
        };
        let found = kernel::find(&place, &run.arch, target(&image.boot.kernel)?);
        let Kernel {
            path,
            file,
            symbols,
        } = found.map_err(failure)?;
        let (_, digest) =
            store::digest_file(&path).map_err(|error| Failure::new(Exit::SetupMissing, error))?;
        let version = file.version.unwrap_or_else(|| digest.short());
        image.name = format!("{}+kernel-{}", image.name, digest.short());
        // Templates of guests with the image's own kernel are of no use.
        image.content = Digest::of(format!("{}\n{digest}\n", image.content).as_bytes());
        image.kernel = Some(OwnKernel {
            name: format!("{version} ({path})"),
            symbols,
        });
        image.boot.kernel = path;
    }
    Ok(())
}

/// What an image's own kernel is for.
fn target(kernel: &Utf8Path) -> Result<Target, Failure> {
    let bytes =
        host::files::read(kernel).map_err(|error| Failure::new(Exit::SetupMissing, error))?;
    let file = KernelFile::identify(&bytes);
    let unknown = || failure(KernelError::Format(kernel.to_owned()));
    Ok(file.ok_or_else(unknown)?.target)
}

/// A kernel that is missing, or without the drivers of a guest, is what `git bisect` skips; a file that
/// can never be booted is not.
fn failure(error: KernelError) -> Failure {
    let exit = match error {
        KernelError::NotBuilt { .. }
        | KernelError::Stale { .. }
        | KernelError::Config { .. }
        | KernelError::Io(_) => Exit::SetupMissing,
        KernelError::Absent(_) | KernelError::Format(_) | KernelError::Target { .. } => Exit::Usage,
    };
    let hint = error.hint();
    Failure::new(exit, error).hint(hint)
}

//! `cargo xtask images --image debian`: the root file systems of guests with Debian.

use plan::distribution::lock_path;
use store::Verified;
use supply::distribution::{DistributionError, Relocked};

use crate::wiring::{Supply, supply_failure};
use xtask::cli::SourceArgs;
use xtask::cli::images::ImagesArgs;
use xtask::command::test::load;
use xtask::context::Context;
use xtask::distribution::{debian_architecture, lock, requested, settings};
use xtask::exit::{CommandResult, Exit, Failure};
use xtask::output;
use xtask::render::quantity;
use xtask::supply::store_failure;

pub(crate) fn run(context: &Context, args: &ImagesArgs) -> CommandResult {
    let settings = settings(context)?;
    let mut arches = context.arches(&context.project()?, &args.source.arch)?;
    if args.source.arch.is_empty() {
        arches.retain(|arch| settings.architectures.contains_key(arch));
    }
    for arch in arches {
        if args.relock {
            relock(context, &args.source, &arch)?;
        }
        let image = provide(context, &args.source, &arch)?;
        output::result(format!("{arch} debian {}", image.path()));
    }
    Ok(Exit::Success)
}

/// The image of an architecture, in the store.
pub(crate) fn provide(
    context: &Context,
    source: &SourceArgs,
    arch: &str,
) -> Result<Verified, Failure> {
    let settings = settings(context)?;
    let lock = lock(context, arch)?;
    let supply = Supply::open(context, source)?;
    supply.distribution(&settings, &lock).map_err(failure)
}

/// Writes the lock of an architecture with the versions that Debian has now.
fn relock(context: &Context, source: &SourceArgs, arch: &str) -> Result<(), Failure> {
    let settings = settings(context)?;
    let architecture = debian_architecture(&settings, arch)?;
    let supply = Supply::open(context, source)?;
    let arches: Vec<String> = supply.project.arches.keys().cloned().collect();
    let more = requested(&load(context, &arches)?);
    let made = supply.relock_distribution(architecture, &settings, &more);
    let Relocked { lock, is_signed } = made.map_err(failure)?;
    if !is_signed {
        output::note(
            "warning: Debian's signature was not checked, because gpgv or debian-archive-keyring is not installed",
        );
    }
    let path = lock_path(arch);
    let written = host::files::write(&context.root.join(&path), lock.render().as_bytes());
    written.map_err(|error| Failure::new(Exit::Failed, error))?;
    let (count, size) = (lock.packages.len(), quantity::bytes(lock.image.size));
    output::result(format!("wrote {path} ({count} packages, image of {size})"));
    Ok(())
}

fn failure(error: DistributionError) -> Failure {
    let hint = error.hint();
    match error {
        DistributionError::Supply(error) => supply_failure(error).hint(hint),
        DistributionError::Store(error) => store_failure(error),
        DistributionError::Resolve(_) => Failure::new(Exit::Usage, error),
        error => Failure::new(Exit::Failed, error).hint(hint),
    }
}

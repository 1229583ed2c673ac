//! `cargo xtask verify-release`: rebuilds a published release offline from its source bundle alone
//! and compares. This proves that the release is reproducible and its source complete.
//!
//! Only the signed files of the release are trusted. The output of the bundle's own program is not:
//! the files that it built are hashed here.

mod published;
mod rebuild;
mod rebuilt;

use camino::Utf8Path;
use plan::lock::{self, Lock};
use publish::area::{Area, AreaError};
use publish::check::walk_index;
use publish::verify::{self, Promise};
use supply::rebuilt::RebuiltFile;

use self::published::Publisher;
use super::mirror_check;
use super::publish::keys;
use crate::render;
use crate::wiring::store_failure;
use xtask::cli::MessageFormat;
use xtask::cli::publish::VerifyReleaseArgs;
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit, Failure, hinted};
use xtask::output;

pub(crate) fn run(context: &Context, args: &VerifyReleaseArgs) -> CommandResult {
    let began = host::clock::monotonic();
    let promise = promise(context, args)?;
    let arches = wanted(&promise, &args.arch)?;
    let area = match &args.keep {
        Some(keep) => Area::kept_in(context.env.absolute(keep), &promise).map_err(refused)?,
        None => Area::passing(context.store()?.workspace().map_err(store_failure)?),
    };
    area.check_room(&promise, args.no_build).map_err(refused)?;
    area.mark(&promise).map_err(refused)?;
    let mut remote = Publisher::open(context, &args.place, &area)?;
    let tree = remote.bundle(&promise)?;
    verify::complete(&promise, &tree).map_err(hinted!(Exit::FetchFailed))?;
    let lock = locked(context, &tree)?;
    verify::same_images(&promise, &arches, &lock).map_err(hinted!(Exit::FetchFailed))?;
    let published = remote.files(&promise, &arches, &lock)?;
    if args.no_build {
        output::note("the source archive is complete and its lock matches the release; not built");
        if args.keep.is_some() {
            output::result(rebuild::command(context, &tree, &area, &arches).shell_line());
        }
        return Ok(Exit::Success);
    }
    rebuild::run(context, &tree, &area, &arches, &promise.release)?;
    let rows = rebuilt::compare(&area, &promise, &lock, &published)?;
    print_result(context, &promise, &rows, began.elapsed());
    if let Some(row) = rows.iter().find(|row| !row.is_equal()) {
        let error = anyhow::anyhow!(
            "release {} differs from a build of its source: `{}/{}`",
            promise.release,
            row.arch,
            row.name
        );
        return Err(Failure::new(Exit::FetchFailed, error).hint(area.hint()));
    }
    if let Some(kept) = area.kept_directory() {
        output::note(format!(
            "kept the source archive and the images in `{kept}`"
        ));
    }
    Ok(Exit::Success)
}

fn refused(error: AreaError) -> Failure {
    let hint = error.hint();
    let exit = match error {
        AreaError::Store(error) => return store_failure(error),
        AreaError::Io(_) | AreaError::Room { .. } => Exit::SetupMissing,
        AreaError::Occupied { .. } => Exit::Usage,
    };
    Failure::new(exit, error).hint(hint)
}

/// The promises of the release, verified with the trusted keys.
fn promise(context: &Context, args: &VerifyReleaseArgs) -> Result<Promise, Failure> {
    if args.place.reveal().starts_with("s3://") {
        let error = anyhow::anyhow!(
            "expected a public URL or a directory, found `{}`",
            args.place
        );
        let hint = "use the https:// URL of the bucket".to_owned();
        return Err(Failure::new(Exit::Usage, error).hint(hint));
    }
    let place = mirror_check::open_tree(context, &args.place)?;
    let report = mirror_check::examine(context, &args.place, place.as_ref(), walk_index)?;
    if !report.findings.is_empty() {
        let error = anyhow::anyhow!("failed to verify the index of {}", args.place);
        return Err(Failure::new(Exit::FetchFailed, error));
    }
    verify::promise(place.as_ref(), &keys(context)?, args.release.as_deref())
        .map_err(hinted!(Exit::FetchFailed))
}

/// The architectures to build.
fn wanted(promise: &Promise, asked: &[String]) -> Result<Vec<String>, Failure> {
    let known = || promise.images.keys().cloned();
    if asked.is_empty() {
        return Ok(known().collect());
    }
    if let Some(arch) = asked
        .iter()
        .find(|arch| !promise.images.contains_key(*arch))
    {
        let error = anyhow::anyhow!("release {} has no image of `{arch}`", promise.release);
        let known: Vec<String> = known().collect();
        return Err(
            Failure::new(Exit::Usage, error).hint(format!("expected one of {}", known.join(", ")))
        );
    }
    Ok(known().filter(|arch| asked.contains(arch)).collect())
}

/// The lock in the bundle.
fn locked(context: &Context, tree: &Utf8Path) -> Result<Lock, Failure> {
    let path = tree.join("repository").join(lock::PATH);
    let text = host::files::read(&path).map_err(|error| Failure::new(Exit::FetchFailed, error))?;
    Lock::parse(&String::from_utf8_lossy(&text))
        .map_err(|found| context.draw(&found, "in the lock of the source archive"))
}

/// Prints the table and the duration.
fn print_result(
    context: &Context,
    promise: &Promise,
    rows: &[RebuiltFile],
    took: std::time::Duration,
) {
    match context.global.message_format {
        MessageFormat::Human => {
            output::result(render::verify::table(context.style, rows));
            output::result(render::verify::summary(&promise.release, rows, took));
        }
        MessageFormat::Json => {
            for row in rows {
                output::result(render::verify::line(row).to_string());
            }
            let line = render::verify::summary_line(&promise.release, rows, took);
            output::result(line.to_string());
        }
    }
}

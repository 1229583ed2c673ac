//! `cargo xtask verify-release`: builds a published release again, from its source bundle alone, without
//! a network, and compares: that one check proves that it is reproducible and its source complete.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::process::{Command, Stdio};
use plan::lock::{self, Lock};
use plan::source::{Source, SourcePin};
use publish::verify::{self, Promise};
use store::Store;

use super::mirror_check;
use crate::cli::publish::VerifyReleaseArgs;
use crate::context::Context;
use crate::exit::{Exit, Failure, Outcome, hinted};
use crate::output;
use crate::supply::store_failure;

/// No build of all architectures takes longer.
const LIMIT: Duration = Duration::from_secs(6 * 60 * 60);

pub(crate) fn run(context: &Context, args: &VerifyReleaseArgs) -> Outcome {
    let place = mirror_check::place(context, &args.place)?;
    let report = mirror_check::examine(context, &args.place, place.as_ref())?;
    if !report.findings.is_empty() {
        let error = anyhow::anyhow!("{} is not what it says", args.place);
        return Err(Failure::new(Exit::FetchFailed, error));
    }
    let promise = verify::promise(place.as_ref(), args.release.as_deref())
        .map_err(hinted!(Exit::FetchFailed))?;
    if let Some(arch) = args
        .arch
        .iter()
        .find(|arch| !promise.images.contains_key(*arch))
    {
        let known: Vec<&str> = promise.images.keys().map(String::as_str).collect();
        let error = anyhow::anyhow!("{} has no image of `{arch}`", promise.release);
        return Err(Failure::new(Exit::Usage, error).hint(format!("there is {}", known.join(", "))));
    }
    // In the store: it has the room that a build needs, and sweeps what a killed run left.
    let area = context.store()?.workspace().map_err(store_failure)?;
    let fresh = Store::open(&area.path().join("store")).map_err(store_failure)?;
    let archive = area.path().join("bundle");
    verify::copy_bundle(place.as_ref(), &promise, &archive).map_err(hinted!(Exit::FetchFailed))?;
    let tree = unpack(&fresh, &promise, &archive)?;
    verify::same_images(&promise, &args.arch, &locked(context, &tree)?)
        .map_err(hinted!(Exit::FetchFailed))?;
    let build = build(context, args, &promise, &tree, area.path());
    if args.no_build {
        output::note("the source bundle is complete and promises the published bytes; not built");
        output::result(build.shell_line());
        return Ok(Exit::Success);
    }
    let status = build.run(LIMIT).map_err(hinted!(Exit::Failed))?;
    if !status.success() {
        let error = anyhow::anyhow!("{} cannot be built from its source", promise.release);
        return Err(Failure::new(Exit::FetchFailed, error));
    }
    output::result(format!("{} is what its source gives", promise.release));
    Ok(Exit::Success)
}

/// The bundle as a tree, by the rules for archives from strangers.
fn unpack(fresh: &Store, promise: &Promise, archive: &Utf8Path) -> Result<Utf8PathBuf, Failure> {
    let blob = fresh
        .adopt(archive, &promise.digest)
        .map_err(store_failure)?;
    let source = Source {
        name: promise.release.clone(),
        pin: SourcePin {
            file: promise.bundle.clone(),
            size: blob.size(),
            sha256: promise.digest,
            locations: Vec::new(),
        },
        inner: None,
        strip: 1,
        patches: Vec::new(),
    };
    forge::unpack::tree(fresh, &source, &blob, &mut |_| {}).map_err(hinted!(Exit::FetchFailed))
}

/// The lock in the bundle.
fn locked(context: &Context, tree: &Utf8Path) -> Result<Lock, Failure> {
    let path = tree.join("repository").join(lock::PATH);
    let text = host::files::read(&path).map_err(|error| Failure::new(Exit::FetchFailed, error))?;
    Lock::parse(&String::from_utf8_lossy(&text))
        .map_err(|found| context.draw(&found, "in the lock of the source bundle"))
}

/// What builds the images from the bundle and compares them with its lock, in an empty store, with crates
/// and archives from the bundle.
fn build(
    context: &Context,
    args: &VerifyReleaseArgs,
    promise: &Promise,
    tree: &Utf8Path,
    area: &Utf8Path,
) -> Command {
    let cargo = context
        .env
        .cargo
        .clone()
        .unwrap_or_else(|| Utf8PathBuf::from("cargo"));
    let arches = match &args.arch[..] {
        [] => promise.images.keys().cloned().collect(),
        arches => arches.to_vec(),
    };
    let words = [
        "run",
        "--frozen",
        "--package",
        "xtask",
        "--",
        "--offline",
        "images",
    ];
    let mut command = Command::new(cargo)
        .args(words)
        .args(["--from-source", "--verify"])
        .current_dir(tree.join("repository"))
        .env("KILN_STORE", area.join("build"))
        .env("KILN_MIRROR", format!("file://{tree}"))
        .env("CARGO_TARGET_DIR", area.join("target"))
        // Those are this checkout's, and the bundle's crates are elsewhere.
        .env_remove("CARGO_MANIFEST_DIR")
        .stdout(Stdio::Inherit)
        .stderr(Stdio::Inherit);
    for arch in arches {
        command = command.args(["--arch", &arch]);
    }
    command
}

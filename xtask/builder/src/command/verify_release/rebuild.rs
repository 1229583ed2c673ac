//! Builds a release with the program, crates and archives of its bundle, in an empty store, without
//! a network.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::process::{Command, Stdio};
use publish::area::Area;

use xtask::context::Context;
use xtask::exit::{Exit, Failure, hinted};
use xtask::output;

/// Longer than a build of all architectures.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs the build. Its results are in [`store`].
pub(super) fn run(
    context: &Context,
    tree: &Utf8Path,
    area: &Area,
    arches: &[String],
    release: &str,
) -> Result<(), Failure> {
    if !context.global.quiet {
        output::note(format!(
            "building {release} for {} from its source archive",
            arches.join(", ")
        ));
    }
    let command = command(context, tree, area, arches);
    let line = command.shell_line();
    let status = command.run(LIMIT).map_err(hinted!(Exit::Failed))?;
    if context.global.verbose > 0 && !status.success() {
        output::note(format!("`{line}` exited with {status}"));
    }
    Ok(())
}

/// The store of the build.
pub(super) fn store(area: &Area) -> Utf8PathBuf {
    area.join("store")
}

/// The build command. With `--locked` it refuses recipes that would make other images than the
/// bundle's lock contains.
pub(super) fn command(
    context: &Context,
    tree: &Utf8Path,
    area: &Area,
    arches: &[String],
) -> Command {
    let cargo = context
        .env
        .cargo
        .clone()
        .unwrap_or_else(|| Utf8PathBuf::from("cargo"));
    let global = &context.global;
    let mut command = Command::new(cargo).args(["run", "--frozen", "--package", "xtask"]);
    let jobs = global.jobs.map(|jobs| format!("--jobs={jobs}"));
    command = command.args(&jobs);
    if global.quiet {
        command = command.arg("--quiet");
    }
    command = command.args(["--", "--offline", "--locked"]).args(&jobs);
    if global.quiet {
        command = command.arg("--quiet");
    } else if global.verbose > 0 {
        command = command.arg("-v");
    }
    command = command.args(["images", "--from-source"]);
    for arch in arches {
        command = command.args(["--arch", arch]);
    }
    command
        .current_dir(tree.join("repository"))
        .env("KILN_STORE", store(area))
        .env("KILN_MIRROR", format!("file://{tree}"))
        .env("CARGO_TARGET_DIR", area.join("target"))
        // The user's own crates and configuration would hide what the bundle lacks.
        .env("CARGO_HOME", area.join("cargo"))
        // Refers to this checkout.
        .env_remove("CARGO_MANIFEST_DIR")
        .stdout(Stdio::Null)
        .stderr(Stdio::Inherit)
}

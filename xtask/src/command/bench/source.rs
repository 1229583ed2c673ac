//! `cargo xtask bench source`: the time to build images from source, and from a change of a kernel's
//! config to a tested image.

use std::time::Duration;

use camino::Utf8Path;
use host::process::Command;
use serde_json::{Value, json};

use super::side::{Cost, Side, measured};
use crate::cli::SourceArgs;
use crate::cli::bench::BenchSourceArgs;
use crate::context::Context;
use crate::exit::{Exit, Failure, hinted};
use crate::supply::Supply;

/// The test of a new kernel.
const TEST: &str = "boot::true";
/// Time limit to clone a checkout.
const CLONE_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Builds everything once.
pub(super) fn sample(
    context: &Context,
    args: &BenchSourceArgs,
    side: &Side,
) -> Result<Vec<Value>, Failure> {
    let source = SourceArgs::of(&args.arch);
    let arches = &Supply::open(context, &source)?.arches;
    let mut lines = Vec::new();
    if !args.kernel_only {
        let selected = arches.iter().flat_map(|arch| ["--arch", arch.as_str()]);
        let command = side
            .command()
            .args(["images", "--from-source", "--verify", "--offline"]);
        let cost = passed(command.args(selected))?;
        lines.push(line(&arches.join("+"), "images", &cost));
    }
    for arch in arches {
        let cost = change_kernel(context, side, arch)?;
        lines.push(line(arch, "kernel", &cost));
    }
    Ok(lines)
}

/// Changes the config of a kernel in a clone, builds the image and tests it.
fn change_kernel(context: &Context, side: &Side, arch: &str) -> Result<Cost, Failure> {
    let scratch = context.scratch("source")?;
    let clone = scratch.path().join("checkout");
    let git = Command::new("git").args(["clone", "--quiet", "--shared"]);
    let cloned = git.arg(&side.root).arg(&clone).run(CLONE_LIMIT);
    if !cloned.map_err(hinted!(Exit::SetupMissing))?.success() {
        let error = anyhow::anyhow!("failed to clone `{}`", side.root);
        return Err(Failure::new(Exit::Failed, error));
    }
    change(&clone.join("images").join(arch).join("linux.fragment"))
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    let command = |args: &[&str]| {
        let command = side.command_in(&clone).args(args);
        passed(command.args(["--offline", "--arch", arch]))
    };
    let refrozen = command(&["images", "--refreeze"])?;
    let tested = command(&["test", TEST, "--from-source"])?;
    Ok(Cost {
        cpu: refrozen.cpu + tested.cpu,
        wall: refrozen.wall + tested.wall,
    })
}

/// Gives the kernel a new host name. The store has no kernel with this name, and no test reads it.
fn change(fragment: &Utf8Path) -> std::io::Result<()> {
    let name = u64::from_le_bytes(host::random::bytes()?);
    let option = format!("\nCONFIG_DEFAULT_HOSTNAME=\"bench-{name:x}\"\n");
    host::files::append(fragment, option.as_bytes())
}

/// The cost of a command that must succeed.
fn passed(command: Command) -> Result<Cost, Failure> {
    let line = command.shell_line();
    let (cost, output) = measured(command)?;
    if output.status.success() {
        return Ok(cost);
    }
    let error = anyhow::anyhow!("expected `{line}` to succeed: {}", output.stdout_text());
    Err(Failure::new(Exit::TestFailed, error))
}

fn line(arch: &str, build: &str, cost: &Cost) -> Value {
    json!({
        "reason": "bench-source", "arch": arch, "build": build,
        "cpu_s": cost.cpu.as_secs_f64(), "wall_s": cost.wall.as_secs_f64(),
    })
}

//! `cargo xtask toolchain --arch A`: finds or builds a cross toolchain and prints its path. `--
//! CMD` runs a command with it on PATH.

use std::time::Duration;

use host::process::{Command, Stdio};

use crate::wiring::{Supply, supply_failure};
use xtask::cli::ToolchainArgs;
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit, hinted};
use xtask::output;

/// The user decides how long a command may take.
pub(super) const NO_LIMIT: Duration = Duration::from_secs(u32::MAX as u64);

pub(crate) fn run(context: &Context, args: &ToolchainArgs) -> CommandResult {
    let supply = Supply::open(context, &args.source)?;
    let mut places = Vec::new();
    for arch in &supply.arches {
        let (id, _) = supply.step("toolchain", arch)?;
        let mut built = supply
            .perform(&[id], &supply.options().map_err(supply_failure)?)
            .map_err(supply_failure)?;
        places.extend(built.remove(&id).map(|ready| ready.path()));
    }
    if args.command.is_empty() {
        for place in places {
            output::result(place);
        }
        return Ok(Exit::Success);
    }
    let bins = places.iter().map(|place| place.join("bin").to_string());
    let path: Vec<String> = bins
        .chain(context.env.path.iter().map(ToString::to_string))
        .collect();
    let status = Command::from_argv(&args.command)
        .with_secrets()
        .env("PATH", path.join(":"))
        .stdin(Stdio::Inherit)
        .stdout(Stdio::Inherit)
        .stderr(Stdio::Inherit)
        .same_group()
        .run(NO_LIMIT)
        .map_err(hinted!(Exit::Failed))?;
    Ok(Exit::Child(
        u8::try_from(status.shell_code()).unwrap_or(101),
    ))
}

//! `cargo xtask provide`: fetches or builds the images that another command boots, unless they
//! exist.

use xtask::cli::SourceArgs;
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit};

use crate::wiring::{Supply, supply_failure};

pub(crate) fn run(context: &Context, source: &SourceArgs) -> CommandResult {
    let supply = Supply::open(context, source)?;
    supply.images_to_boot().map_err(supply_failure)?;
    Ok(Exit::Success)
}

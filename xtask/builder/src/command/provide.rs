//! `cargo xtask provide`: fetches or builds the images that another command boots, unless they
//! exist.

use xtask::cli::ProvideArgs;
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit};

use crate::wiring::{Supply, supply_failure};

pub(crate) fn run(context: &Context, args: &ProvideArgs) -> CommandResult {
    let supply = Supply::open(context, &args.source)?;
    let provided = supply.products_to_boot(&args.recipe);
    provided.map_err(supply_failure)?;
    Ok(Exit::Success)
}

//! `cargo xtask provide`: fetches or builds the images that another command boots, unless they
//! exist.

use xtask::cli::ProvideArgs;
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit};
use xtask::supply::DISTRIBUTION;

use crate::command::distribution;
use crate::wiring::{Supply, supply_failure};

pub(crate) fn run(context: &Context, args: &ProvideArgs) -> CommandResult {
    if args.recipe == DISTRIBUTION {
        for arch in &args.source.arch {
            distribution::provide(context, &args.source, arch)?;
        }
        return Ok(Exit::Success);
    }
    let supply = Supply::open(context, &args.source)?;
    let provided = supply.products_to_boot(&args.recipe);
    provided.map_err(supply_failure)?;
    Ok(Exit::Success)
}

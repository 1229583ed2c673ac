//! `cargo xtask fetch`: every source of the plan, so that later commands work with `--offline`.

use crate::cli::FetchArgs;
use crate::context::Context;
use crate::exit::{Exit, Outcome};
use crate::output;
use crate::render::quantity;
use crate::supply::Supply;

pub(crate) fn run(context: &Context, args: &FetchArgs) -> Outcome {
    let supply = Supply::open(context, &args.source)?;
    let (count, bytes) = supply.fetch_sources()?;
    output::result(format!(
        "{} sources ({}) are in {}",
        count,
        quantity::bytes(bytes),
        supply.store.root()
    ));
    Ok(Exit::Success)
}

//! `cargo xtask fetch`: every source of the plan, so that later commands work with `--offline`.

use std::collections::BTreeMap;

use crate::cli::FetchArgs;
use crate::context::Context;
use crate::exit::{Exit, Outcome};
use crate::output;
use crate::render::quantity;
use crate::supply::{self, Supply};

pub(crate) fn run(context: &Context, args: &FetchArgs) -> Outcome {
    let supply = Supply::open(context, &args.source)?;
    let remotes = supply.remotes()?;
    let mut progress = supply.progress();
    let sources = supply.plan.steps.iter().flat_map(|step| &step.sources);
    let pins: BTreeMap<_, _> = sources
        .map(|source| ((&source.pin.file, source.pin.sha256), &source.pin))
        .collect();
    forge::fetch::check_offline(&supply.store, pins.values().copied(), &remotes)
        .map_err(supply::fetch_failure)?;
    let mut bytes = 0;
    for pin in pins.values() {
        forge::fetch::fetch(&supply.store, pin, &remotes, &mut |event| {
            progress.show(event);
        })
        .map_err(supply::fetch_failure)?;
        bytes += pin.size;
    }
    drop(progress);
    output::result(format!(
        "{} sources ({}) are in {}",
        pins.len(),
        quantity::bytes(bytes),
        supply.store.root()
    ));
    Ok(Exit::Success)
}

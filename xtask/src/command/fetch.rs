//! `cargo xtask fetch`: every source of the plan, so that later commands work with `--offline`.

use std::collections::BTreeMap;

use crate::cli::FetchArgs;
use crate::context::Context;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::render::quantity;
use crate::supply::Supply;

pub(crate) fn run(context: &Context, args: &FetchArgs) -> Outcome {
    let supply = Supply::open(context, &args.source)?;
    let remotes = supply.remotes()?;
    let mut progress = supply.progress();
    let sources = supply.plan.steps.iter().flat_map(|step| &step.sources);
    let pins: BTreeMap<&str, _> = sources
        .map(|source| (source.pin.file.as_str(), &source.pin))
        .collect();
    let mut bytes = 0;
    for pin in pins.values() {
        forge::fetch::fetch(&supply.store, pin, &remotes, &mut |event| {
            progress.show(event);
        })
        .map_err(|error| {
            let hint = error.hint();
            Failure::new(Exit::FetchFailed, error).hint(hint)
        })?;
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

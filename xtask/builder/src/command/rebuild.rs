//! `cargo xtask rebuild`: the second build of `repro`, run in the surroundings that `repro`
//! prepared. Builds the steps of some recipes in the store of its environment, from the store's
//! contents.

use fetch::Remotes;
use forge::build::{Options, Variation};
use inspect::scan::Tokens;
use sandbox::{ClockAhead, SandboxChoice};
use unpack::Order;

use crate::wiring::{Supply, supply_failure};
use xtask::cli::SourceArgs;
use xtask::cli::repro::RebuildArgs;
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit, Failure};

pub(crate) fn run(context: &Context, args: &RebuildArgs) -> CommandResult {
    let source = SourceArgs {
        no_sandbox: args.no_sandbox,
        ..SourceArgs::of(&args.arch)
    };
    let supply = Supply::of_recipes(context, &source, &recipes(&args.step))?;
    let wanted = supply.steps_of(&args.step).map_err(supply_failure)?;
    let options = options(&supply, args)?;
    supply.perform(&wanted, &options).map_err(supply_failure)?;
    Ok(Exit::Success)
}

/// The recipes to plan for: those of `--step`, or that of the image.
pub(super) fn recipes(named: &[String]) -> Vec<String> {
    match named {
        [] => vec!["image".to_owned()],
        named => named.to_vec(),
    }
}

/// The build options: those of `repro`, without downloads.
pub(super) fn options(supply: &Supply<'_>, args: &RebuildArgs) -> Result<Options, Failure> {
    let mut options = supply.options().map_err(supply_failure)?;
    options.remotes = Remotes::offline();
    // `repro` detects strings of these surroundings by comparison.
    options.machine = Tokens::default();
    if args.no_sandbox {
        options.sandbox = SandboxChoice::Off;
    }
    let root = args.root.as_deref().unwrap_or("/".into());
    options.variation = Variation {
        order: Order::Shuffled(args.order),
        shuffle: args.shuffle,
        root: args.root.clone(),
        clock: None,
    };
    if args.days > 0 && options.has_sandbox() {
        options.variation.clock = ClockAhead::find(root, args.days);
    }
    Ok(options)
}

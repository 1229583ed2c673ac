//! `cargo xtask repro`: builds twice, the second time in different surroundings, and compares every
//! output. `forge::repro` compares. The second build is a child process that runs `rebuild`.

use std::collections::{BTreeMap, BTreeSet};

use forge::build::{self, Options};
use forge::repro::{self, Comparison};
use plan::step::{Plan, StepId};
use serde_json::json;
use store::Ready;
use supply::rebuilt;

use crate::render;
use crate::wiring::{Supply, build_failure, supply_failure};
use xtask::cli::repro::{RebuildArgs, ReproArgs};
use xtask::cli::{MessageFormat, SourceArgs};
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit, Failure, hinted};
use xtask::output::{self, Color};

mod lines;
mod second;

use second::Second;

pub(crate) fn run(context: &Context, args: &ReproArgs) -> CommandResult {
    let source = SourceArgs {
        mirror: args.mirror.clone(),
        debian_mirror: args.debian_mirror.clone(),
        ..SourceArgs::of(&args.arch)
    };
    let supply = Supply::of_recipes(context, &source, &super::rebuild::recipes(&args.step))?;
    let wanted = supply.steps_of(&args.step).map_err(supply_failure)?;
    let inputs = direct_inputs(&supply.plan, &wanted);
    // A build takes hours, so invalid settings of the second one are reported before the first
    // begins.
    let varied = variation(&supply, args)?;
    let options = super::rebuild::options(&supply, &varied)?;
    let steps = wanted.iter().map(|id| supply.plan.step(*id));
    options
        .check_root(repro::tools(steps.clone()))
        .map_err(build_failure)?;
    let both: Vec<StepId> = wanted.iter().chain(&inputs).copied().collect();
    let mut first = supply
        .perform(&both, &supply.options().map_err(supply_failure)?)
        .map_err(supply_failure)?;
    let given: BTreeMap<StepId, Ready> = inputs
        .iter()
        .filter_map(|id| Some((*id, first.remove(id)?)))
        .collect();
    supply.fetch_sources_of(steps).map_err(supply_failure)?;
    let second = Second::prepare(&supply, &wanted, &given, args, &varied, &options)?;
    second.announce(context);
    second.build(context, &varied)?;
    let made = build::present(&second.store, &supply.plan, &wanted, &options);
    let made = made.map_err(build_failure)?;
    if let Some(id) = wanted.iter().find(|id| !made.contains_key(id)) {
        let step = supply.plan.step(*id);
        let error = anyhow::anyhow!("missing `{step}` in the second build");
        return Err(Failure::new(Exit::Failed, error).hint(second.rerun()));
    }
    let another = args.root.as_ref().map(|_| provision::lock::NOT_LOCKED);
    let tables = &supply.project.generated;
    let compared = repro::compare(&supply.plan, tables, &first, &made, another)
        .map_err(hinted!(Exit::Failed))?;
    print(&supply, &compared);
    let mut good = compared.iter().all(Comparison::is_good);
    good &= compare_with_lock(&supply, &made);
    if !good {
        output::note(second.rerun());
        return Ok(Exit::FetchFailed);
    }
    Ok(Exit::Success)
}

/// The inputs of the steps that are not among the steps themselves.
fn direct_inputs(plan: &Plan, wanted: &[StepId]) -> BTreeSet<StepId> {
    let inputs = wanted.iter().flat_map(|id| &plan.step(*id).inputs);
    let inputs = inputs.map(|input| input.step);
    inputs.filter(|id| !wanted.contains(id)).collect()
}

/// The variation of the second build, derived from the seed.
fn variation(supply: &Supply<'_>, args: &ReproArgs) -> Result<RebuildArgs, Failure> {
    let order = args.seed.unwrap_or_else(host::random::seed);
    let root = args.root.as_ref().map(|root| {
        let root = supply.context.env.absolute(root);
        root.canonicalize_utf8().unwrap_or(root)
    });
    let mut varied = RebuildArgs {
        arch: args.arch.clone(),
        step: args.step.clone(),
        root,
        order,
        shuffle: None,
        days: args.days,
        no_sandbox: args.no_sandbox,
    };
    let shuffles = |options: &Options| options.make_shuffles().map_err(build_failure);
    if !args.no_shuffle && shuffles(&super::rebuild::options(supply, &varied)?)? {
        varied.shuffle = Some(u32::try_from(order % 1_000_000).unwrap_or_default());
    }
    Ok(varied)
}

fn print(supply: &Supply<'_>, compared: &[Comparison]) {
    let (context, plan) = (supply.context, &supply.plan);
    match context.global.message_format {
        MessageFormat::Human => output::result(render::repro::table(context.style, plan, compared)),
        MessageFormat::Json => {
            for comparison in compared {
                output::result(render::repro::json(plan, comparison).to_string());
            }
        }
    }
}

/// Compares the second build's images with the lock. Returns whether all match.
fn compare_with_lock(supply: &Supply<'_>, made: &BTreeMap<StepId, Ready>) -> bool {
    let (context, lock) = (supply.context, &supply.project.lock);
    let mut good = true;
    for (id, ready) in made {
        let step = supply.plan.step(*id);
        let (Some(arch), "image") = (&step.arch, step.recipe.as_str()) else {
            continue;
        };
        let locked = lock
            .images
            .get(arch)
            .filter(|locked| locked.key == step.key);
        let equal = locked.map(|locked| {
            let files = &provision::lock::locked(ready).files;
            rebuilt::is_equal(&rebuilt::compare(arch, &locked.files, files))
        });
        good &= equal != Some(false);
        if context.global.message_format == MessageFormat::Json {
            let line = json!({ "reason": "repro-lock", "arch": arch, "equal": equal });
            output::result(line.to_string());
            continue;
        }
        let other = "has another key: the recipes have changed";
        let verdict = equal.map_or_else(
            || context.style.paint(Color::Yellow, other),
            |is_equal| render::verify::verdict(context.style, is_equal),
        );
        output::result(format!("{arch}: images.lock {verdict}"));
    }
    good
}

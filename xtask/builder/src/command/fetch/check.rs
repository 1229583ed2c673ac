//! `fetch --check`: checks every location of every source, and downloads nothing.

use fetch::{Availability, LocationCheck, check_locations};

use crate::wiring::{Supply, supply_failure};
use crate::{network, render};
use xtask::cli::MessageFormat;
use xtask::exit::{CommandResult, Exit, Failure};
use xtask::output;

/// Default number of concurrent requests.
const AT_ONCE: usize = 4;

pub(super) fn run(supply: &Supply<'_>) -> CommandResult {
    let context = supply.context;
    network::check_allowed(context, "check the locations")?;
    let pins: Vec<_> = supply
        .project
        .sources()
        .map(|(_, source)| &source.pin)
        .collect();
    let at_once = context.global.jobs.map_or(AT_ONCE, usize::from);
    let checks = check_locations(&pins, &supply.remotes().map_err(supply_failure)?, at_once)
        .map_err(|error| Failure::new(Exit::Interrupted, error))?;
    match context.global.message_format {
        MessageFormat::Human => output::result(render::locations::table(context.style, &checks)),
        MessageFormat::Json => {
            for check in &checks {
                output::result(render::locations::json(check).to_string());
            }
        }
    }
    verdict(&checks)
}

fn verdict(checks: &[LocationCheck]) -> CommandResult {
    let lost = checks.iter().filter(|check| !check.is_available()).count();
    if lost == 0 {
        return Ok(Exit::Success);
    }
    let error = anyhow::anyhow!(
        "{lost} of {} locations do not have their file",
        checks.len()
    );
    let unasked = checks
        .iter()
        .any(|check| check.availability == Availability::NotAsked);
    let hint = if unasked {
        "cargo xtask fetch --check --debian-mirror URL"
    } else {
        "replace the location in `recipes/*/recipe.toml`, or run `cargo xtask recipe bump NAME VERSION`"
    };
    Err(Failure::new(Exit::FetchFailed, error).hint(hint.to_owned()))
}

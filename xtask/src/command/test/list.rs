//! `--list`: the selected tests, without a run.

use std::collections::BTreeMap;

use plan::Project;
use suite::Selected;

use super::{coverage, select, skips, starts};
use crate::cli::TestArgs;
use crate::context::Context;
use crate::exit::{CommandResult, Exit};

/// Prints the tests that are selected.
pub(super) fn print(
    context: &Context,
    project: &Project,
    args: &TestArgs,
    (arches, selected, skipped): (&[String], &[Selected<'_>], BTreeMap<String, String>),
) -> CommandResult {
    let mut skips = BTreeMap::new();
    if args.skips {
        skips = skips::reasons(context, project, args, selected)?;
        skips.extend(skipped);
    }
    if args.start.starts {
        skips = starts::lines(context, project, args, selected)?;
    }
    select::list(context, selected, &skips);
    if args.debug.device_coverage {
        coverage::declared(context, arches, (&args.source, &args.guest), selected)?;
    }
    Ok(Exit::Success)
}

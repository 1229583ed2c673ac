//! `--list`: prints the selected tests without a run.

use std::collections::BTreeMap;

use plan::Project;
use suite::Selected;

use super::{coverage, select, skips, starts};
use crate::cli::TestArgs;
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::platforms::{self, Known};
use crate::supply::Supply;

/// Prints the selected tests.
pub(super) fn print(
    context: &Context,
    project: &Project,
    args: &TestArgs,
    (arches, selected, skipped): (&[String], &[Selected<'_>], BTreeMap<String, String>),
) -> CommandResult {
    let mut skips = BTreeMap::new();
    if args.skips {
        let reason = |supply: &Supply<'_>, known: Option<&Known>, test: &Selected<'_>| {
            skips::reason(supply, known, test, args.host.is_debian())
        };
        skips = notes(context, project, args, selected, reason)?;
        skips.extend(skipped);
    }
    if args.start.starts {
        let policy = starts::policy(args.start.start, starts::boots_all(args));
        let start = |supply: &Supply<'_>, known: Option<&Known>, test: &Selected<'_>| {
            starts::start(supply, known?, policy, test)
        };
        skips = notes(context, project, args, selected, start)?;
    }
    select::list(context, selected, &skips);
    if args.debug.device_coverage {
        coverage::declared(context, arches, (&args.source, &args.guest), selected)?;
    }
    Ok(Exit::Success)
}

/// The notes of tests, by full name.
fn notes(
    context: &Context,
    project: &Project,
    args: &TestArgs,
    tests: &[Selected<'_>],
    note: impl Fn(&Supply<'_>, Option<&Known>, &Selected<'_>) -> Option<String>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut source = args.source.clone();
    if source.arch.is_empty() {
        source.arch = context.arches(project, &[])?;
        platforms::keep_built(context, project, &args.guest, &mut source.arch);
    }
    let supply = Supply::open(context, &source)?;
    let known = BTreeMap::from_iter(platforms::known(&supply, &args.guest)?);
    let note = |test: &Selected<'_>| {
        let note = note(&supply, known.get(test.arch), test)?;
        Some((test.name(), note))
    };
    Ok(tests.iter().filter_map(note).collect())
}

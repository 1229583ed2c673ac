//! `--device-coverage`: which devices of each QEMU the tests use.

use suite::Selected;
use verdict::coverage::Coverage;
use verdict::event::RunReport;

use crate::cli::{GuestArgs, MessageFormat, SourceArgs};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::platforms;
use crate::render;
use crate::supply::Supply;

/// After a run: the coverage of its passed tests.
pub(super) fn of_run(context: &Context, report: &RunReport) {
    show(context, report.coverage.clone().unwrap_or_default());
}

/// Without a run: the coverage that the tests' headers declare.
pub(super) fn declared(
    context: &Context,
    arches: &[String],
    args: (&SourceArgs, &GuestArgs),
    tests: &[Selected<'_>],
) -> Result<(), Failure> {
    let (source, guest) = args;
    let source = SourceArgs {
        arch: arches.to_vec(),
        ..source.clone()
    };
    let supply = Supply::open(context, &source)?;
    let coverages = platforms::known(&supply, guest)?
        .into_iter()
        .map(|(arch, known)| suite::declared::declared(&arch, &known.facts, tests))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    show(context, coverages);
    Ok(())
}

fn show(context: &Context, coverages: Vec<Coverage>) {
    for coverage in coverages {
        output::result(match context.global.message_format {
            MessageFormat::Human => render::coverage::text(&coverage, context.style),
            MessageFormat::Json => coverage.json().to_string(),
        });
    }
}

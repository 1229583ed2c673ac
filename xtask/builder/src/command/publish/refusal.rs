//! Reasons to refuse a release: missing inputs, and images that do not boot.

use publish::release::Refusal;

use crate::wiring::Supply;
use xtask::cli::SourceArgs;
use xtask::cli::publish::PublishArgs;
use xtask::command::test;
use xtask::exit::{Exit, Failure};
use xtask::output;
use xtask::platforms::{self, Guests};

/// The test that an image must pass.
const BOOTS: &str = "boot::true";

pub(super) fn refuse(refusals: &[Refusal]) -> Result<(), Failure> {
    if refusals.is_empty() {
        return Ok(());
    }
    Err(refused(refusals))
}

/// All reasons. The hint is that of the first one.
pub(super) fn refused(refusals: &[Refusal]) -> Failure {
    for refusal in refusals.iter().skip(1) {
        output::note(refusal.to_string());
    }
    match refusals.first() {
        None => Failure::new(Exit::Failed, anyhow::anyhow!("failed to plan the release")),
        Some(first) => Failure::new(Exit::FetchFailed, first.clone()).hint(first.hint()),
    }
}

/// Boots exactly the files that will be published.
pub(super) fn boots(supply: &Supply<'_>, args: &PublishArgs) -> Result<(), Failure> {
    let context = supply.context;
    let suite = test::load(context, &supply.known_arches())?;
    // They are in the store by now.
    let source = SourceArgs::of(&supply.arches);
    let images = xtask::supply::Supply::open(context, &source)?;
    let runs = platforms::prepare(&images, &args.guest, &Guests::booting(&images.arches))?;
    let report = test::quietly(context, &suite, runs, BOOTS, context.jobs())?;
    if report.exit_code() == 0 {
        return Ok(());
    }
    let error = anyhow::anyhow!("failed to publish: an image does not boot");
    Err(Failure::new(Exit::TestFailed, error).hint(format!("cargo xtask test {BOOTS}")))
}

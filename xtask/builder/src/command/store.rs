//! The `cargo xtask store …` commands that may fetch or build: export to another machine, and
//! repair.

mod transfer;

use xtask::cli::SourceArgs;
use xtask::cli::store::StoreCommand;
use xtask::command::store::check;
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit};

use crate::wiring::{Supply, supply_failure};

pub(crate) fn run(context: &Context, command: &StoreCommand) -> CommandResult {
    match command {
        StoreCommand::Export {
            file,
            no_sources,
            source,
        } => transfer::export(context, file, source, !no_sources),
        StoreCommand::ExportQemu { dir, source } => transfer::export_qemu(context, dir, source),
        StoreCommand::Verify { .. } => repair(context),
        StoreCommand::Path { .. }
        | StoreCommand::List
        | StoreCommand::Du
        | StoreCommand::Gc { .. }
        | StoreCommand::Import { .. } => xtask::command::store::run(context, command),
    }
}

/// Quarantines corrupt items, then fetches or builds what is missing.
fn repair(context: &Context) -> CommandResult {
    check(context)?;
    let source = SourceArgs::of(&[]);
    let supply = Supply::open(context, &source)?;
    supply.images(false).map_err(supply_failure)?;
    supply.fetch_sources().map_err(supply_failure)?;
    Ok(Exit::Success)
}

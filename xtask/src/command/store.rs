//! `cargo xtask store …`: lists, verifies, cleans up and transfers the store.

mod content;

use std::time::Duration;

use camino::Utf8Path;
use plan::step::IMAGE;
use store::gc::Policy;
use store::{Store, transfer};

use crate::builder;
use crate::cli::SourceArgs;
use crate::cli::store::StoreCommand;
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure, hinted};
use crate::output;
use crate::render;
use crate::supply::{Supply, store_failure};

/// How long a collection waits for runs that use the store.
const PATIENCE: Duration = Duration::from_secs(60 * 60);
/// A day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs a command on the store.
pub fn run(context: &Context, command: &StoreCommand) -> CommandResult {
    match command {
        StoreCommand::Path { arch } => path(context, arch.as_deref()),
        StoreCommand::List => content::list(context),
        StoreCommand::Du => content::du(context),
        StoreCommand::Verify { .. } => verify(context),
        StoreCommand::Gc {
            older_than,
            max_size,
            yes,
        } => {
            let policy = Policy {
                idle: DAY * *older_than,
                max_bytes: *max_size,
            };
            gc(context, &policy, *yes)
        }
        StoreCommand::Import { file } => import(context, file),
        StoreCommand::Export { .. } | StoreCommand::ExportQemu { .. } => {
            Err(builder::replace(context))
        }
    }
}

fn path(context: &Context, arch: Option<&str>) -> CommandResult {
    let Some(arch) = arch else {
        output::result(context.store()?.root());
        return Ok(Exit::Success);
    };
    let source = SourceArgs::of(&[arch.to_owned()]);
    let supply = Supply::open(context, &source)?;
    for image in supply.provided(IMAGE, &supply.arches)?.values() {
        output::result(image.path());
    }
    Ok(Exit::Success)
}

/// Opens the store and records what this checkout needs.
fn open(context: &Context) -> Result<Store, Failure> {
    Ok(Supply::open(context, &SourceArgs::of(&[]))?.store.clone())
}

fn verify(context: &Context) -> CommandResult {
    let wrong = check(context)?;
    if wrong == 0 {
        return Ok(Exit::Success);
    }
    let error =
        anyhow::anyhow!("found {wrong} corrupt entries in the store and moved them to quarantine");
    let hint = "cargo xtask store verify --repair".to_owned();
    Err(Failure::new(Exit::FetchFailed, error).hint(hint))
}

/// Hashes every entry, prints corrupt ones, and returns their number.
pub fn check(context: &Context) -> Result<usize, Failure> {
    let source = SourceArgs::of(&[]);
    let supply = Supply::open(context, &source)?;
    let items = supply.store.inventory().map_err(store_failure)?;
    let mut wrong = 0;
    for item in &items {
        host::interrupt::check().map_err(|error| Failure::new(Exit::Interrupted, error))?;
        if let Some(why) = supply.store.verify(item).map_err(store_failure)? {
            let name = item.about.as_ref().unwrap_or(&item.name);
            output::result(format!("{} {name}: {why}", item.kind.label()));
            wrong += 1;
        }
    }
    for why in supply.verify_locked()? {
        output::result(format!("entry {why}"));
        wrong += 1;
    }
    if wrong == 0 {
        output::result(format!("{} entries, none corrupt", items.len()));
    }
    Ok(wrong)
}

fn import(context: &Context, file: &Utf8Path) -> CommandResult {
    let store = context.store()?;
    let path = context.env.absolute(file);
    let count = transfer::import(&store, &path).map_err(hinted!(Exit::FetchFailed))?;
    output::result(format!("imported {count} files into {}", store.root()));
    Ok(Exit::Success)
}

fn gc(context: &Context, policy: &Policy, yes: bool) -> CommandResult {
    let store = open(context)?;
    if !yes {
        let plan = store.plan_gc(policy).map_err(store_failure)?;
        output::result(render::store::garbage(&plan));
        if !plan.remove.is_empty() || !plan.forget.is_empty() {
            output::note("nothing was removed; to remove: cargo xtask store gc --yes");
        }
        return Ok(Exit::Success);
    }
    let wait = || output::note("Waiting for other runs that use the store");
    let alone = store.alone(PATIENCE, wait).map_err(store_failure)?;
    let plan = store.plan_gc(policy).map_err(store_failure)?;
    alone.collect(&plan).map_err(store_failure)?;
    output::result(format!(
        "removed {} ({}), kept {} ({})",
        plan.remove.len(),
        render::quantity::bytes(plan.freed()),
        plan.keep.len(),
        render::quantity::bytes(plan.remaining())
    ));
    Ok(Exit::Success)
}

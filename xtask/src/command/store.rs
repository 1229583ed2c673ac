//! `cargo xtask store …`: what is in the store, whether it is sound, what can go, and how it gets to
//! another machine.

mod content;
mod transfer;

use std::time::Duration;

use store::Store;
use store::gc::Policy;

use crate::cli::SourceArgs;
use crate::cli::store::{StoreArgs, StoreCommand};
use crate::context::Context;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::render;
use crate::supply::{Supply, store_failure};

/// How long a collection waits for runs that use the store.
const PATIENCE: Duration = Duration::from_secs(60 * 60);
/// A day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn run(context: &Context, args: &StoreArgs) -> Outcome {
    match &args.command {
        StoreCommand::Path { arch } => path(context, arch.as_deref()),
        StoreCommand::List => content::list(context),
        StoreCommand::Du => content::du(context),
        StoreCommand::Verify { repair } => verify(context, *repair),
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
        StoreCommand::Export {
            file,
            no_sources,
            source,
        } => transfer::export(context, file, source, !no_sources),
        StoreCommand::Import { file } => transfer::import(context, file),
        StoreCommand::ExportQemu { dir, source } => transfer::export_qemu(context, dir, source),
    }
}

/// Every architecture, from wherever its image may come.
fn everything() -> SourceArgs {
    SourceArgs {
        arch: Vec::new(),
        from_source: false,
        no_prebuilt: false,
        mirror: Vec::new(),
        debian_mirror: None,
        debian_snapshot: None,
        no_sandbox: false,
    }
}

fn path(context: &Context, arch: Option<&str>) -> Outcome {
    let Some(arch) = arch else {
        output::result(context.store()?.root());
        return Ok(Exit::Success);
    };
    let source = SourceArgs {
        arch: vec![arch.to_owned()],
        ..everything()
    };
    let supply = Supply::open(context, &source)?;
    for image in supply.images(false)?.values() {
        output::result(image.path());
    }
    Ok(Exit::Success)
}

/// The store, with what this checkout needs noted in it.
fn open(context: &Context) -> Result<Store, Failure> {
    Ok(Supply::open(context, &everything())?.store.clone())
}

fn verify(context: &Context, repair: bool) -> Outcome {
    let source = everything();
    let supply = Supply::open(context, &source)?;
    let items = supply.store.inventory().map_err(store_failure)?;
    let mut wrong = 0;
    for item in &items {
        if host::interrupt::received().is_some() {
            return Ok(Exit::Interrupted);
        }
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
    if repair {
        supply.images(false)?;
        supply.fetch_sources()?;
    } else if wrong > 0 {
        let error = anyhow::anyhow!(
            "found {wrong} corrupt entries in the store and moved them to quarantine"
        );
        let hint = "cargo xtask store verify --repair".to_owned();
        return Err(Failure::new(Exit::FetchFailed, error).hint(hint));
    }
    Ok(Exit::Success)
}

fn gc(context: &Context, policy: &Policy, yes: bool) -> Outcome {
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
        render::quantity::bytes(plan.kept())
    ));
    Ok(Exit::Success)
}

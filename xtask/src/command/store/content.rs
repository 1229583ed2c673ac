//! `cargo xtask store list` and `du`: the entries of the store and their sizes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use store::gc::{Policy, Reason};
use store::inventory::Item;

use super::open;
use crate::cli::MessageFormat;
use crate::context::Context;
use crate::exit::{CommandResult, Exit};
use crate::output;
use crate::render;
use crate::supply::store_failure;

/// A policy that removes nothing, used for the reasons only.
const KEEP: Policy = Policy {
    idle: Duration::MAX,
    max_bytes: None,
};

pub(super) fn list(context: &Context) -> CommandResult {
    let plan = open(context)?.plan_gc(&KEEP).map_err(store_failure)?;
    for (item, reason) in &plan.keep {
        match context.global.message_format {
            MessageFormat::Human => output::result(render::store::line(item, reason)),
            MessageFormat::Json => output::result(described(item, reason).to_string()),
        }
    }
    Ok(Exit::Success)
}

fn described(item: &Item, reason: &Reason) -> serde_json::Value {
    json!({
        "reason": "store-item", "kind": item.kind, "name": item.name, "about": item.about,
        "bytes": item.bytes, "path": item.path, "why": render::store::why(reason),
    })
}

pub(super) fn du(context: &Context) -> CommandResult {
    let items = open(context)?.inventory().map_err(store_failure)?;
    let sums = render::store::sums(&items);
    let total: u64 = sums.values().map(|(_, bytes)| bytes).sum();
    if context.global.message_format == MessageFormat::Json {
        let sums: BTreeMap<_, _> = sums
            .iter()
            .map(|(word, (count, bytes))| (word, json!({"count": count, "bytes": bytes})))
            .collect();
        let line = json!({"reason": "store-size", "bytes": total, "kinds": sums});
        output::result(line.to_string());
        return Ok(Exit::Success);
    }
    for (word, (count, bytes)) in sums {
        let bytes = render::quantity::bytes(bytes);
        output::result(format!("{bytes:>9}  {word:<11}  {count}"));
    }
    output::result(format!("{:>9}  total", render::quantity::bytes(total)));
    Ok(Exit::Success)
}

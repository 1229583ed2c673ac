//! `cargo xtask fetch`: downloads everything that later commands need, so that they work with
//! `--offline`.

mod check;

use fetch::FetchError;
use serde_json::json;
use supply::fetch::Fetched;

use crate::wiring::{self, Supply, supply_failure};
use xtask::cli::{FetchArgs, MessageFormat};
use xtask::context::Context;
use xtask::exit::{CommandResult, Exit};
use xtask::output;
use xtask::render::quantity;

pub(crate) fn run(context: &Context, args: &FetchArgs) -> CommandResult {
    let supply = Supply::open(context, &args.source)?;
    if args.check {
        return check::run(&supply);
    }
    let fetched = supply.fetch(args.sources).map_err(supply_failure)?;
    match context.global.message_format {
        MessageFormat::Human => {
            for line in sentences(&fetched) {
                output::result(format!("{line} in {}", supply.store.root()));
            }
            for arch in &fetched.to_build {
                output::note(format!("the image of {arch} will be built from source"));
            }
        }
        MessageFormat::Json => lines(&fetched).iter().for_each(output::result),
    }
    let Fetched { failed, wanted, .. } = fetched;
    if failed.is_empty() {
        return Ok(Exit::Success);
    }
    Err(wiring::fetch_failure(FetchError::Several {
        wanted,
        failed,
    }))
}

/// The summary for the user.
fn sentences(fetched: &Fetched) -> Vec<String> {
    let mut lines = Vec::new();
    let arches: Vec<&str> = fetched.images.keys().map(String::as_str).collect();
    match arches[..] {
        [] => {}
        [arch] => lines.push(format!("the image of {arch} is")),
        _ => lines.push(format!("the images of {} are", arches.join(", "))),
    }
    let bytes = fetched.sources.iter().map(|pin| pin.size).sum();
    match fetched.sources.len() {
        0 => {}
        1 => lines.push(format!("1 source ({}) is", quantity::bytes(bytes))),
        count => lines.push(format!("{count} sources ({}) are", quantity::bytes(bytes))),
    }
    lines
}

/// The same for programs, with every URL that failed and its answer.
fn lines(fetched: &Fetched) -> Vec<String> {
    let images = fetched.images.iter().map(|(arch, ready)| {
        json!({
            "reason": "image", "arch": arch, "key": ready.meta().key, "path": ready.path(),
            "files": provision::lock::locked(ready).files,
        })
    });
    let sources = fetched.sources.iter().map(
        |pin| json!({"reason": "fetched", "file": pin.file, "size": pin.size, "sha256": pin.sha256}),
    );
    let failed = fetched.failed.iter().filter_map(|error| match error {
        FetchError::AllFailed {
            file,
            sha256,
            tries,
        } => {
            let attempt = |one: &fetch::Attempt| json!({"url": one.url, "why": one.why});
            let places: Vec<_> = tries.iter().map(attempt).collect();
            Some(json!({
                "reason": "fetch-failed", "file": file, "sha256": sha256, "places": places,
            }))
        }
        _ => None,
    });
    let lines = images.chain(sources).chain(failed);
    lines.map(|line| line.to_string()).collect()
}

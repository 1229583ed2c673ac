//! `--compare-qemu OLD NEW`: every test with both, and what changed.

use std::sync::mpsc;

use camino::Utf8PathBuf;
use runner::Config;
use verdict::comparison::{CompareEvent, json};

use super::perform::refused;
use crate::cli::{GuestArgs, MessageFormat, TestArgs};
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output;
use crate::render::compare::CompareProgress;

/// The two QEMUs, where a comparison is asked for.
pub(super) fn sides(args: &TestArgs) -> Option<[GuestArgs; 2]> {
    let [old, new] = args.debug.compare_qemu.as_deref()? else {
        return None;
    };
    let guest = |qemu: &Utf8PathBuf| GuestArgs {
        qemu: Some(qemu.clone()),
        ..args.guest.clone()
    };
    Some([guest(old), guest(new)])
}

/// Runs them, and shows what changes as it goes.
pub(super) fn run(context: &Context, configs: &[Config; 2]) -> CommandResult {
    let (sender, events) = mpsc::channel::<CompareEvent>();
    let global = &context.global;
    let is_json = global.message_format == MessageFormat::Json;
    let mut progress = CompareProgress::new(context.style, global.quiet);
    let compared = std::thread::scope(|scope| {
        scope.spawn(move || {
            for event in events {
                if is_json {
                    output::result(json::line(&event));
                } else {
                    progress.show(&event);
                }
            }
        });
        let [old, new] = configs;
        let compared = runner::compare(old, new, &sender);
        drop(sender);
        compared
    });
    let compared = compared.map_err(|error| -> Failure { refused(context, error) })?;
    Ok(Exit::Child(compared.exit_code()))
}

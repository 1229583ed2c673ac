//! `cargo xtask qtest export`: prints a stream as a shell script, or only its commands.

use super::{parse, script};
use crate::cli::qtest::ExportArgs;
use crate::context::Context;
use crate::exit::{CommandResult, Exit};
use crate::output;

pub(super) fn run(context: &Context, args: &ExportArgs) -> CommandResult {
    let stream = parse(context, &args.file)?;
    let text = if args.commands {
        stream.command_lines()
    } else {
        script(&args.file, &stream)?
    };
    output::result(text.trim_end());
    Ok(Exit::Success)
}

//! `cargo xtask qtest replay`: sends a stream to QEMU and compares how it ends.

use qtest::crash::Ending;
use qtest::replay::replay;
use qtest::stream::Stream;

use super::{failed, open, write};
use crate::cli::qtest::ReplayArgs;
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output;

pub(super) fn run(context: &Context, args: &ReplayArgs) -> CommandResult {
    let (stream, emulator) = open(context, &args.stream)?;
    let spec = emulator.spec(&stream.arguments);
    let replay = replay(&spec, &stream.commands()).map_err(failed)?;
    if let Ending::Refused { message } = &replay.ending {
        let error = anyhow::anyhow!("QEMU refused the command line of the stream: {message}");
        return Err(Failure::new(Exit::SetupMissing, error));
    }
    if let Some(file) = &args.record {
        let recorded = Stream {
            steps: replay.steps.clone(),
            ..stream.clone()
        };
        write(context, file, &recorded)?;
    }
    let (sent, refused) = (replay.steps.len(), replay.refused);
    output::note(format!(
        "sent {sent} commands to QEMU {}, which refused {refused}",
        emulator.facts.full_version()
    ));
    match replay.unexpected(args.expect.expect(), &stream) {
        None => {
            output::result(replay.ending.to_string());
            Ok(Exit::Success)
        }
        Some(why) => {
            output::result(format!("unexpected: {why}"));
            Ok(Exit::TestFailed)
        }
    }
}

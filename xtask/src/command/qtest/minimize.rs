//! `cargo xtask qtest minimize`: shortens a stream as long as QEMU crashes in the same way.

use qtest::crash::Ending;
use qtest::minimize::minimize;
use qtest::replay::replay;
use qtest::stream::Stream;

use super::{Emulator, failed, open, write};
use crate::cli::qtest::MinimizeArgs;
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output;

pub(super) fn run(context: &Context, args: &MinimizeArgs) -> CommandResult {
    let (stream, emulator) = open(context, &args.stream)?;
    let ending = replay(&emulator.spec(&stream.arguments), &stream.commands())
        .map_err(failed)?
        .ending;
    if !matches!(ending, Ending::Crashed(_) | Ending::Hung { .. }) {
        let error = anyhow::anyhow!("expected a crash or a hang to keep: {ending}");
        return Err(Failure::new(Exit::Usage, error));
    }
    let shorter = shorten(&emulator, &stream, &ending)?;
    let file = (args.output.clone()).unwrap_or_else(|| format!("{}.min", args.stream.file).into());
    write(context, &file, &shorter)?;
    output::note(format!(
        "{} commands of {} remain in `{}`",
        shorter.steps.len(),
        stream.steps.len(),
        file
    ));
    output::result(ending.to_string());
    Ok(Exit::Success)
}

/// The shortest stream found that ends in this way.
pub(super) fn shorten(
    emulator: &Emulator,
    stream: &Stream,
    ending: &Ending,
) -> Result<Stream, Failure> {
    let mut broken = None;
    let mut oracle = |commands: &[String]| {
        if host::interrupt::received().is_some() {
            return None;
        }
        match replay(&emulator.spec(&stream.arguments), commands) {
            Ok(replay) => Some(replay.ending.is_like(ending)),
            Err(error) => {
                broken = Some(error);
                None
            }
        }
    };
    let commands = minimize(&stream.commands(), &mut oracle);
    match broken {
        Some(error) => Err(failed(error)),
        None => Ok(stream.with_commands(&commands)),
    }
}

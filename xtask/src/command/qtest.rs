//! `cargo xtask qtest`: replays, shortens, exports and generates streams of qtest commands.

mod export;
mod fuzz;
mod minimize;
mod replay;

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::scratch::Scratch;
use host::test_time::TestClock;
use qemu::Facts;
use qtest::QtestError;
use qtest::session::Spec;
use qtest::stream::{Stream, StreamError};

use crate::cli::qtest::{QtestArgs, QtestCommand, StreamArgs};
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::platforms::qemu_failure;

/// Time limit to probe a QEMU binary.
const PROBE_LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn run(context: &Context, args: &QtestArgs) -> CommandResult {
    match &args.command {
        QtestCommand::Replay(args) => replay::run(context, args),
        QtestCommand::Minimize(args) => minimize::run(context, args),
        QtestCommand::Export(args) => export::run(context, args),
        QtestCommand::Fuzz(args) => fuzz::run(context, args),
    }
}

/// A QEMU that streams are sent to.
pub(super) struct Emulator {
    binary: Utf8PathBuf,
    facts: Facts,
    scratch: Scratch,
    wait: Duration,
    clock: TestClock,
}

impl Emulator {
    /// Finds the binary of this name, or the one that the command line selects.
    pub(super) fn find(
        context: &Context,
        name: &str,
        qemu: Option<&Utf8PathBuf>,
        wait: Duration,
    ) -> Result<Self, Failure> {
        let place = context.qemu(qemu);
        let binary = qemu::binary::locate_name(place.as_deref(), name).map_err(qemu_failure)?;
        let scratch = context.scratch("qtest")?;
        let facts = qemu::probe::ask(&binary, &[], scratch.path(), PROBE_LIMIT);
        Ok(Self {
            facts: facts.map_err(qemu_failure)?,
            binary,
            scratch,
            wait,
            clock: TestClock::default(),
        })
    }

    pub(super) fn spec<'a>(&'a self, arguments: &'a [String]) -> Spec<'a> {
        Spec {
            binary: &self.binary,
            facts: &self.facts,
            run_dir: self.scratch.path(),
            arguments,
            wait: self.wait,
            clock: &self.clock,
            memory: None,
        }
    }
}

/// Reads a stream.
pub(super) fn parse(context: &Context, file: &Utf8Path) -> Result<Stream, Failure> {
    let path = context.env.absolute(file);
    let text = host::files::read(&path).map_err(|error| Failure::new(Exit::Usage, error))?;
    Stream::parse(&String::from_utf8_lossy(&text)).map_err(|error| wrong(file, &error))
}

fn wrong(file: &Utf8Path, error: &StreamError) -> Failure {
    let error = anyhow::anyhow!("failed to read `{file}`: {error}");
    Failure::new(Exit::Usage, error)
}

/// The script of a stream.
pub(super) fn script(file: &Utf8Path, stream: &Stream) -> Result<String, Failure> {
    let script = stream.script();
    script.ok_or_else(|| wrong(file, &StreamError::NoQemu))
}

/// Reads a stream and finds its QEMU.
fn open(context: &Context, args: &StreamArgs) -> Result<(Stream, Emulator), Failure> {
    let stream = parse(context, &args.file)?;
    let name = stream.binary.as_deref();
    let name = name.ok_or_else(|| wrong(&args.file, &StreamError::NoQemu))?;
    let emulator = Emulator::find(context, name, args.qemu.as_ref(), args.wait)?;
    Ok((stream, emulator))
}

/// Writes a stream to a file.
fn write(context: &Context, file: &Utf8Path, stream: &Stream) -> Result<(), Failure> {
    host::files::write_output(&context.env.absolute(file), stream.text().as_bytes())
        .map_err(|error| Failure::new(Exit::Failed, error))
}

/// The failure if the host is at fault.
pub(super) fn failed(error: QtestError) -> Failure {
    let hint = error.hint();
    Failure::new(Exit::SetupMissing, error).hint(hint)
}

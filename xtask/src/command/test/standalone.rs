//! `--standalone FILE`: writes one test as a script that needs only a QEMU.

use camino::Utf8Path;
use guest::case::device::TRANSCRIPT;
use host::process::command::quote;
use runner::Config;
use script::standalone::{self, ExportError, Subject};
use suite::Selected;
use suite::body::Body;
use verdict::event::{RunReport, TestReport};

use crate::cli::TestArgs;
use crate::command::qtest;
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output;
use crate::render::quantity;

/// The list of the image's sources, in the repository.
const SOURCES: &str = "images/prebuilt/SOURCES";

/// Refuses a test of ktest, and one of kvm-unit-tests that the runner migrates or whose panic it awaits.
pub(super) fn check(args: &TestArgs, selected: &[Selected<'_>]) -> Result<(), Failure> {
    let others = selected.iter().filter(|it| match &it.test.header.body {
        Body::Guest(_) | Body::Host | Body::Bare(_) | Body::Device(..) => false,
        Body::Suite(test) => test.unexportable().is_some(),
        Body::Ktest(_) => true,
    });
    let Some(file) = &args.debug.standalone else {
        return Ok(());
    };
    if args.host.is_debian() {
        let error = anyhow::anyhow!("--standalone takes no test in a guest with Debian");
        return Err(Failure::new(Exit::Usage, error));
    }
    let Some(test) = others.into_iter().next() else {
        return Ok(());
    };
    let body = &test.test.header.body;
    let name = test.name();
    let found = match body {
        Body::Suite(test) => test.unexportable().unwrap_or_default(),
        body => format!("of kind {}", body.kind().label()),
    };
    let error =
        anyhow::anyhow!("--standalone takes a test that only starts QEMU, `{name}` is {found}");
    let line = format!(
        "cargo xtask test --kind guest FILTER --standalone {}",
        quote(file)
    );
    Err(Failure::new(Exit::Usage, error).hint(Some(line)))
}

/// Writes the script, whatever the outcome of the test.
pub(super) fn write(
    context: &Context,
    args: &TestArgs,
    config: &Config,
    run: &RunReport,
) -> Option<CommandResult> {
    let file = args.debug.standalone.as_ref()?;
    let report = run.tests.first()?;
    if let Some(script) = device_script(context, report) {
        return Some(script.and_then(|script| save(context, file, script.as_bytes())));
    }
    let recorder = config.case.debug.recorder.as_ref()?;
    let arch = config
        .arches
        .iter()
        .find(|arch| arch.arch.name == report.arch)?;
    let test = config.suite.tests.iter();
    let mut test = test.filter(|test| test.area == report.area && test.test == report.test);
    let header = &test.next()?.header;
    let sources = host::files::read(&context.root.join(SOURCES));
    let subject = Subject {
        report,
        ends: header.ends,
        unit: match &header.body {
            Body::Suite(test) => Some(test.tree.harness.status.label()),
            Body::Guest(_) | Body::Host | Body::Bare(_) | Body::Device(..) | Body::Ktest(_) => None,
        },
        reboots: header.reboots,
        binary: &arch.arch.qemu.binary,
        notices: sources
            .ok()
            .map(|text| ("SOURCES".to_owned(), text))
            .into_iter()
            .collect(),
    };
    let written = || {
        let script = standalone::script(recorder, &subject).map_err(refused)?;
        save(context, file, &script)
    };
    Some(written())
}

/// The script of a device test that ran: its commands for QEMU.
fn device_script(context: &Context, report: &TestReport) -> Option<Result<String, Failure>> {
    let log = report.evidence.log_dir.as_ref()?.join(TRANSCRIPT);
    let stream = log.is_file().then(|| qtest::parse(context, &log))?;
    Some(stream.and_then(|stream| qtest::script(&log, &stream)))
}

fn save(context: &Context, file: &Utf8Path, script: &[u8]) -> CommandResult {
    host::files::write_output_program(&context.env.absolute(file), script)
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    let size = quantity::bytes(script.len() as u64);
    output::note(format!(
        "wrote `{file}` ({size}); to run it: sh {}",
        quote(file.as_str())
    ));
    Ok(Exit::Success)
}

fn refused(error: ExportError) -> Failure {
    let exit = match error {
        ExportError::NotRun { .. } => Exit::SetupMissing,
        ExportError::Io(_) | ExportError::Overlay(_) => Exit::Failed,
        _ => Exit::Usage,
    };
    let hint = error.hint();
    Failure::new(exit, error).hint(hint)
}

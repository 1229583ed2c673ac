//! Debugging options of a run: `--gdb`, `--monitor`, `--trace`, `--strace-qemu` and `--standalone`.

use std::sync::Arc;

use camino::Utf8PathBuf;
use guest::debug::{Debug, Keyboard, Monitor};
use script::standalone::Recorder;
use start::platform::ArchRun;
use suite::Selected;

use host::process::command::quote;

use crate::cli::TestArgs;
use crate::cli::debug::Language;
use crate::context::Context;
use crate::debugger;
use crate::exit::{Exit, Failure};
use crate::platforms;
use crate::supply::Supply;

/// Refuses options for a single test if several are selected, before anything is built.
pub(super) fn check(args: &TestArgs, selected: &[Selected<'_>]) -> Result<(), Failure> {
    let standalone = args.debug.standalone.as_ref();
    let monitor = args.debug.monitor.map(|language| match language {
        Language::Hmp => "--monitor".to_owned(),
        Language::Qmp => "--monitor=qmp".to_owned(),
    });
    let flags = [
        standalone.map(|file| format!("--standalone {}", quote(file))),
        args.debug.gdb.then(|| "--gdb".to_owned()),
        monitor,
    ];
    let Some(flag) = flags.into_iter().flatten().next() else {
        return Ok(());
    };
    let count = selected.len();
    if count == 1 {
        return Ok(());
    }
    let name = flag.split([' ', '=']).next().unwrap_or_default();
    let error = anyhow::anyhow!("{name} takes one test, found {count} selected");
    let more = args.running(args.guest.qemu.clone());
    let more = host::process::command::quote_line(&more);
    let hint = selected.first().map(|test| {
        let (name, arch) = (quote(test.name()), quote(test.arch));
        let line = format!("cargo xtask test --exact {name} --arch {arch} {flag} {more}");
        line.trim_end().to_owned()
    });
    Err(Failure::new(Exit::Usage, error).hint(hint))
}

/// All options, checked against the host and the QEMU of each architecture.
pub(super) fn debug(
    supply: &Supply<'_>,
    args: &TestArgs,
    arches: &[ArchRun],
    keyboard: Option<Arc<Keyboard>>,
) -> Result<Debug, Failure> {
    let wanted = &args.debug;
    for arch in arches {
        for pattern in &wanted.trace {
            check_trace_pattern(arch, pattern)?;
        }
    }
    let recorder = wanted.standalone.as_ref();
    Ok(Debug {
        recorder: recorder.map(|_| Arc::new(Recorder::default())),
        gdb: wanted
            .gdb
            .then(|| debugger::gdb(supply, arches))
            .transpose()?,
        monitor: wanted.monitor.map(|language| match language {
            Language::Hmp => Monitor::Hmp,
            Language::Qmp => Monitor::Qmp,
        }),
        trace: wanted.trace.clone(),
        strace: wanted
            .strace_qemu
            .then(|| tool(supply.context, "strace"))
            .transpose()?,
        core_dumps: core_dumps(supply.context, wanted.gdb_on_crash)?,
        shell: wanted.shell,
        keyboard,
    })
}

/// Checks that gdb is installed if backtraces are requested.
fn core_dumps(context: &Context, is_wanted: bool) -> Result<bool, Failure> {
    if is_wanted {
        tool(context, "gdb")?;
    }
    Ok(is_wanted)
}

fn tool(context: &Context, name: &str) -> Result<Utf8PathBuf, Failure> {
    host::tools::find_in(name, &context.env.path).ok_or_else(|| debugger::missing(name, name))
}

/// Refuses a pattern that matches no event of this QEMU, because QEMU itself would only warn.
fn check_trace_pattern(arch: &ArchRun, pattern: &str) -> Result<(), Failure> {
    let events = qemu::trace::events(&arch.binary).map_err(platforms::qemu_failure)?;
    if events
        .iter()
        .any(|event| qemu::trace::matches(pattern, event))
    {
        return Ok(());
    }
    let names = events.iter().map(String::as_str);
    let near = plan::suggest::closest(pattern, names);
    let hint = near.map_or_else(
        || format!("{} -trace help", arch.binary),
        |name| format!("did you mean `{name}`?"),
    );
    let error = anyhow::anyhow!("unknown trace event `{pattern}` of `{}`", arch.binary);
    Err(Failure::new(Exit::Usage, error).hint(Some(hint)))
}

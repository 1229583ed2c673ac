//! `cargo xtask bench qtest`: the rate of qtest commands, and the start time of QEMU without a
//! guest.

use std::time::Duration;

use host::clock::monotonic;
use qtest::session::{Session, Spec};
use qtest::{Machine, QtestError};
use runner::bench::median;
use serde_json::json;

use crate::cli::MessageFormat;
use crate::cli::bench::BenchBootArgs;
use crate::command::qtest::{Emulator, failed};
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output;

/// Number of commands per measurement.
const COMMANDS: u32 = 5000;
/// Number of bytes per measurement.
const BYTES: usize = 1 << 20;
/// Time limit of a reply.
const WAIT: Duration = Duration::from_secs(60);

pub(super) fn run(context: &Context, args: &BenchBootArgs) -> CommandResult {
    let project = context.project()?;
    let arches = context.arches(&project, &args.source.arch)?;
    let machines = device_tests::machines().map_err(|error| Failure::new(Exit::Failed, error))?;
    for name in arches {
        let machine = machines.iter().find(|machine| machine.arch == name);
        let (Some(machine), Some(arch)) = (machine, project.arches.get(&name)) else {
            continue;
        };
        let qemu = args.guest.qemu.as_ref();
        let emulator = Emulator::find(context, &arch.qemu.binary, qemu, WAIT)?;
        let arguments = machine.arguments();
        let spec = emulator.spec(&arguments);
        let layout = machine.layout();
        let shared = Spec {
            memory: layout.as_ref(),
            ..spec
        };
        let runs = (0..args.runs).map(|_| measure(&spec, &shared, machine));
        let runs: Result<Vec<_>, _> = runs.collect();
        show(context, machine, &runs.map_err(failed)?);
    }
    Ok(Exit::Success)
}

/// The measurements of one start of QEMU.
struct Run {
    start_ms: f64,
    commands_per_second: f64,
    /// Over the protocol, and by copies.
    mib_per_second: (f64, f64),
}

fn measure(spec: &Spec<'_>, shared: &Spec<'_>, machine: &Machine) -> Result<Run, QtestError> {
    let started = monotonic();
    let mut session = Session::start(spec)?;
    session.readl(machine.ram)?;
    let start = started.elapsed();
    let started = monotonic();
    for _ in 0..COMMANDS {
        session.readl(machine.ram)?;
    }
    let commands = started.elapsed();
    let text = mib_per_second(&mut session, machine)?;
    drop(session);
    let mut session = Session::start(shared)?;
    session.readl(machine.ram)?;
    Ok(Run {
        start_ms: start.as_secs_f64() * 1000.0,
        commands_per_second: f64::from(COMMANDS) / commands.as_secs_f64(),
        mib_per_second: (text, mib_per_second(&mut session, machine)?),
    })
}

/// The rate at which RAM is written and read back.
fn mib_per_second(session: &mut Session, machine: &Machine) -> Result<f64, QtestError> {
    let started = monotonic();
    session.write(machine.ram, &vec![0x5a; BYTES])?;
    session.read(machine.ram, BYTES)?;
    Ok(2.0 / started.elapsed().as_secs_f64())
}

fn show(context: &Context, machine: &Machine, runs: &[Run]) {
    let of = |value: fn(&Run) -> f64| median(runs.iter().map(value).collect());
    let (start, commands) = (of(|it| it.start_ms), of(|it| it.commands_per_second));
    let (text, shared) = (of(|it| it.mib_per_second.0), of(|it| it.mib_per_second.1));
    let (arch, name) = (&machine.arch, &machine.name);
    output::result(match context.global.message_format {
        MessageFormat::Human => format!(
            "{arch} {name}: {commands:.0} commands per second, {text:.1} MiB per second, {shared:.1} MiB \
             per second of shared memory, start in {start:.0} ms \
             (medians of {})",
            runs.len()
        ),
        MessageFormat::Json => json!({
            "reason": "bench-qtest", "arch": arch, "machine": name, "runs": runs.len(),
            "commands_per_second": commands, "mib_per_second": text,
            "shared_mib_per_second": shared, "start_ms": start,
        })
        .to_string(),
    });
}

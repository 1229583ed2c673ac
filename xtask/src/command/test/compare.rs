//! `--compare-qemu OLD NEW`, several `--kernel` and `--both`: runs every test in two configurations
//! and compares.

use std::sync::mpsc;

use runner::Config;
use verdict::comparison::{CompareEvent, json};

use super::perform::refused;
use crate::cli::start::{StartArgs, StartChoice};
use crate::cli::{GuestArgs, MessageFormat, TestArgs};
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output;
use crate::render::compare::CompareProgress;

/// Refuses several kernels with a flag for single runs.
pub(super) fn check(args: &TestArgs) -> Result<(), Failure> {
    let debug = &args.debug;
    let flags = [
        ("--compare-qemu", debug.compare_qemu.is_some()),
        ("--both", args.start.both),
        ("--rerun", args.repeat.rerun.is_some()),
        ("--bless", args.reports.bless),
        ("--junit", args.reports.junit.is_some()),
        ("--no-capture", args.no_capture),
        ("--device-coverage", debug.device_coverage),
        ("--bisect", debug.bisect),
        ("--gdb", debug.gdb),
        ("--monitor", debug.monitor.is_some()),
        ("--trace", !debug.trace.is_empty()),
        ("--strace-qemu", debug.strace_qemu),
        ("--shell", debug.shell),
        ("--shell-on-fail", debug.shell_on_fail),
        ("--standalone", debug.standalone.is_some()),
    ];
    let Some((flag, _)) = flags.iter().find(|(_, is_set)| *is_set) else {
        return Ok(());
    };
    if args.kernel.len() < 2 {
        return Ok(());
    }
    let error = anyhow::anyhow!("{flag} takes one `--kernel`, found {}", args.kernel.len());
    Err(Failure::new(Exit::Usage, error))
}

/// The command lines to compare: the first with each of the others. A single one without a
/// comparison.
pub(super) fn sides(args: &TestArgs) -> Vec<TestArgs> {
    if args.start.both {
        let side = |start| TestArgs {
            start: StartArgs {
                start,
                both: true,
                starts: false,
            },
            ..args.clone()
        };
        return [StartChoice::Cold, StartChoice::Warm].map(side).into();
    }
    if let Some(qemus) = &args.debug.compare_qemu {
        let side = |qemu| TestArgs {
            guest: GuestArgs {
                qemu: Some(qemu),
                ..args.guest.clone()
            },
            ..args.clone()
        };
        return qemus.iter().cloned().map(side).collect();
    }
    if args.kernel.len() < 2 {
        return vec![args.clone()];
    }
    let side = |kernel| TestArgs {
        kernel: vec![kernel],
        ..args.clone()
    };
    args.kernel.iter().cloned().map(side).collect()
}

/// Compares the first with each of the others.
pub(super) fn run(context: &Context, configs: &[Config]) -> CommandResult {
    let Some((old, others)) = configs.split_first() else {
        return Ok(Exit::NoTests);
    };
    let mut worst = 0;
    for new in others {
        let code = compare(context, [old, new])?;
        worst = worst.max(code);
        if host::interrupt::received().is_some() {
            break;
        }
    }
    Ok(Exit::Child(worst))
}

/// Runs two sides and shows changes while running.
fn compare(context: &Context, [old, new]: [&Config; 2]) -> Result<u8, Failure> {
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
        let compared = runner::compare(old, new, &sender);
        drop(sender);
        compared
    });
    let compared = compared.map_err(|error| -> Failure { refused(context, error) })?;
    Ok(compared.exit_code())
}

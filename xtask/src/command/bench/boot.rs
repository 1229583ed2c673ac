//! `cargo xtask bench boot`: compares the time to the verdict of a trivial test with that of the
//! same kernel booted in the ordinary way, alternately, with the same QEMU.
//!
//! Both sides run the whole test in the same kernel and initramfs. The ordinary side uses QEMU's
//! default machine, firmware and devices, the compressed kernel for other tools, and the console
//! for all communication.

use camino::Utf8Path;
use guest::ordinary;
use qemu::BootFiles;
use runner::bench::median;
use serde_json::json;
use session::Handover;
use start::platform::ArchRun;
use suite::Suite;

use super::side::spent;
use crate::cli::MessageFormat;
use crate::cli::bench::BenchBootArgs;
use crate::command::test;
use crate::context::Context;
use crate::exit::{CommandResult, Exit, Failure};
use crate::output::{self, Color};
use crate::platforms::{self, Guests};
use crate::supply::Supply;

/// The trivial test.
const TEST: &str = "boot::true";

pub(super) fn run(context: &Context, args: &BenchBootArgs) -> CommandResult {
    let supply = Supply::open(context, &args.source)?;
    let suite = test::load(context, &supply.known_arches())?;
    let scratch = context.scratch("bench")?;
    let failed = |error: std::io::Error| Failure::new(Exit::Failed, error);
    let missing = || {
        Failure::new(
            Exit::Failed,
            anyhow::anyhow!("failed to find test `{TEST}`"),
        )
    };
    let test = suite.tests.iter().find(|test| test.name() == TEST);
    let handover = ordinary::handover(&suite, test.ok_or_else(missing)?).map_err(failed)?;
    for run in platforms::prepare(&supply, &args.guest, &Guests::booting(&supply.arches))? {
        let files = ordinary::files(&run, scratch.path()).map_err(failed)?;
        let (mut ours, mut ordinary) = (Vec::new(), Vec::new());
        // The first run of each side does not count: it loads the files into the page cache.
        for round in 0..=args.runs {
            let a = cost(|| ours_once(context, &suite, &run))?;
            let b = cost(|| ordinary_once(&run, &files, &handover, scratch.path()))?;
            if round > 0 {
                ours.push(a);
                ordinary.push(b);
            }
        }
        report(
            context,
            &run,
            [medians(&ours), medians(&ordinary)],
            args.runs,
        );
    }
    Ok(Exit::Success)
}

/// Time and CPU time in milliseconds.
type Cost = [f64; 2];

fn cost(test: impl FnOnce() -> Result<(), Failure>) -> Result<Cost, Failure> {
    let (before, start) = (host::clock::cpu_of_children(), host::clock::monotonic());
    test()?;
    let cost = spent(before, start);
    Ok([cost.wall, cost.cpu].map(|time| time.as_secs_f64() * 1000.0))
}

fn medians(costs: &[Cost]) -> Cost {
    [0, 1].map(|index| median(costs.iter().map(|cost| cost[index]).collect()))
}

fn report(context: &Context, run: &ArchRun, [ours, ordinary]: [Cost; 2], runs: u16) {
    let ratio = ordinary[0] / ours[0];
    let ([ours, ours_cpu], [ordinary, ordinary_cpu]) = (ours, ordinary);
    match context.global.message_format {
        MessageFormat::Human => {
            let ratio = context
                .style
                .paint(Color::Bold, &format!("{ratio:.2} times faster"));
            output::result(format!(
                "{:>8}: {ours:.0} ms to a verdict, {ordinary:.0} ms with default firmware and devices: {ratio}; \
                 CPU time {ours_cpu:.0} ms, {ordinary_cpu:.0} ms (medians of {runs}, {})",
                run.arch.name,
                run.accel.as_str(),
            ));
        }
        MessageFormat::Json => {
            let line = json!({
                "reason": "bench-boot", "arch": run.arch.name, "accel": run.accel.as_str(),
                "runs": runs, "ours_ms": ours, "ordinary_ms": ordinary, "ratio": ratio,
                "ours_cpu_ms": ours_cpu, "ordinary_cpu_ms": ordinary_cpu,
            });
            output::result(line.to_string());
        }
    }
}

/// The whole test.
fn ours_once(context: &Context, suite: &Suite, run: &ArchRun) -> Result<(), Failure> {
    let report = test::quietly(context, suite, vec![run.clone()], TEST, 1)?;
    if report.exit_code() != 0 {
        let outcome = report
            .tests
            .first()
            .map(|test| test.outcome.cause())
            .unwrap_or_default();
        let error = anyhow::anyhow!("expected `{}::{TEST}` to pass: {outcome}", run.arch.name);
        return Err(Failure::new(Exit::TestFailed, error));
    }
    Ok(())
}

/// The same test in an ordinary boot, over the console.
fn ordinary_once(
    run: &ArchRun,
    files: &BootFiles,
    handover: &Handover,
    dir: &Utf8Path,
) -> Result<(), Failure> {
    let booted = ordinary::boot(run, files, handover, dir);
    let (outcome, console) = booted.map_err(platforms::qemu_failure)?;
    if outcome.is_success() {
        return Ok(());
    }
    let tail = &console[console.len().saturating_sub(400)..];
    let error = anyhow::anyhow!(
        "failed to boot {} with default firmware and devices: {}; end of the console: {}",
        run.arch.name,
        outcome.cause(),
        String::from_utf8_lossy(tail)
    );
    Err(Failure::new(Exit::Failed, error))
}

//! `cargo xtask bench boot`: time to the verdict of a trivial test, beside the same kernel booted the
//! ordinary way, in turn, on the same QEMU.
//!
//! Ours is a whole test: from its start to its verdict. The ordinary side is given a head start: its
//! clock stops as soon as the guest's init speaks, before any test could run.

use std::io::Write as _;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use flate2::Compression;
use flate2::write::GzEncoder;
use guest::runner::{ArchRun, temp_dir};
use guest::suite::Suite;
use host::clock::monotonic;
use host::scratch::Scratch;
use plan::arch::OrdinaryKernel;
use qemu::machine::Place;
use qemu::{Vm, VmEvent};
use serde_json::json;

use super::median;
use crate::cli::{BenchBootArgs, MessageFormat};
use crate::command::test;
use crate::context::Context;
use crate::exit::{Exit, Failure, Outcome};
use crate::guests;
use crate::output::{self, Color};
use crate::supply::Supply;

/// The trivial test.
const TEST: &str = "boot::true";
/// What init says first, on whatever channel it has.
const READY: &[u8] = b"@kiln - ";
/// An ordinary boot that takes longer is no boot.
const ORDINARY_LIMIT: Duration = Duration::from_secs(120);

pub(super) fn run(context: &Context, args: &BenchBootArgs) -> Outcome {
    let supply = Supply::open(context, &args.source)?;
    let images = supply.images(false)?;
    let suite = test::load(context, &supply.known_arches())?;
    let scratch = Scratch::new_in(&temp_dir(&context.env), "kiln-bench-")
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    for run in guests::prepare(&supply, &args.guest)? {
        let kernel = ordinary_kernel(&run, &images[&run.arch.name].path(), scratch.path())?;
        let (mut ours, mut ordinary) = (Vec::new(), Vec::new());
        // One run of each side that does not count, so that both find their files in memory.
        for round in 0..=args.runs {
            let a = ours_once(context, &suite, &run)?;
            let b = ordinary_once(&run, &kernel, scratch.path())?;
            if round > 0 {
                ours.push(a);
                ordinary.push(b);
            }
        }
        let (ours, ordinary) = (median(ours), median(ordinary));
        report(context, &run, ours, ordinary, args.runs);
    }
    Ok(Exit::Success)
}

fn report(context: &Context, run: &ArchRun, ours: f64, ordinary: f64, runs: u16) {
    let ratio = ordinary / ours;
    match context.global.message_format {
        MessageFormat::Human => {
            let ratio = context
                .style
                .paint(Color::Bold, &format!("{ratio:.2} times"));
            output::result(format!(
                "{:>8}: {ours:.0} ms to a verdict, {ordinary:.0} ms to init the ordinary way: {ratio} \
                 (medians of {runs}, {})",
                run.arch.name,
                run.accel.as_str(),
            ));
        }
        MessageFormat::Json => {
            let line = json!({
                "reason": "bench-boot", "arch": run.arch.name, "accel": run.accel.as_str(),
                "runs": runs, "ours_ms": ours, "ordinary_ms": ordinary, "ratio": ratio,
            });
            output::result(line.to_string());
        }
    }
}

/// Milliseconds of one whole test.
fn ours_once(context: &Context, suite: &Suite, run: &ArchRun) -> Result<f64, Failure> {
    let start = monotonic();
    let report = test::quietly(context, suite, vec![run.clone()], TEST, 1)?;
    let time = milliseconds(start);
    if report.exit_code() != 0 {
        let outcome = report
            .tests
            .first()
            .map(|test| test.outcome.cause())
            .unwrap_or_default();
        let error = anyhow::anyhow!("`{}::{TEST}` did not pass: {outcome}", run.arch.name);
        return Err(Failure::new(Exit::TestFailed, error));
    }
    Ok(time)
}

/// Milliseconds until init speaks in an ordinary boot.
fn ordinary_once(run: &ArchRun, kernel: &Utf8Path, dir: &Utf8Path) -> Result<f64, Failure> {
    let ordinary = &run.arch.qemu.ordinary;
    let initrd = run.boot.initrd.as_ref().map(ToString::to_string);
    let start = monotonic();
    let place = Place {
        binary: &run.binary,
        run_dir: dir,
        directory: dir,
    };
    let mut vm = Vm::start_with(place, false, |fds| {
        let mut argv = ordinary.args.clone();
        let mut pair = |option: &str, value: String| argv.extend([option.to_owned(), value]);
        pair("-accel", run.accel.as_str().to_owned());
        pair("-m", run.arch.qemu.memory.clone());
        pair("-display", "none".to_owned());
        pair("-kernel", kernel.to_string());
        if let Some(initrd) = initrd {
            pair("-initrd", initrd);
        }
        pair(
            "-append",
            format!("{} kiln.channel=console", ordinary.append),
        );
        pair("-chardev", format!("socket,id=kiln-qmp,fd={}", fds.qmp));
        pair("-mon", "chardev=kiln-qmp,mode=control".to_owned());
        pair(
            "-chardev",
            format!("socket,id=kiln-console,fd={}", fds.console),
        );
        pair("-serial", "chardev:kiln-console".to_owned());
        Ok(argv)
    })
    .map_err(guests::qemu_failure)?;
    let deadline = start + ORDINARY_LIMIT;
    let mut seen = Vec::new();
    while let Some(event) = vm.next(deadline) {
        if let VmEvent::Console(bytes) = event {
            seen.extend(bytes);
            if seen.windows(READY.len()).any(|window| window == READY) {
                return Ok(milliseconds(start));
            }
        }
    }
    let tail = String::from_utf8_lossy(&seen[seen.len().saturating_sub(400)..]).into_owned();
    let error = anyhow::anyhow!(
        "the ordinary boot of {} did not come up; it ended in: {tail}",
        run.arch.name
    );
    Err(Failure::new(Exit::Failed, error))
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

/// The kernel as others boot it.
fn ordinary_kernel(
    run: &ArchRun,
    image: &Utf8Path,
    dir: &Utf8Path,
) -> Result<Utf8PathBuf, Failure> {
    match run.arch.qemu.ordinary.kernel {
        OrdinaryKernel::Plain => Ok(run.boot.kernel.clone()),
        OrdinaryKernel::Compressed => Ok(image.join("compressed")),
        OrdinaryKernel::Gzip => {
            let failed = |error: std::io::Error| Failure::new(Exit::Failed, error);
            let path = dir.join(format!("{}.gz", run.arch.name));
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder
                .write_all(&host::files::read(&run.boot.kernel).map_err(failed)?)
                .map_err(failed)?;
            host::files::write(&path, &encoder.finish().map_err(failed)?).map_err(failed)?;
            Ok(path)
        }
    }
}

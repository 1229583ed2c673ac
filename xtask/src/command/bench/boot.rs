//! `cargo xtask bench boot`: time to the verdict of a trivial test, beside the same kernel booted the
//! ordinary way, in turn, on the same QEMU.
//!
//! Both sides run the whole test, from the start to the verdict, in the same kernel and initramfs.
//! The ordinary side has QEMU's default machine, firmware and devices, the kernel in the compressed
//! form that others boot, and its console for everything.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use flate2::Compression;
use flate2::write::GzEncoder;
use guest::fold::Happened;
use guest::platform::ArchRun;
use guest::protocol::Call;
use guest::session::{Handover, Host, Replies, Rules, conduct};
use host::clock::monotonic;
use host::scratch::Scratch;
use plan::arch::OrdinaryKernel;
use qemu::machine::Place;
use qemu::{BootFiles, Vm};
use serde_json::json;
use suite::Suite;
use suite::header::Channel;
use verdict::runs::place::temp_dir;

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
/// An ordinary boot that takes longer is no boot.
const ORDINARY_LIMIT: Duration = Duration::from_secs(120);

pub(super) fn run(context: &Context, args: &BenchBootArgs) -> Outcome {
    let supply = Supply::open(context, &args.source)?;
    let suite = test::load(context, &supply.known_arches())?;
    let scratch = Scratch::new_in(&temp_dir(&context.env), "bench")
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    let handover = handover(context, &suite)?;
    for run in guests::prepare(&supply, &args.guest)? {
        let files = ordinary_files(&run, scratch.path())?;
        let (mut ours, mut ordinary) = (Vec::new(), Vec::new());
        // One run of each side that does not count, so that both find their files in memory.
        for round in 0..=args.runs {
            let a = ours_once(context, &suite, &run)?;
            let b = ordinary_once(&run, &files, &handover, scratch.path())?;
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
                "{:>8}: {ours:.0} ms to a verdict, {ordinary:.0} ms the ordinary way: {ratio} \
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

/// Milliseconds of the same test in an ordinary boot, over its console.
fn ordinary_once(
    run: &ArchRun,
    files: &BootFiles,
    handover: &Handover,
    dir: &Utf8Path,
) -> Result<f64, Failure> {
    let ordinary = &run.arch.qemu.ordinary;
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
        pair("-kernel", files.kernel.to_string());
        if let Some(initrd) = &files.initrd {
            pair("-initrd", initrd.to_string());
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
    let rules = Rules::alone(Channel::Console, ORDINARY_LIMIT);
    let mut listener = Listener(Vec::new());
    let outcome = conduct(&mut vm, &rules, handover, &mut listener).outcome;
    let time = milliseconds(start);
    if outcome.is_success() {
        return Ok(time);
    }
    let seen = listener.0;
    let tail = String::from_utf8_lossy(&seen[seen.len().saturating_sub(400)..]).into_owned();
    let error = anyhow::anyhow!(
        "the ordinary boot of {}: {}; it ended in: {tail}",
        run.arch.name,
        outcome.cause()
    );
    Err(Failure::new(Exit::Failed, error))
}

/// Keeps the console and has no wishes.
struct Listener(Vec<u8>);

impl Host for Listener {
    fn output(&mut self, _: &[u8]) {}

    fn control(&mut self, _: &[u8]) {}

    fn console(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    fn note(&mut self, _: String) {}

    fn call(&mut self, _: &Call, _: &Arc<Replies>) -> Option<(i32, String)> {
        Some((verdict::outcome::STATUS_HARD_ERROR, String::new()))
    }

    fn stop(&mut self) -> Option<Happened> {
        None
    }
}

/// What the trivial test's guest is handed, as the runner does it.
fn handover(context: &Context, suite: &Suite) -> Result<Handover, Failure> {
    let read = |path: &Utf8Path| {
        host::files::read(path).map_err(|error| Failure::new(Exit::Failed, error))
    };
    let missing = || Failure::new(Exit::Failed, anyhow::anyhow!("there is no test `{TEST}`"));
    let test = suite
        .tests
        .iter()
        .find(|test| test.name() == TEST)
        .ok_or_else(missing)?;
    let library = context.root.join("guest-tests/lib/guest.sh");
    Ok(Handover {
        files: vec![
            ("/kiln/test".to_owned(), 0o755, read(&test.path)?),
            ("/kiln/run".to_owned(), 0o755, read(&library)?),
        ],
        environment: Vec::new(),
        run: "/kiln/run".to_owned(),
    })
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

/// Kernel and initramfs as others boot them: both compressed.
fn ordinary_files(run: &ArchRun, dir: &Utf8Path) -> Result<BootFiles, Failure> {
    let zipped = |path: &Utf8Path, name: &str| -> Result<Utf8PathBuf, Failure> {
        let failed = |error: std::io::Error| Failure::new(Exit::Failed, error);
        let packed = dir.join(format!("{}-{name}.gz", run.arch.name));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder
            .write_all(&host::files::read(path).map_err(failed)?)
            .map_err(failed)?;
        host::files::write(&packed, &encoder.finish().map_err(failed)?).map_err(failed)?;
        Ok(packed)
    };
    let initrd = run
        .boot
        .initrd
        .as_deref()
        .map(|initrd| zipped(initrd, "initramfs"))
        .transpose()?;
    let kernel = match run.arch.qemu.ordinary.kernel {
        OrdinaryKernel::Plain => run.boot.kernel.clone(),
        OrdinaryKernel::Compressed => run.boot.kernel.with_file_name("compressed"),
        OrdinaryKernel::Gzip => zipped(&run.boot.kernel, "kernel")?,
    };
    Ok(BootFiles { kernel, initrd })
}

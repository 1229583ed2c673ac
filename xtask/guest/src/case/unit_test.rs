//! Runs a test of kvm-unit-tests: a guest without an operating system, on the QEMU of the run.
//!
//! `unittests` decides what to start and judges the end. This module starts it, with the
//! console and QMP on channels of Kiln. As in `run_tests.sh`, a dry run without a kernel comes
//! first: a test whose options QEMU refuses is skipped.

use std::time::Duration;

use camino::Utf8Path;
use host::clock::monotonic;
use qemu::BootFiles;
use qemu::vm::Exit;
use script::standalone::{KERNEL, Start};
use session::{FLOOD, Handover};
use unittests::invocation::{Host, Invocation, Mode, Refusal};
use unittests::{UnitTest, judge};
use verdict::event::{TestReport, millis};
use verdict::outcome::{Outcome, Phase};
use verdict::text;

use super::Setting;
use super::watched::{self, Broken, Ended, Starter};

mod line;
mod migration;

use line::Line;

/// A kernel that does not exist, for the dry run.
/// The directory that is the boot disk of EFI programs.
const EFI: &str = "efi";
const NO_KERNEL: &str = "_NO_FILE_4Uhere_";
/// How long QEMU may take to look for its kernel.
const START: Duration = Duration::from_secs(30);
/// The limit of a test without its own.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Runs the test. Returns its report without the outcome.
pub(super) fn run(setting: &Setting<'_>, test: &UnitTest, mut report: TestReport) -> TestReport {
    let started = monotonic();
    setting
        .arch
        .accel
        .as_str()
        .clone_into(&mut report.setup.accel);
    match invocation(setting, test) {
        Ok(invocation) => {
            report.evidence.log_dir = Some(setting.logs.clone());
            report.outcome = perform(setting, test, &invocation, &mut report)
                .unwrap_or_else(|broken| broken.outcome());
        }
        Err(Refusal::Skip(reason)) => {
            let reason = text::short_line(reason.as_bytes());
            report.outcome = Outcome::Skipped { reason };
        }
        Err(Refusal::Fault(message)) => {
            let message = text::short_line(message.as_bytes());
            report.outcome = Outcome::HarnessError { message };
        }
    }
    watched::conclude(setting, &mut report, started);
    report
}

/// The invocation for this host and this QEMU.
fn invocation(setting: &Setting<'_>, test: &UnitTest) -> Result<Invocation, Refusal> {
    let uname = rustix::system::uname();
    let facts = &setting.arch.facts;
    test.invocation(&Host {
        accel: setting.arch.accel.as_str(),
        has_device: &|device| facts.has_device(device),
        qemu: &facts.full_version(),
        kernel: &uname.release().to_string_lossy(),
        processors: host::clock::cpu_count(),
        now: host::clock::seconds(),
        efi_directory: &setting.scratch.join(EFI),
        // Kernels are not text.
        read: &|path| {
            let content = fs_err::read(path).ok()?;
            Some(String::from_utf8_lossy(&content).into_owned())
        },
    })
}

/// The dry run, then the test.
fn perform(
    setting: &Setting<'_>,
    test: &UnitTest,
    invocation: &Invocation,
    report: &mut TestReport,
) -> Result<Outcome, Broken> {
    fs_err::create_dir_all(&setting.logs)?;
    fs_err::create_dir_all(&setting.scratch)?;
    let line = Line::new(invocation, &setting.scratch)?;
    let starter = Starter::new(setting, &test.tree.root)?;
    let timeout = setting.job.changes.timeout.or(invocation.timeout);
    let factor = setting.config.timeout_factor.clamp(0.01, 1000.0);
    let limit = timeout.unwrap_or(LONGEST).mul_f64(factor);
    if invocation.program.is_none()
        && let Some(outcome) = dry_run(&starter, &line)?
    {
        return Ok(outcome);
    }
    record(setting, test, (invocation, &line), limit)?;
    let since = monotonic();
    let more = mode_arguments(invocation.mode);
    let mut machine = starter.start(&|fds| line.argv(fds, &more))?;
    starter.begin(limit);
    let ended = match invocation.mode {
        Mode::Plain => Ok(machine.watch(|_| false)),
        Mode::Panic => {
            machine.vm.release();
            Ok(machine.watch(|machine| machine.panicked))
        }
        Mode::Migration => migration::watch(&starter, &mut machine, &line)?,
    };
    report.times.qemu_ms = millis(since.elapsed());
    let messages = machine.messages();
    drop(machine);
    let printed = starter.finish(report);
    // Without a dry run, a QEMU that refuses its options ends before the firmware prints anything.
    if invocation.program.is_some()
        && ended_early(&ended, &printed)
        && let Some(reason) = text::last_line(messages.as_bytes())
    {
        return Ok(Outcome::Skipped { reason });
    }
    let outcome = ended.map_or_else(
        |outcome| outcome,
        |ended| judged(invocation, ended, (&messages, &printed), limit),
    );
    report.evidence.subtests = judge::subtests(&printed);
    report.setup.devices = line.devices(&setting.arch.facts);
    if let (Outcome::Passed, Some(summary)) = (&outcome, judge::summary(&printed)) {
        report.evidence.notes.push(summary);
    }
    Ok(outcome)
}

/// Records the start for an export. Files of the tree, such as firmware, become files of the script.
fn record(
    setting: &Setting<'_>,
    test: &UnitTest,
    (invocation, line): (&Invocation, &Line<'_>),
    limit: Duration,
) -> std::io::Result<()> {
    let Some(recorder) = &setting.config.debug.recorder else {
        return Ok(());
    };
    let scratch = &setting.scratch;
    let mut argv = line.script(&scratch.join(KERNEL));
    for argument in &mut argv {
        let file = test.tree.root.join(argument.as_str());
        let in_tree = file.starts_with(&test.tree.root) && file.is_file();
        if let Some(name) = file.file_name().filter(|_| in_tree) {
            let copy = scratch.join(name);
            fs_err::copy(&file, &copy)?;
            *argument = copy.into_string();
        }
    }
    let boot = BootFiles {
        kernel: invocation.kernel.clone(),
        initrd: None,
        device_tree: None,
    };
    let start = Start::new(argv, (scratch, scratch), boot, Handover::default(), limit);
    recorder.start(start)
}

/// Additional arguments of a mode. A guest that is to panic waits until its events are read.
fn mode_arguments(mode: Mode) -> Vec<String> {
    match mode {
        Mode::Panic => vec!["-S".to_owned()],
        Mode::Plain | Mode::Migration => Vec::new(),
    }
}

/// Starts QEMU with a kernel that does not exist. Returns why it failed before it looked for it.
fn dry_run(starter: &Starter<'_>, line: &Line<'_>) -> Result<Option<Outcome>, Broken> {
    let mut machine = starter.try_out(&|fds| line.argv_of(fds, Utf8Path::new(NO_KERNEL), &[]))?;
    starter.begin(START);
    let reason = match machine.watch(|_| false) {
        Ended::Exited(_) => {
            let log = format!("{}{}", machine.console(), machine.messages());
            judge::premature_failure(&log, NO_KERNEL)
        }
        Ended::TimedOut => Some("QEMU started without a kernel".to_owned()),
        Ended::Flooded => return Ok(Some(Outcome::flood("console", FLOOD))),
        Ended::Stopped | Ended::Interrupted => None,
    };
    Ok(reason.map(|reason| Outcome::Skipped { reason }))
}

fn ended_early(ended: &Result<Ended, Outcome>, printed: &str) -> bool {
    matches!(ended, Ok(Ended::Exited(Exit::Code(1)))) && printed.trim().is_empty()
}

/// The outcome of a test from its end and the output of QEMU and the guest.
fn judged(
    invocation: &Invocation,
    ended: Ended,
    (messages, console): (&str, &str),
    limit: Duration,
) -> Outcome {
    match (ended, invocation.mode) {
        (Ended::Stopped, Mode::Panic) => Outcome::Passed,
        (Ended::Exited(exit), mode) => {
            let end = judge::End {
                exit,
                messages,
                console,
            };
            match (judge::outcome(invocation.status, end), mode) {
                (
                    Outcome::Passed | Outcome::Failed { .. } | Outcome::LostGuest { .. },
                    Mode::Panic,
                ) => Outcome::Failed {
                    cause: "the guest did not panic".to_owned(),
                },
                (outcome, _) => outcome,
            }
        }
        (Ended::TimedOut, _) => Outcome::timed_out(Phase::Test, limit),
        (Ended::Flooded, _) => Outcome::flood("console", FLOOD),
        (Ended::Stopped | Ended::Interrupted, _) => Outcome::NotRun {
            why: "interrupted".to_owned(),
        },
    }
}

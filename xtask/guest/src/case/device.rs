//! Runs a device test: starts QEMU without a guest, and lets the body of the test control it over
//! qtest.

use std::time::Duration;

use host::clock::monotonic;
use qemu::Exit;
use qemu::last_words::LastWords;
use qtest::session::{Session, Spec};
use qtest::{Bench, Failure, Machine, QtestError, Test};
use verdict::event::{RunEvent, TestReport, millis, send};
use verdict::outcome::{Outcome, Phase};

use super::{Setting, space};

/// The log of a test's commands and replies, which `cargo xtask qtest replay` reads.
pub const TRANSCRIPT: &str = "qtest.log";
/// The file of the test's output.
const OUTPUT: &str = "output.log";
/// Time limit of a reply in test time, at factor 1.
const WAIT: Duration = Duration::from_secs(30);
/// Number of commands and replies in the report of a failure.
const TAIL: usize = 12;

/// Runs the test. Returns its report.
pub(super) fn run(
    setting: &Setting<'_>,
    test: &Test,
    machine: &Machine,
    mut report: TestReport,
) -> TestReport {
    let started = monotonic();
    machine.name.clone_into(&mut report.setup.machine);
    if let Some(reason) = suite::device::unmet(test, machine, &setting.arch.facts) {
        report.outcome = Outcome::Skipped { reason };
        return report;
    }
    if let Some(companion) = &test.companion
        && host::tools::find_in(companion.program, &setting.config.path).is_none()
    {
        report.outcome = Outcome::Skipped {
            reason: format!("`{}` is not installed", companion.program),
        };
        return report;
    }
    if let Err(error) = perform(setting, test, machine, &mut report) {
        report.outcome = Outcome::HarnessError {
            message: error.to_string(),
        };
    }
    report.evidence.log_dir = Some(setting.logs.clone());
    if host::interrupt::received().is_some() && !report.outcome.is_success() {
        report.outcome = Outcome::NotRun {
            why: "interrupted".to_owned(),
        };
    }
    space::judge(setting, &mut report);
    report.times.duration_ms = millis(started.elapsed());
    if matches!(report.outcome, Outcome::TimedOut { .. }) {
        report.evidence.notes.extend(report.busy_host());
    }
    report
}

fn perform(
    setting: &Setting<'_>,
    test: &Test,
    machine: &Machine,
    report: &mut TestReport,
) -> std::io::Result<()> {
    fs_err::create_dir_all(&setting.logs)?;
    let facts = &setting.arch.facts;
    let own = test.arguments.iter().map(|&it| it.to_owned());
    let arguments: Vec<String> = machine.arguments().into_iter().chain(own).collect();
    let factor = setting.config.timeout_factor.clamp(0.01, 1000.0);
    let wait = WAIT.mul_f64(factor);
    let clock = setting.clock();
    let layout = machine.layout();
    let spec = Spec {
        binary: &setting.arch.binary,
        facts,
        run_dir: &setting.logs,
        arguments: &arguments,
        wait,
        clock: &clock,
        memory: layout.as_ref(),
    };
    let companion = test.companion.map(|it| it.start(&setting.logs, &clock));
    let companion = companion.transpose().map_err(std::io::Error::other)?;
    let started = monotonic();
    let session = match Session::start(&spec) {
        Ok(session) => session,
        Err(error) => {
            report.outcome = outcome(&Failure::Qtest(error), wait, false);
            return Ok(());
        }
    };
    let mut bench = Bench::new(session, machine);
    bench.trace.clone_from(&setting.config.trace);
    let result = (test.body)(&mut bench);
    report.times.qemu_ms = millis(started.elapsed());
    report.times.waited_ms = millis(clock.waited());
    report.setup.devices = devices(facts, &arguments);
    drop(companion);
    let transcript = bench.session.transcript();
    fs_err::write(setting.logs.join(TRANSCRIPT), transcript.text())?;
    let has_run = transcript.has_reply();
    report.outcome = match &result {
        Ok(()) => Outcome::Passed,
        Err(failure) => outcome(failure, wait, has_run),
    };
    if let Err(Failure::Qtest(late @ QtestError::Deadline { .. })) = &result {
        let cause = late.to_string();
        let first = cause.lines().next().map(str::to_owned);
        report.evidence.notes.extend(first);
    }
    let mut output = bench.notes().to_vec();
    if let Err(failure) = &result {
        output.extend(transcript.tail(TAIL));
        output.extend(failure.to_string().lines().map(str::to_owned));
    }
    let printed: Vec<String> = output.iter().map(|line| format!("{line}\n")).collect();
    let printed = printed.concat();
    fs_err::write(setting.logs.join(OUTPUT), &printed)?;
    if setting.config.no_capture {
        let event = RunEvent::TestOutput {
            name: setting.test.name(),
            bytes: printed.into_bytes(),
        };
        send(setting.events, event);
    }
    let lines = output
        .iter()
        .map(|line| verdict::text::short_line(line.as_bytes()));
    report.evidence.output_tail = lines.collect();
    Ok(())
}

/// The outcome of a failure. `has_run` is true if QEMU had replied to a command before.
fn outcome(failure: &Failure, wait: Duration, has_run: bool) -> Outcome {
    let failed = |cause: &dyn std::fmt::Display| Outcome::Failed {
        cause: verdict::text::line(cause.to_string().as_bytes()),
    };
    match failure {
        Failure::Qtest(QtestError::Ended { exit, log, command }) => {
            let words = LastWords::of(log);
            let message = words.best().map(str::to_owned);
            match exit {
                Exit::Signal(signal) => Outcome::QemuCrashed {
                    signal: *signal,
                    message,
                },
                Exit::Code(code) if has_run => {
                    let explanation = message.map(|text| format!(": {text}")).unwrap_or_default();
                    failed(&format!(
                        "QEMU exited with status {code} at `{command}`{explanation}"
                    ))
                }
                Exit::Code(code) => Outcome::QemuDidNotStart {
                    message: message.unwrap_or_else(|| format!("exit status {code}")),
                },
            }
        }
        Failure::Qtest(QtestError::Deadline { .. }) => Outcome::timed_out(Phase::Test, wait),
        Failure::Qtest(QtestError::Qemu(error)) => Outcome::HarnessError {
            message: error.to_string(),
        },
        failure => failed(failure),
    }
}

/// The device types on a command line.
fn devices(facts: &qemu::Facts, arguments: &[String]) -> Vec<String> {
    let pairs = arguments.windows(2).filter(|pair| pair[0] == "-device");
    let names = pairs.filter_map(|pair| pair[1].split(',').next());
    let mut types: Vec<_> = names
        .map(|name| facts.device_type(name).to_owned())
        .collect();
    types.sort();
    types.dedup();
    types
}

#[cfg(test)]
mod tests {
    use host::test_time::Activity;

    use super::*;

    #[test]
    fn end_of_qemu_decides_outcome() {
        let wait = Duration::from_secs(2);
        let ended = |exit, log: &str| {
            Failure::Qtest(QtestError::Ended {
                command: "readl 0x0".to_owned(),
                exit,
                log: log.to_owned(),
            })
        };
        let check = |failure: &Failure, has_run, label: &str, cause: &str| {
            let outcome = outcome(failure, wait, has_run);
            assert_eq!((outcome.label(), outcome.cause().as_str()), (label, cause));
        };
        let assertion = "qemu-system-x: ../hw/x.c:12: f: Assertion `a == b' failed.";
        check(
            &ended(Exit::Signal(6), assertion),
            true,
            "QEMU crashed",
            &format!("QEMU was killed by SIGABRT: {assertion}"),
        );
        check(
            &ended(Exit::Code(1), "unsupported machine type"),
            false,
            "QEMU did not start",
            "unsupported machine type",
        );
        check(
            &ended(Exit::Code(1), ""),
            true,
            "failed",
            "QEMU exited with status 1 at `readl 0x0`",
        );
        let late = Failure::Qtest(QtestError::Deadline {
            command: "readl 0x0".to_owned(),
            millis: 2000,
            activity: Activity::Idle,
            log: String::new(),
        });
        check(&late, true, "timed out", "the test did not end within 2 s");
        check(
            &Failure::Missing("a PCI function".to_owned()),
            true,
            "failed",
            "expected a PCI function on this machine",
        );
    }

    #[test]
    fn devices_of_the_command_line_are_reported_once() {
        let line = [
            "-device", "b,addr=4", "-m", "a", "-device", "b", "-device", "a",
        ];
        let line = line.map(str::to_owned);
        assert_eq!(devices(&qemu::Facts::default(), &line), ["a", "b"]);
    }
}

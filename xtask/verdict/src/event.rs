//! The events of a run and its report.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::time::Duration;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::coverage::Coverage;
use crate::kind::TestKind;
use crate::origin::{Origin, Platform};
use crate::outcome::Outcome;

/// An event of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEvent {
    /// The run started.
    RunStarted {
        /// Seed of all choices.
        seed: u64,
        /// Number of selected tests.
        total: usize,
        /// The directory of logs and reports.
        run_dir: Utf8PathBuf,
        /// The platforms, by architecture.
        platforms: Vec<Platform>,
    },
    /// A note that is printed once, such as why KVM is not used.
    Note {
        /// The text, one line.
        text: String,
    },
    /// A test started.
    TestStarted {
        /// Full name of the test.
        name: String,
    },
    /// A test printed something. Sent if output is not captured.
    TestOutput {
        /// Full name of the test.
        name: String,
        /// The raw bytes, which are not safe for a terminal.
        bytes: Vec<u8>,
    },
    /// After a failure of its guest script, a guest offers the user a shell on its console.
    ShellOpened {
        /// Full name of the test.
        name: String,
        /// How the guest script ended.
        cause: String,
        /// The last lines that it printed, as plain text.
        output: Vec<String>,
    },
    /// Output of the console of that guest.
    ShellOutput {
        /// The raw bytes, for a terminal.
        bytes: Vec<u8>,
    },
    /// A test has ended.
    TestFinished(Box<TestReport>),
    /// The run has ended.
    RunFinished(Box<RunReport>),
}

/// The report of one test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestReport {
    /// Full name.
    pub name: String,
    /// Architecture.
    pub arch: String,
    /// Area.
    pub area: String,
    /// Name without architecture and area.
    pub test: String,
    /// The kind of test. Not recorded before schema 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TestKind>,
    /// The description from the test's header, one line.
    pub description: String,
    /// The outcome.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Its durations.
    #[serde(flatten)]
    pub times: Times,
    /// What it ran with.
    #[serde(flatten)]
    pub setup: Setup,
    /// What it left behind.
    #[serde(flatten)]
    pub evidence: Evidence,
    /// The command line that repeats it.
    pub reproduce: String,
    /// Failed earlier tries in the same round. A test that passed after them is flaky.
    pub failed_tries: Vec<Attempt>,
    /// Why a failure of this test does not fail the run, from its header.
    pub unstable: Option<String>,
    /// Whether its header marks it as slow.
    pub slow: bool,
    /// Whether it passed with guests that booted and did not pass with restored ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub differs_by_start: bool,
}

/// The durations of a test.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// Total duration.
    pub duration_ms: u64,
    /// The part of it until the guests were ready.
    pub boot_ms: u64,
    /// The part of it during which a QEMU process existed. The rest is the runner's own.
    pub qemu_ms: u64,
    /// The part of it in which its processes were ready to run but waited for a processor of the host.
    #[serde(default)]
    pub waited_ms: u64,
}

/// What a test ran with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// `tcg` or `kvm`.
    pub accel: String,
    /// Version of QEMU.
    pub qemu: String,
    /// The machine of `images/<arch>.toml`.
    pub machine: String,
    /// Device types on QEMU's command line or added by `device_add`, sorted.
    pub devices: Vec<String>,
    /// Seed of this test's choices. It differs from the run's only in later rounds of a repeated
    /// test.
    pub seed: u64,
    /// The choices from the seed.
    pub choices: Vec<Choice>,
    /// The round of a repeated test, from 0.
    pub round: u32,
    /// How each of its guests started, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<GuestStart>,
}

/// What a test left behind for the reader of its report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The directory of its logs, if anything ran.
    pub log_dir: Option<Utf8PathBuf>,
    /// The last lines of the console, as plain text.
    pub console_tail: Vec<String>,
    /// The last lines that the test printed, as plain text.
    pub output_tail: Vec<String>,
    /// Anomalies that did not affect the outcome, such as forged records.
    pub notes: Vec<String>,
    /// The test's KTAP results, flattened.
    pub subtests: Vec<Subtest>,
    /// The unified diff between the golden output and the output.
    pub diff: Vec<String>,
    /// The line of the test's file at which its script ended early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// Percentage of waiting time from which a host counts as busy.
const BUSY: u64 = 10;

/// How a guest started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestStart {
    /// Whether it booted or was restored.
    pub start: StartKind,
    /// The reason.
    pub reason: String,
}

impl std::fmt::Display for GuestStart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = match self.start {
            StartKind::Cold => "cold",
            StartKind::Warm => "warm",
        };
        write!(f, "{start}: {}", self.reason)
    }
}

/// How a guest can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartKind {
    /// It booted.
    Cold,
    /// It was restored from a template.
    Warm,
}

/// One choice from the seed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The name of the choice, such as `nic`.
    pub name: String,
    /// The chosen value.
    #[serde(rename = "word")]
    pub value: String,
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

/// A failed try of a test that was retried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The outcome.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Duration of the try.
    pub duration_ms: u64,
    /// The directory of its logs.
    pub log_dir: Option<Utf8PathBuf>,
}

/// A result inside a test, from KTAP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subtest {
    /// The names from the outermost to its own, joined by `::`.
    pub name: String,
    /// The outcome: passed, failed or skipped.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl TestReport {
    /// The report of a test that has not run.
    #[must_use]
    pub fn new(arch: &str, area: &str, test: &str) -> Self {
        Self {
            name: format!("{arch}::{area}::{test}"),
            arch: arch.to_owned(),
            area: area.to_owned(),
            test: test.to_owned(),
            kind: None,
            description: String::new(),
            outcome: Outcome::NotRun { why: String::new() },
            times: Times::default(),
            setup: Setup::default(),
            evidence: Evidence::default(),
            reproduce: String::new(),
            failed_tries: Vec::new(),
            unstable: None,
            slow: false,
            differs_by_start: false,
        }
    }

    /// A note if the host had other work during the test.
    #[must_use]
    pub fn busy_host(&self) -> Option<String> {
        let percent = self.times.waited_ms * 100 / self.times.duration_ms.max(1);
        let note = || {
            format!("the host was busy: the test waited for a processor {percent} % of the time")
        };
        (percent >= BUSY).then(note)
    }

    /// Whether one of its guests was restored from a template.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        self.setup
            .starts
            .iter()
            .any(|guest| guest.start == StartKind::Warm)
    }

    /// Its file in the repository, or `None` for a test of another suite.
    #[must_use]
    pub fn file(&self) -> Option<String> {
        match self.kind {
            Some(TestKind::Suite | TestKind::Ktest) => None,
            Some(TestKind::Bare) => Some(format!("guest-tests/bare/{0}/{0}.c", self.test)),
            Some(TestKind::Device) => {
                let name = self.area.replace('-', "_");
                Some(format!("tests/device/src/{name}.rs"))
            }
            Some(TestKind::Guest | TestKind::Host) | None => {
                Some(format!("guest-tests/{}/{}.sh", self.area, self.test))
            }
        }
    }

    /// The file and line at which its script ended early, unless the cause already names them.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        let place = format!("{}:{}", self.file()?, self.evidence.line?);
        (!self.outcome.cause().contains(&place)).then_some(place)
    }

    /// The label under which summaries count it: its outcome, or `flaky` and the like if the
    /// outcome alone would mislead.
    #[must_use]
    pub fn label(&self) -> &'static str {
        if self.is_flaky() {
            "flaky"
        } else if !self.outcome.is_success() && !self.is_fatal() {
            "unstable"
        } else {
            self.outcome.label()
        }
    }

    /// Whether it passed after a failed try.
    #[must_use]
    pub fn is_flaky(&self) -> bool {
        self.outcome == Outcome::Passed && !self.failed_tries.is_empty()
    }

    /// Whether it fails the run. A test marked unstable does not.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        !self.outcome.is_success() && self.unstable.is_none()
    }

    /// Total duration.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.times.duration_ms)
    }
}

/// The schema of reports, described in `guest-tests/REPORTS.md`.
///
/// Within a version, fields are only added.
pub const SCHEMA: u32 = 3;

/// The oldest supported schema.
pub const OLDEST_SCHEMA: u32 = 2;

/// The report of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What was run, and when.
    #[serde(flatten)]
    pub origin: Origin,
    /// The platforms, by architecture.
    pub platforms: Vec<Platform>,
    /// Seed of all choices.
    pub seed: u64,
    /// Every selected test, in the order of selection.
    pub tests: Vec<TestReport>,
    /// Total duration.
    pub duration_ms: u64,
    /// The signal that ended the run early.
    pub interrupted: Option<i32>,
    /// The directory of logs and reports.
    pub run_dir: Utf8PathBuf,
    /// The devices that tests plugged, by architecture, if counted.
    pub coverage: Option<Vec<Coverage>>,
}

impl RunReport {
    /// The information that a report of an older schema lacks, in one line.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let old = self.schema < SCHEMA;
        old.then(|| {
            format!(
                "report of schema {}: the kinds of tests are not recorded",
                self.schema
            )
        })
    }

    /// The number of tests per label. See [`TestReport::label`].
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for test in &self.tests {
            *counts.entry(test.label()).or_default() += 1;
        }
        counts
    }

    /// The exit code: 0, 4 no test, 96 setup missing, 100 a test failed, 101 an internal error, 130
    /// or 143 interrupted.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let fatal = || self.tests.iter().filter(|test| test.is_fatal());
        let any = |is: fn(&Outcome) -> bool| fatal().any(|test| is(&test.outcome));
        match self.interrupted {
            Some(signal) => host::interrupt::Signal(signal).exit_code(),
            None if self.tests.is_empty() => 4,
            None if any(|outcome| !outcome.is_infrastructure()) => 100,
            None if any(|outcome| matches!(outcome, Outcome::HarnessError { .. })) => 101,
            None if any(|outcome| matches!(outcome, Outcome::NotRun { .. })) => 96,
            None => 0,
        }
    }
}

/// The device types of the passed tests of an architecture.
pub fn passed_devices<'a>(arch: &str, tests: &'a [TestReport]) -> impl Iterator<Item = &'a str> {
    let passed = move |test: &&TestReport| test.arch == arch && test.outcome == Outcome::Passed;
    let passed = tests.iter().filter(passed);
    passed
        .flat_map(|test| &test.setup.devices)
        .map(String::as_str)
}

/// Sends an event. Ignores a closed receiver.
pub fn send(events: &Sender<RunEvent>, event: RunEvent) {
    let _ = events.send(event);
}

/// A duration in milliseconds, as in reports.
#[must_use]
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::outcome::Phase;

    pub(crate) fn test_report(name: &str, outcome: Outcome) -> TestReport {
        let mut parts = name.split("::").map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        TestReport {
            arch: part(),
            area: part(),
            test: part(),
            kind: Some(TestKind::Guest),
            name: name.to_owned(),
            description: "Says what is promised.".to_owned(),
            outcome,
            times: Times {
                duration_ms: 1234,
                boot_ms: 700,
                qemu_ms: 1200,
                ..Times::default()
            },
            setup: Setup {
                choices: vec![Choice {
                    name: "nic".to_owned(),
                    value: "e1000".to_owned(),
                }],
                accel: "tcg".to_owned(),
                qemu: "10.0.2".to_owned(),
                machine: "q35".to_owned(),
                seed: 7,
                starts: vec![GuestStart {
                    start: StartKind::Warm,
                    reason: "the machine has a template".to_owned(),
                }],
                ..Setup::default()
            },
            evidence: Evidence {
                log_dir: Some(Utf8PathBuf::from(format!(
                    "runs/1/{}",
                    name.replace("::", "/")
                ))),
                console_tail: vec!["[    0.5] Run /init".to_owned()],
                output_tail: vec!["<last> & \"only\" line".to_owned()],
                ..Evidence::default()
            },
            reproduce: format!("cargo xtask test --exact {name} --seed 7"),
            failed_tries: Vec::new(),
            unstable: None,
            slow: false,
            differs_by_start: false,
        }
    }

    pub(crate) fn run_report(tests: Vec<TestReport>) -> RunReport {
        let run_dir = Utf8PathBuf::from("runs/1");
        RunReport {
            schema: SCHEMA,
            origin: Origin {
                kiln: "0.1.0".to_owned(),
                commit: Some("0123456789ab".to_owned()),
                started: "2026-11-21T04:42:00Z".to_owned(),
                argv: vec!["test".to_owned(), "nic".to_owned()],
                partition: None,
                scope: None,
            },
            platforms: vec![Platform {
                arch: "x86_64".to_owned(),
                image: "image-0123".to_owned(),
                binary: "/usr/bin/qemu-system-x86_64".into(),
                qemu: "10.0.2".to_owned(),
                accel: "tcg".to_owned(),
                kernel: None,
            }],
            seed: 7,
            tests,
            duration_ms: 5000,
            interrupted: None,
            run_dir,
            coverage: None,
        }
    }

    #[test]
    fn host_is_busy_from_a_tenth_on() {
        let check = |waited_ms, duration_ms, expect: Option<&str>| {
            let mut report = test_report("x::a::b", Outcome::Passed);
            (report.times.waited_ms, report.times.duration_ms) = (waited_ms, duration_ms);
            let expect = expect.map(|percent| {
                format!("the host was busy: the test waited for a processor {percent} of the time")
            });
            assert_eq!(report.busy_host(), expect);
        };
        check(0, 1000, None);
        check(99, 1000, None);
        check(100, 1000, Some("10 %"));
        check(900, 1000, Some("90 %"));
        check(0, 0, None);
    }

    #[test]
    fn exit_code_separates_failure_from_setup() {
        let text = || "x".to_owned();
        let check = |outcomes: &[Outcome], expect: u8| {
            let tests = outcomes
                .iter()
                .map(|outcome| test_report("a::b::c", outcome.clone()));
            assert_eq!(
                run_report(tests.collect()).exit_code(),
                expect,
                "{outcomes:?}"
            );
        };
        let skipped = Outcome::Skipped { reason: text() };
        let failed = Outcome::Failed { cause: text() };
        let broken = Outcome::HarnessError { message: text() };
        let not_run = Outcome::NotRun { why: text() };
        check(&[], 4);
        check(&[Outcome::Passed, skipped.clone()], 0);
        check(&[skipped], 0);
        check(&[Outcome::Passed, failed.clone()], 100);
        check(&[failed, broken.clone()], 100);
        check(
            &[Outcome::timed_out(Phase::Boot, Duration::from_secs(1))],
            100,
        );
        check(&[Outcome::QemuDidNotStart { message: text() }], 100);
        check(&[Outcome::Passed, broken], 101);
        check(&[Outcome::Passed, not_run], 96);
        let mut interrupted = run_report(vec![test_report("a::b::c", Outcome::Passed)]);
        interrupted.interrupted = Some(2);
        assert_eq!(interrupted.exit_code(), 130);
        interrupted.interrupted = Some(15);
        assert_eq!(interrupted.exit_code(), 143);
    }

    #[test]
    fn flaky_and_unstable_tests_are_counted() {
        let failed = || Outcome::Failed {
            cause: "x".to_owned(),
        };
        let mut flaky = test_report("a::b::flaky", Outcome::Passed);
        flaky.failed_tries = vec![Attempt {
            outcome: failed(),
            duration_ms: 1,
            log_dir: None,
        }];
        let mut unstable = test_report("a::b::unstable", failed());
        unstable.unstable = Some("see https://example.org/1".to_owned());
        let mut fine = test_report("a::b::fine", Outcome::Passed);
        fine.unstable.clone_from(&unstable.unstable);
        let mut run = run_report(vec![flaky.clone(), unstable, fine]);
        assert_eq!(run.exit_code(), 0);
        let counts = [("flaky", 1), ("passed", 1), ("unstable", 1)];
        assert_eq!(run.counts(), BTreeMap::from(counts));
        // Failed tries do not make a failure flaky.
        flaky.outcome = failed();
        run.tests.push(flaky);
        assert_eq!((run.exit_code(), run.counts()["failed"]), (100, 1));
    }

    #[test]
    fn stored_report_is_read_back() {
        let report = run_report(vec![test_report(
            "a::b::c",
            Outcome::QemuCrashed {
                signal: 11,
                message: None,
            },
        )]);
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<RunReport>(&text).unwrap(), report);
    }
}

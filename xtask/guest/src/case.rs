//! One test on one architecture: requirements, guests, host script, and the report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::clock::monotonic;
use host::load;
use host::test_time::TestClock;
use plan::arch::Machine;
use qemu::Accel;
use script::statements::{self, Statements};
use session::{Handoff, Start};
use suite::choice::Chooser;
use suite::choice::offer::{Support, offered};
use suite::header::Channel;
use suite::requirement;
use suite::{Body, Scripts, Selected};
use verdict::event::{Choice, GuestStart, RunEvent, Setup, TestReport, millis, send};
use verdict::outcome::{Outcome, Phase};

use crate::config::CaseConfig;
use crate::job::Job;
use evidence::logfile::{LogFile, Tail};
use helpers::serve::FileServer;
use start::decision::StartPolicy;
use start::platform::ArchRun;

mod bare;
mod chardev;
mod conclusion;
pub mod device;
mod diagnosis;
mod ending;
mod entry;
mod expectations;
mod export;
mod guest;
mod host_files;
mod host_script;
mod ktest;
mod launch;
mod monitor;
mod plug;
mod qemu_test;
mod reproduce;
mod roster;
mod setting;
mod shell;
mod space;
mod sync_points;
mod unit_test;
mod watched;

use chardev::Chardevs;
use conclusion::GuestResult;
use guest::Order;
use host_files::HostInitramfs;
use plug::Plugs;
use qemu_test::QemuTest;
use roster::Roster;
use sync_points::{Deadlock, Points};

/// The libraries of all guest and host scripts, read once per run.
#[derive(Debug)]
pub struct Library {
    /// The library of guest scripts.
    pub guest: Vec<u8>,
    /// The library of host scripts.
    pub host: String,
    /// The script that offers shells in guests.
    pub shell: Vec<u8>,
}

impl Library {
    /// Reads `lib/` of a suite.
    pub fn read(suite: &Utf8Path) -> std::io::Result<Self> {
        let read = |name: &str| fs_err::read_to_string(suite.join("lib").join(name));
        let both = read("both.sh")?;
        Ok(Self {
            guest: [both.as_str(), &read("guest.sh")?].concat().into_bytes(),
            host: [both.as_str(), &read("host.sh")?].concat(),
            shell: read("shell.sh")?.into_bytes(),
        })
    }
}

/// A test and everything that it runs in.
pub struct Setting<'a> {
    /// The settings of all tests.
    pub config: &'a CaseConfig,
    /// The image and QEMU.
    pub arch: &'a ArchRun,
    /// The test.
    pub test: Selected<'a>,
    /// Its seed and choices.
    pub job: &'a Job<'a>,
    /// The libraries of scripts.
    pub library: &'a Library,
    /// How its guests start, unless they must boot.
    pub start: StartPolicy,
    /// Set if a guest was not restored: the result does not count, as a QEMU with the devices of the test was
    /// started in vain.
    pub not_restored: &'a OnceLock<String>,
    /// The directory of logs, which is kept.
    pub logs: Utf8PathBuf,
    /// The scratch directory, created and removed here.
    pub scratch: Utf8PathBuf,
    /// Receives the events.
    pub events: &'a Sender<RunEvent>,
}

impl Setting<'_> {
    /// Creates the choices of this test.
    fn chooser(&self, machine: &Machine) -> Chooser {
        let choices = &self.test.test.header.choices;
        let support = Support {
            facts: &self.arch.facts,
            without_driver: self.arch.without_driver(),
            machine,
        };
        Chooser::new(
            self.job.seed,
            &self.test.name(),
            &self.job.forced,
            offered(choices, self.test.arch, support),
        )
    }

    /// Starts the clock for the limits of this test.
    fn clock(&self) -> TestClock {
        TestClock::new(match self.arch.accel {
            Accel::Tcg => self.config.speed.factor(),
            Accel::Kvm => 1.0,
        })
    }
}

/// A running test.
struct Case<'a> {
    setting: &'a Setting<'a>,
    machine_name: &'a str,
    machine: &'a Machine,
    /// The unmodified script.
    script: String,
    /// The marked script, and the facts about it.
    statements: Statements,
    chooser: Chooser,
    roster: Roster,
    plugs: Plugs,
    points: Points,
    /// The clock for the limits of the test.
    clock: TestClock,
    handoff: Arc<Handoff>,
    chardevs: Chardevs,
    /// What its guests get of the host.
    host_files: Option<HostInitramfs>,
    /// For a script that was written for qemu-test.
    qemu_test: Option<QemuTest>,
    state: Mutex<State>,
    output: Mutex<Output>,
}

/// The results of its guests and its host script.
#[derive(Default)]
struct State {
    started: usize,
    guests: Vec<GuestResult>,
    servers: Vec<FileServer>,
    booted: Duration,
    /// Whether any guest was ready for its test.
    was_ready: bool,
    /// Total time during which a QEMU existed.
    lived: Duration,
    console_tail: Vec<String>,
    /// Types of the devices that QEMU got.
    devices: BTreeSet<String>,
    notes: Vec<String>,
    starts: BTreeMap<usize, GuestStart>,
    skip: Option<String>,
    fail: Option<String>,
    /// The location at which the host script ended early.
    failed_at: Option<String>,
    /// The line of the first script that ended early.
    failed_line: Option<u32>,
    deadlock: Option<Deadlock>,
    /// The message of a panic in a thread of the test.
    broken: Option<String>,
}

/// The output of both scripts in order of arrival.
struct Output {
    log: LogFile,
    tail: Tail,
}

/// Runs the test. Returns its report.
#[must_use]
pub fn run(setting: &Setting<'_>) -> TestReport {
    let mut report = blank(setting.config, Some(setting.arch), setting.job);
    if let Some(reason) = setting.job.changes.skip.clone() {
        report.outcome = Outcome::Skipped { reason };
        return report;
    }
    match &setting.test.test.header.body {
        Body::Guest(scripts) => run_script(setting, *scripts, report),
        Body::Host => run_script(setting, Scripts::Host, report),
        Body::Device(test, machine) => device::run(setting, test, machine, report),
        Body::Bare(test) => bare::run(setting, test, report),
        Body::Suite(test) => unit_test::run(setting, test, report),
        Body::Ktest(script) => ktest::run(setting, script, report),
    }
}

/// Runs a test whose file is a script.
fn run_script(setting: &Setting<'_>, scripts: Scripts, mut report: TestReport) -> TestReport {
    let started = monotonic();
    let header = &setting.test.test.header;
    let profile = &setting.arch.arch.qemu;
    let (machine_name, machine) = match requirement::machine(header, setting.test.arch, profile) {
        Ok(machine) => machine,
        Err(message) => {
            report.outcome = Outcome::HarnessError { message };
            return report;
        }
    };
    if header.body.needs().image {
        machine_name.clone_into(&mut report.setup.machine);
    }
    if let Some(reason) = setting.unmet(machine) {
        report.outcome = Outcome::Skipped { reason };
        return report;
    }
    let host_files = match host_files::gather(setting, machine) {
        Ok(files) => files,
        Err(outcome) => {
            report.outcome = outcome;
            return report;
        }
    };
    let prepared = prepare(setting);
    let case = match prepared {
        Ok(Prepared {
            log,
            script,
            statements,
            qemu_test,
        }) => Case {
            setting,
            script,
            statements,
            machine_name,
            machine,
            chooser: setting.chooser(machine),
            roster: Roster::default(),
            plugs: Plugs::default(),
            points: Points::default(),
            clock: setting.clock(),
            handoff: Arc::default(),
            chardevs: Chardevs::default(),
            host_files,
            qemu_test,
            state: Mutex::default(),
            output: Mutex::new(Output {
                log,
                tail: Tail::default(),
            }),
        },
        Err(error) => {
            report.outcome = Outcome::HarnessError {
                message: error.to_string(),
            };
            space::judge(setting, &mut report);
            return report;
        }
    };
    report.outcome = perform(&case, scripts);
    if matches!(
        report.outcome,
        Outcome::TimedOut {
            phase: Phase::Boot,
            ..
        }
    ) {
        // The messages of a kernel before it hung are usually needed next.
        report.reproduce.push_str(" -v");
    }
    if !report.outcome.is_success() && !setting.config.start.is_explicit() {
        report.reproduce.push_str(case.start_flag());
    }
    report.evidence.log_dir = Some(setting.logs.clone());
    let limit = case.test_limit();
    let was_ready = case.finish(&mut report);
    let image = setting.arch.image.as_ref();
    diagnosis::complete(&mut report, machine, image, was_ready);
    expectations::judge(setting, limit, &mut report);
    space::judge(setting, &mut report);
    // The run's scratch folder is removed as a whole, so leftovers exist only until then.
    if let Err(error) = fs_err::remove_dir_all(&setting.scratch) {
        report.evidence.notes.push(error.to_string());
    }
    report.times.duration_ms = millis(started.elapsed());
    if matches!(report.outcome, Outcome::TimedOut { .. }) {
        report.evidence.notes.extend(report.busy_host());
    }
    report
}

/// Runs the scripts of a test.
fn perform(case: &Case<'_>, scripts: Scripts) -> Outcome {
    let outcome = match scripts {
        Scripts::Guest => {
            case.boot_alone();
            conclusion::alone(&case.state().guests)
        }
        Scripts::Host | Scripts::Both => host_script::run(case, scripts),
    };
    let outcome = case.with_deadlock(outcome);
    // An interruption ends all children, whose failures then mean nothing.
    if host::interrupt::received().is_some() && !outcome.is_success() {
        return Outcome::NotRun {
            why: "interrupted".to_owned(),
        };
    }
    // A result is invalid if a thread of the test panicked.
    match case.state().broken.take() {
        Some(message) => Outcome::HarnessError { message },
        None => outcome,
    }
}

/// The report of a test whose run panicked.
#[must_use]
pub fn broken(setting: &Setting<'_>, message: String) -> TestReport {
    let logs = &setting.logs;
    let mut report = blank(setting.config, Some(setting.arch), setting.job);
    report.outcome = Outcome::HarnessError { message };
    report.evidence.log_dir = logs.is_dir().then(|| logs.clone());
    report
}

/// The report of a selected test that did not run.
#[must_use]
pub fn not_run(
    config: &CaseConfig,
    arch: Option<&ArchRun>,
    job: &Job<'_>,
    why: &str,
) -> TestReport {
    let forced = job.forced.iter().map(|(name, word)| Choice {
        name: name.clone(),
        value: word.clone(),
    });
    let mut report = blank(config, arch, job);
    report.outcome = Outcome::NotRun {
        why: why.to_owned(),
    };
    report.setup.choices = forced.collect();
    report
}

fn blank(config: &CaseConfig, arch: Option<&ArchRun>, job: &Job<'_>) -> TestReport {
    let test = job.test;
    let header = &test.test.header;
    let unstable = job.changes.unstable.clone();
    let boots = header.body.needs().image;
    TestReport {
        kind: Some(header.body.kind()),
        description: header.description.clone(),
        setup: Setup {
            accel: arch.filter(|_| boots).map_or("", ArchRun::accel).to_owned(),
            qemu: arch
                .map(|run| run.facts.version.to_string())
                .unwrap_or_default(),
            seed: job.seed,
            round: job.round,
            ..Setup::default()
        },
        reproduce: reproduce::reproduce(&config.reproduce, job),
        unstable: unstable.or_else(|| header.unstable.clone()),
        slow: header.slow,
        ..TestReport::new(test.arch, &test.test.area, &test.test.test)
    }
}

/// The state of a test before it starts.
struct Prepared {
    log: LogFile,
    script: String,
    statements: Statements,
    qemu_test: Option<QemuTest>,
}

/// Creates folders, scratch disks, the script, the output log, and the files for a script of
/// qemu-test.
fn prepare(setting: &Setting<'_>) -> std::io::Result<Prepared> {
    fs_err::create_dir_all(&setting.logs)?;
    host::scratch::create_private(&setting.scratch.join("files"))?;
    for (index, size) in setting.test.test.header.scratch.iter().enumerate() {
        // Sparse: it only occupies the space that is written.
        let disk = fs_err::File::create(disk(&setting.scratch, index))?;
        disk.set_len(*size)?;
    }
    let script = match &setting.test.test.header.body {
        Body::Ktest(script) => script.scripts.clone(),
        Body::Guest(_) | Body::Host | Body::Device(..) | Body::Bare(_) | Body::Suite(_) => {
            fs_err::read_to_string(&setting.test.test.path)?
        }
    };
    let mut statements = statements::read(&script);
    let marked = setting.scratch.join(MARKED);
    fs_err::write(&marked, &statements.marked)?;
    if !is_valid(&marked) {
        statements.marked.clone_from(&script);
        fs_err::write(&marked, &script)?;
    }
    let calls_itself = setting.test.test.header.calls_itself;
    let qemu_test = calls_itself.then(|| QemuTest::new(&script, &setting.scratch));
    Ok(Prepared {
        log: LogFile::create(&setting.logs.join("output.log"))?,
        script,
        statements,
        qemu_test,
    })
}

/// The marked script in the scratch folder.
const MARKED: &str = "script.sh";
/// Time limit for the shell to parse it.
const READ_WAIT: Duration = Duration::from_secs(10);

/// Whether the shell can parse a script.
fn is_valid(script: &Utf8Path) -> bool {
    let shell = host::process::Command::new("/bin/sh").arg("-n").arg(script);
    shell
        .output(READ_WAIT)
        .is_ok_and(|output| output.status.success())
}

fn disk(scratch: &Utf8Path, index: usize) -> Utf8PathBuf {
    scratch.join(format!("scratch{index}"))
}

/// The limit of a test with a debugger.
const FOR_EVER: Duration = plan::duration::LONGEST;

impl Case<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A limit that the test itself gives.
    fn stretched(&self, limit: Duration) -> Duration {
        limit.mul_f64(self.setting.config.timeout_factor.clamp(0.01, 1000.0))
    }

    /// The default limit of `wait_for` in seconds.
    fn wait_seconds(&self) -> String {
        self.setting
            .scaled(WAIT_FOR)
            .as_secs_f64()
            .ceil()
            .to_string()
    }

    fn test_limit(&self) -> Duration {
        self.setting.test_limit()
    }

    fn boot_limit(&self) -> Duration {
        if self.setting.config.debug.is_unlimited() {
            return FOR_EVER;
        }
        self.setting.scaled(self.boot_timeout())
    }

    fn boot_timeout(&self) -> Duration {
        let profile = self.setting.arch.arch.qemu.boot_timeout;
        let limit = self.machine.boot_timeout.unwrap_or(profile);
        let image = self.setting.arch.image.as_ref();
        let has_drivers_for_all = image.is_some_and(|image| image.host.loads_drivers);
        let kernel = if has_drivers_for_all { DISTRIBUTION } else { 1 };
        let system = image.and_then(|image| image.system.as_ref());
        limit * system.map_or(kernel, |system| system.boot_timeout_factor)
    }

    /// Records the boot time of a guest, which measures the speed of the host.
    fn note_boot(&self, pid: u32) {
        if self.setting.arch.accel == Accel::Tcg {
            self.note_boot_time(load::ran(pid));
        }
    }

    fn note_boot_time(&self, ran: Duration) {
        self.setting.config.speed.note(ran, self.boot_timeout());
    }

    /// Not empty if a failed guest should stay, as `lib/guest.sh` checks. Requires that the console
    /// is free.
    fn shell_on_fail(&self) -> &'static str {
        let wanted = self.setting.config.debug.keyboard.is_some();
        let header = &self.setting.test.test.header;
        let free = header.channel.on(self.machine) == Channel::Virtio;
        if wanted && free { "1" } else { "" }
    }

    /// Not empty for a script that calls `in_host` and `in_guest` itself, as `lib/*.sh` check.
    fn calls_itself(&self) -> &'static str {
        if self.qemu_test.is_some() { "1" } else { "" }
    }

    /// Records that a thread of the test panicked, so that the test cannot pass.
    fn note_broken(&self, message: &str) {
        self.state()
            .broken
            .get_or_insert_with(|| message.to_owned());
    }

    /// The last lines of the test's output.
    fn output_tail(&self) -> Vec<String> {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.tail.lines()
    }

    /// Records output of either script.
    fn print(&self, bytes: &[u8]) {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.log.write(bytes);
        output.tail.write(bytes);
        drop(output);
        if self.setting.config.no_capture {
            let name = self.setting.test.name();
            send(
                self.setting.events,
                RunEvent::TestOutput {
                    name,
                    bytes: bytes.to_vec(),
                },
            );
        }
    }

    /// Boots a guest without a host script, so no caller can exit.
    fn boot_alone(&self) {
        self.boot(&Order {
            extra: &[],
            directory: &self.setting.scratch.join("files"),
            start: Start::Wanted,
            is_gone: &|| false,
        });
    }

    /// Completes the report. Returns whether any guest was ready for its test.
    fn finish(self, report: &mut TestReport) -> bool {
        let state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let output = self
            .output
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        report.setup.choices = self.chooser.made();
        report.times.boot_ms = millis(state.booted);
        report.times.qemu_ms = millis(state.lived);
        report.evidence.console_tail = state.console_tail;
        report.evidence.line = state.failed_line.filter(|_| !report.outcome.is_success());
        let facts = &self.setting.arch.facts;
        let devices = state.devices.iter().map(|name| facts.device_type(name));
        report.setup.devices = devices
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        report.evidence.notes = state.notes;
        report.times.waited_ms = millis(self.clock.waited());
        report.setup.starts = state.starts.into_values().collect();
        report.evidence.output_tail = output.tail.lines();
        if let Err(error) = output.log.finish() {
            report.evidence.notes.push(error.to_string());
        }
        state.was_ready
    }
}

/// The kernel of a distribution takes so many times longer to boot than an image's own.
const DISTRIBUTION: u32 = 4;
/// For `wait_for`, at factor 1.
const WAIT_FOR: Duration = Duration::from_secs(10);

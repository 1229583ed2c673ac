//! A QEMU with a guest that has no operating system, and what it has printed so far: tests of kvm-unit-tests
//! and bare-metal tests.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use host::clock::monotonic;
use host::process::command::quote_line;
use host::test_time::{Activity, Deadline, TestClock};
use host::wait::Countdown as _;
use qemu::QemuError;
use qemu::event::{QemuEvent, Shutdown};
use qemu::launch::argv::Fds;
use qemu::vm::{Exit, ProcessSpec, Vm, VmEvent};
use session::FLOOD;
use verdict::event::{RunEvent, TestReport, millis, send};
use verdict::outcome::Outcome;
use verdict::text;

use super::{Setting, space};
use crate::debug::DebugPaths;
use evidence::logfile::{LogFile, Tail};

/// Interval at which a wait checks the clock of the test.
const TICK: Duration = Duration::from_millis(50);

/// Completes the report of a test that began at this time, and removes its scratch files.
pub(super) fn conclude(setting: &Setting<'_>, report: &mut TestReport, started: Instant) {
    if host::interrupt::received().is_some() && !report.outcome.is_success() {
        report.outcome = Outcome::NotRun {
            why: "interrupted".to_owned(),
        };
    }
    space::judge(setting, report);
    if setting.scratch.is_dir()
        && let Err(error) = fs_err::remove_dir_all(&setting.scratch)
    {
        report.evidence.notes.push(error.to_string());
    }
    report.times.duration_ms = millis(started.elapsed());
    if matches!(report.outcome, Outcome::TimedOut { .. }) {
        report.evidence.notes.extend(report.busy_host());
    }
}

/// A failure of the host or of QEMU, not of the test.
pub(super) enum Broken {
    Io(std::io::Error),
    Qemu(QemuError),
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<QemuError> for Broken {
    fn from(error: QemuError) -> Self {
        Self::Qemu(error)
    }
}

impl Broken {
    pub(super) fn outcome(&self) -> Outcome {
        let text = match self {
            Self::Io(error) => host::causes::one_line(error),
            Self::Qemu(error) => host::causes::one_line(error),
        };
        let message = text::short_line(text.as_bytes());
        Outcome::HarnessError { message }
    }
}

/// Starts the QEMUs of a test, and takes what their guests print.
pub(super) struct Starter<'a> {
    pub(super) setting: &'a Setting<'a>,
    /// The directory that relative paths in the arguments start from.
    root: &'a Utf8Path,
    clock: TestClock,
    deadline: RefCell<Deadline>,
    started: RefCell<usize>,
    /// What QEMU did when the time limit passed.
    at_limit: Cell<Option<Activity>>,
    output: RefCell<Output>,
}

/// The output of all guests of a test in order.
struct Output {
    log: LogFile,
    tail: Tail,
    text: Vec<u8>,
}

/// A running QEMU.
pub(super) struct Machine<'a> {
    pub(super) vm: Vm,
    starter: &'a Starter<'a>,
    /// Whether its output is the test's.
    is_test: bool,
    console: Vec<u8>,
    messages: String,
    /// Whether the guest has reported a panic.
    pub(super) panicked: bool,
    /// The state of an outgoing migration, such as `completed`.
    pub(super) migration: Option<String>,
    /// Why QEMU ends, as it reported.
    pub(super) shutdown: Option<Shutdown>,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// QEMU exited.
    Exited(Exit),
    /// The condition was met.
    Stopped,
    /// The time limit passed and QEMU was killed.
    TimedOut,
    /// There was too much output and QEMU was killed.
    Flooded,
    /// The run was interrupted and QEMU was killed.
    Interrupted,
}

impl<'a> Starter<'a> {
    pub(super) fn new(setting: &'a Setting<'a>, root: &'a Utf8Path) -> Result<Self, Broken> {
        let clock = setting.clock();
        Ok(Self {
            setting,
            root,
            deadline: RefCell::new(clock.deadline(Duration::ZERO)),
            clock,
            started: RefCell::default(),
            at_limit: Cell::default(),
            output: RefCell::new(Output {
                log: LogFile::create(&setting.logs.join("output.log"))?,
                tail: Tail::default(),
                text: Vec::new(),
            }),
        })
    }

    /// Starts to count the limit.
    pub(super) fn begin(&self, limit: Duration) {
        *self.deadline.borrow_mut() = self.clock.deadline(limit);
        self.at_limit.set(None);
    }

    /// Starts a QEMU whose output is not the test's.
    pub(super) fn try_out(&self, argv: &dyn Fn(Fds) -> Vec<String>) -> Result<Machine<'_>, Broken> {
        let dir = self.setting.scratch.join("dry-run");
        host::scratch::create_private(&dir)?;
        let binary = &self.setting.arch.binary;
        self.spawn(binary, &dir, argv, &[], false)
    }

    /// Starts a QEMU of the test. Its arguments are a function of the descriptors that it inherits.
    pub(super) fn start(&self, argv: &dyn Fn(Fds) -> Vec<String>) -> Result<Machine<'_>, Broken> {
        *self.started.borrow_mut() += 1;
        let number = *self.started.borrow();
        let suffix = match number {
            1 => String::new(),
            number => format!(".{number}"),
        };
        let setting = self.setting;
        let run_dir = setting.scratch.join(format!("guest{number}"));
        host::scratch::create_private(&run_dir)?;
        let paths = DebugPaths {
            run_dir: &run_dir,
            logs: &setting.logs,
            suffix: &suffix,
        };
        let debug = &setting.config.debug;
        let wrapper = debug.wrapper(&setting.arch.binary, paths)?;
        let binary = wrapper.as_ref().unwrap_or(&setting.arch.binary);
        let more = debug.options(paths);
        for text in debug.lines(&setting.arch.arch, paths) {
            send(setting.events, RunEvent::Note { text });
        }
        let fds = Fds {
            qmp: 3,
            console: 4,
            control: 5,
        };
        let line = [vec![binary.to_string()], argv(fds), more.clone()].concat();
        fs_err::write(
            setting.logs.join(format!("argv{suffix}")),
            quote_line(&line) + "\n",
        )?;
        self.spawn(binary, &run_dir, argv, &more, true)
    }

    fn spawn(
        &self,
        binary: &Utf8PathBuf,
        run_dir: &Utf8Path,
        argv: &dyn Fn(Fds) -> Vec<String>,
        more: &[String],
        is_test: bool,
    ) -> Result<Machine<'_>, Broken> {
        let spec = ProcessSpec {
            binary,
            run_dir,
            directory: self.root,
        };
        let vm = Vm::spawn_with(spec, false, |fds| [argv(fds), more.to_vec()].concat())?;
        self.clock.follow(vm.pid());
        Ok(Machine {
            vm,
            starter: self,
            is_test,
            console: Vec::new(),
            messages: String::new(),
            panicked: false,
            migration: None,
            shutdown: None,
        })
    }

    fn print(&self, bytes: &[u8]) {
        let mut output = self.output.borrow_mut();
        output.log.write(bytes);
        output.tail.write(bytes);
        output.text.extend_from_slice(bytes);
        if self.setting.config.no_capture {
            let event = RunEvent::TestOutput {
                name: self.setting.test.name(),
                bytes: bytes.to_vec(),
            };
            send(self.setting.events, event);
        }
    }

    /// Ends the log, completes the report, and returns all that was printed.
    pub(super) fn finish(self, report: &mut TestReport) -> String {
        report.times.waited_ms = millis(self.clock.waited());
        let at_limit = self.at_limit.get();
        let note = at_limit.map(|activity| format!("QEMU reached the time limit: {activity}"));
        report.evidence.notes.extend(note);
        let output = self.output.into_inner();
        report.evidence.output_tail = output.tail.lines();
        if let Err(error) = output.log.finish() {
            report.evidence.notes.push(error.to_string());
        }
        String::from_utf8_lossy(&output.text).into_owned()
    }
}

impl Machine<'_> {
    /// Handles events until QEMU exits, the time limit passes, or `is_done`.
    pub(super) fn watch(&mut self, is_done: impl Fn(&Self) -> bool) -> Ended {
        let deadline = self.starter.deadline.borrow().clone();
        loop {
            if is_done(self) {
                return Ended::Stopped;
            }
            let left = deadline.left();
            let over = if host::interrupt::received().is_some() {
                Some(Ended::Interrupted)
            } else if (self.console.len() + self.messages.len()) as u64 > FLOOD {
                Some(Ended::Flooded)
            } else if left.is_zero() {
                self.starter.at_limit.set(Some(deadline.activity()));
                Some(Ended::TimedOut)
            } else {
                None
            };
            if let Some(over) = over {
                self.vm.kill();
                return over;
            }
            match self.vm.next(monotonic() + left.min(TICK)) {
                Some(VmEvent::Exited(exit)) => {
                    self.starter.clock.forget(self.vm.pid());
                    return Ended::Exited(exit);
                }
                Some(event) => self.take(event),
                None => {}
            }
        }
    }

    fn take(&mut self, event: VmEvent) {
        match event {
            VmEvent::Console(bytes) => {
                if self.is_test {
                    self.starter.print(&bytes);
                }
                self.console.extend(bytes);
            }
            VmEvent::Stderr(line) => {
                self.messages.push_str(&line);
                self.messages.push('\n');
            }
            VmEvent::Qmp(QemuEvent::GuestPanicked(_)) => self.panicked = true,
            VmEvent::Qmp(QemuEvent::Shutdown(shutdown)) => self.shutdown = Some(shutdown),
            VmEvent::Qmp(QemuEvent::Migration { status }) => self.migration = Some(status),
            _ => {}
        }
    }

    /// The output of the guest.
    pub(super) fn console(&self) -> String {
        String::from_utf8_lossy(&self.console).into_owned()
    }

    /// Treats the stderr of another QEMU of the test as written before.
    pub(super) fn take_messages_of(&mut self, earlier: &Self) {
        self.messages.insert_str(0, &earlier.messages);
    }

    /// QEMU's stderr.
    pub(super) fn messages(&self) -> String {
        self.messages.clone()
    }
}

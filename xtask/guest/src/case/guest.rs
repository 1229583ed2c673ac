//! One guest of a test: its launch, session and logs.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;
use std::time::{Duration, Instant};

use attach::{LiveGuest, Registered};
use camino::{Utf8Path, Utf8PathBuf};
use host::clock::monotonic;
use host::test_time::Activity;
use qemu::last_words::LastWords;
use qemu::launch::argv::Fds;
use qemu::snapshots::SnapshotCommand;
use qemu::{QemuError, Vm, qmp};
use serde_json::Value;
use session::fold::Happened;
use session::protocol::Call;
use session::{Arrival, Handover, Host, Part, Policy, Replies, RunState, Start, conduct};
use verdict::event::{RunEvent, send};
use verdict::outcome::{Outcome, STATUS_HARD_ERROR};
use verdict::report::labels::is_fault;
use verdict::text::line;

use super::Case;
use super::conclusion::GuestResult;
use super::ending::{end, explained};
use super::entry::{Entered, Entry};
use super::export::RecordError;
use super::monitor::{Asker, is_slow};
use super::roster::Progress;
use super::shell;
use crate::debug::DebugPaths;
use evidence::backtrace::{self, Crashed};
use evidence::excerpt::Excerpt;
use evidence::logfile::LogFile;
use helpers::Reply;
use start::template::Resumed;
use verdict::contain::contain;

/// Time limit to query QEMU's run state. QEMU answers late while it loads a guest.
const STATE_WAIT: Duration = Duration::from_secs(1);

impl Case<'_> {
    /// Notes that a signal has stopped a QEMU which reached its time limit: the guest is not at fault.
    fn note_stopped(&self, pid: u32, outcome: &Outcome) {
        if matches!(outcome, Outcome::TimedOut { .. }) && host::load::is_stopped(pid) {
            let note = format!("QEMU reached the time limit: {}", Activity::Stopped);
            self.state().notes.push(note);
        }
    }

    /// Boots a guest and conducts its session.
    pub(super) fn boot(&self, order: &Order<'_>) -> Booted {
        let number = {
            let mut state = self.state();
            state.started += 1;
            state.started
        };
        let outcome = match Started::start(self, number, order) {
            Ok(started) => started.conduct(),
            Err(outcome) => {
                let end = GuestResult {
                    outcome: outcome.clone(),
                    part: Part::Last,
                };
                self.state().guests.push(end);
                outcome
            }
        };
        Booted {
            outcome,
            messages: self.setting.logs.join(log_name("qemu", number)),
        }
    }
}

/// The parameters of a `qemu` command of a host script.
pub(super) struct Order<'a> {
    /// Additional QEMU arguments.
    pub(super) extra: &'a [String],
    /// The base of relative paths in them.
    pub(super) directory: &'a Utf8Path,
    /// The expected result of the start.
    pub(super) start: Start,
    /// Whether the caller has exited.
    pub(super) is_gone: &'a (dyn Fn() -> bool + Sync),
}

/// The result of a guest.
pub(super) struct Booted {
    pub(super) outcome: Outcome,
    /// The file with QEMU's messages.
    pub(super) messages: Utf8PathBuf,
}

/// A running QEMU with its logs.
struct Started<'a> {
    case: &'a Case<'a>,
    number: usize,
    vm: Vm,
    /// The start time of QEMU.
    since: Instant,
    /// How long it took to restore a guest, or to start a boot.
    arrived: Duration,
    policy: Policy,
    handover: Handover,
    logs: Logs,
    is_gone: &'a (dyn Fn() -> bool + Sync),
    run_dir: Utf8PathBuf,
    /// The working directory of QEMU.
    directory: Utf8PathBuf,
    live: Registered,
}

/// The data of a guest's channels, as files.
struct Logs {
    console: LogFile,
    control: LogFile,
    excerpt: Excerpt,
}

impl Logs {
    /// Includes the data of a restored guest before its session.
    fn new(console: LogFile, control: LogFile, resumed: Option<&Resumed>) -> Self {
        let mut logs = Self {
            console,
            control,
            excerpt: Excerpt::default(),
        };
        if let Some(resumed) = resumed {
            logs.console.write(&resumed.console);
            logs.excerpt.write(&resumed.console);
            logs.control.write(&resumed.control);
        }
        logs
    }
}

impl<'a> Started<'a> {
    fn start(case: &'a Case<'a>, number: usize, order: &Order<'a>) -> Result<Self, Outcome> {
        let broken = |error: &(dyn std::error::Error + 'static)| Outcome::HarnessError {
            message: line(host::causes::one_line(error).as_bytes()),
        };
        let needs = case.setting.test.test.header.body.needs();
        let image = case.setting.arch.image.as_ref().filter(|_| needs.image);
        let image = image.ok_or_else(|| Outcome::HarnessError {
            message: "`qemu` in a test of kind `host`, which starts no guest".to_owned(),
        })?;
        let mut request = case.request(image, order.extra);
        let logs = &case.setting.logs;
        let prepared = || -> std::io::Result<_> {
            let run_dir = case.setting.scratch.join(format!("guest{number}"));
            host::scratch::create_private(&run_dir)?;
            let console = LogFile::create(&logs.join(log_name("console", number)))?;
            let control = LogFile::create(&logs.join(log_name("control", number)))?;
            Ok((run_dir, console, control, case.handover()))
        };
        let (run_dir, console, control, handover) = prepared().map_err(|error| broken(&error))?;
        let refused = |error: &QemuError| match error {
            // Neither the test nor the host is at fault.
            QemuError::Removed { .. } => Outcome::Skipped {
                reason: line(host::causes::one_line(error).as_bytes()),
            },
            error => broken(error),
        };
        case.record(&request, order.directory, &handover)
            .map_err(|error| match error {
                RecordError::Line(error) => refused(&error),
                error @ RecordError::File(_) => broken(&error),
            })?;
        let suffix = log_suffix(number);
        let paths = DebugPaths {
            run_dir: &run_dir,
            logs,
            suffix: &suffix,
        };
        let debug = &case.setting.config.debug;
        let wrapper = debug.wrapper(request.emulator.binary, paths);
        let wrapper = wrapper.map_err(|error| broken(&error))?;
        let fds = Fds {
            qmp: 3,
            console: 4,
            control: 5,
        };
        request.options.extend(debug.options(paths));
        if let Some(wrapper) = &wrapper {
            request.emulator.binary = wrapper;
        }
        let mut launch = request.resolve().map_err(|error| refused(&error))?;
        launch.boots_own_files |= case.host_files.is_some();
        case.state().devices.extend(launch.device_types());
        let since = monotonic();
        // A template may be made or waited for first.
        let held = case.clock.hold();
        let entered = case.enter_guest(&Entry {
            number,
            launch: &launch,
            refused: order.start == Start::Refused,
            directory: order.directory,
            run_dir: &run_dir,
            wrapped: wrapper.is_some(),
        });
        drop(held);
        let Entered {
            vm,
            launch,
            resumed,
        } = entered.map_err(|error| broken(&error))?;
        let arrived = since.elapsed();
        let line = [vec![launch.binary.to_string()], launch.argv(fds)].concat();
        let line = host::process::command::quote_line(&line) + "\n";
        fs_err::write(logs.join(log_name("argv", number)), line).map_err(|error| broken(&error))?;
        for text in debug.lines(&case.setting.arch.arch, paths) {
            send(case.setting.events, RunEvent::Note { text });
        }
        if let Some(qemu_test) = &case.qemu_test {
            qemu_test.begin_log().map_err(|error| broken(&error))?;
        }
        case.clock.follow(vm.pid());
        let keys = vm.console_input().map_err(|error| broken(&error))?;
        let name = launch.name.clone();
        case.roster
            .enter(number, name.clone(), vm.qmp().clone(), Some(keys));
        let registered = case.register(name, vm.qmp(), &run_dir);
        Ok(Self {
            case,
            number,
            vm,
            since,
            arrived,
            policy: case.policy(&launch, order.start, resumed.as_ref()),
            handover,
            logs: Logs::new(console, control, resumed.as_ref()),
            is_gone: order.is_gone,
            run_dir,
            directory: order.directory.to_owned(),
            live: registered,
        })
    }

    fn conduct(mut self) -> Outcome {
        let client = self.vm.qmp().clone();
        let over = AtomicBool::new(false);
        let keys = match self.vm.console_input() {
            Ok(keys) => keys,
            Err(error) => {
                let message = error.to_string();
                return Outcome::HarnessError { message };
            }
        };
        let pid = self.vm.pid();
        let conducted = std::thread::scope(|scope| {
            let mut desk = GuestDesk {
                case: self.case,
                number: self.number,
                client: &client,
                logs: &mut self.logs,
                is_gone: self.is_gone,
                over: &over,
                keys: &keys,
                live: self.live.guest(),
                pid,
                boots: self.policy.arrival == Arrival::Boot,
                failed_at: None,
                shell_is_open: false,
                scope,
            };
            let conducted = conduct(&mut self.vm, &self.policy, &self.handover, &mut desk);
            // Ends commands that the guest still waits for.
            over.store(true, Ordering::SeqCst);
            self.case.note_stopped(pid, &conducted.outcome);
            end(&self.vm, conducted, self.case.boot_limit())
        });
        self.case.roster.note(self.number, Progress::Ended);
        // Users leave first. QEMU ends and has exited then, so that its log is complete.
        drop((self.live, self.vm));
        self.case.clock.forget(pid);
        let lived = self.since.elapsed();
        let logs = &self.case.setting.logs;
        let messages = logs.join(log_name("qemu", self.number));
        let words = if conducted.outcome == Outcome::Passed {
            LastWords::default()
        } else {
            let log = fs_err::read(self.run_dir.join(qemu::vm::LOG)).unwrap_or_default();
            LastWords::of(&String::from_utf8_lossy(&log))
        };
        let kept = [
            fs_err::copy(self.run_dir.join(qemu::vm::LOG), messages).map(|_| ()),
            fs_err::remove_dir_all(&self.run_dir),
            self.logs.console.finish(),
            self.logs.control.finish(),
        ];
        let backtrace = match conducted.outcome {
            Outcome::QemuCrashed { .. } => {
                let crashed = Crashed {
                    binary: &self.case.setting.arch.binary,
                    directory: &self.directory,
                    pid,
                    path: &self.case.setting.config.path,
                };
                let log = logs.join(log_name("backtrace", self.number));
                backtrace::keep(crashed, &log).unwrap_or_else(|error| Some(error.to_string()))
            }
            _ => None,
        };
        let debug = &self.case.setting.config.debug;
        if let Some(text) = debug.afterwards(logs, &log_suffix(self.number)) {
            send(self.case.setting.events, RunEvent::Note { text });
        }
        let mut state = self.case.state();
        state.notes.extend(backtrace);
        state.devices.extend(client.devices());
        let failed = kept.into_iter().filter_map(Result::err);
        state.notes.extend(failed.map(|error| error.to_string()));
        state.booted += self.arrived + conducted.boot;
        state.was_ready |= conducted.was_ready;
        state.lived += lived;
        let dropped = client.inbox().dropped();
        if dropped > 0 {
            let note = format!("dropped {dropped} unread events of QEMU");
            state.notes.push(note);
        }
        // A fault of one guest is more important than the console of another.
        let lines = self.logs.excerpt.lines();
        if is_fault(&lines) || !is_fault(&state.console_tail) {
            state.console_tail = lines;
        }
        let outcome = explained(conducted.outcome, words.explanation());
        let (outcome, part) = match (outcome, self.policy.start) {
            // A sanitizer ends QEMU with an exit status too.
            (Outcome::QemuDidNotStart { message }, Start::Refused)
                if words.explanation().is_some() =>
            {
                let cause = format!("expected QEMU to refuse to start, but it failed: {message}");
                (Outcome::Failed { cause }, Part::Last)
            }
            (Outcome::QemuDidNotStart { .. }, Start::Refused) => (Outcome::Passed, Part::Passage),
            (outcome, _) => (outcome, conducted.part),
        };
        state.guests.push(GuestResult {
            outcome: outcome.clone(),
            part,
        });
        outcome
    }
}

/// The names of the first guest's logs have no number.
fn log_name(kind: &str, number: usize) -> String {
    let extension = if kind == "argv" { "" } else { ".log" };
    format!("{kind}{}{extension}", log_suffix(number))
}

fn log_suffix(number: usize) -> String {
    if number == 1 {
        String::new()
    } else {
        format!(".{number}")
    }
}

/// The runner, from the view of a guest's session.
struct GuestDesk<'scope, 'env> {
    case: &'env Case<'env>,
    number: usize,
    client: &'env qmp::Client,
    logs: &'env mut Logs,
    is_gone: &'env (dyn Fn() -> bool + Sync),
    over: &'env AtomicBool,
    /// The guest's console input.
    keys: &'env UnixStream,
    /// The guest, for users who attach to it.
    live: &'env LiveGuest,
    /// QEMU's process id.
    pid: u32,
    /// Whether the guest boots here, which measures the speed of the host.
    boots: bool,
    /// The location at which the guest script ended early.
    failed_at: Option<String>,
    shell_is_open: bool,
    scope: &'scope Scope<'scope, 'env>,
}

impl GuestDesk<'_, '_> {
    /// The guest is about to start a shell on its console: forwards the user's input from now on.
    fn open_shell(&mut self, call: &Call) -> (i32, String) {
        let Some(keyboard) = &self.case.setting.config.debug.keyboard else {
            return (2, "shell: not requested\n".to_owned());
        };
        let name = self.case.setting.test.name();
        let status = call.args.join(" ");
        let status = format!("exit status {}", verdict::text::line(status.as_bytes()));
        let cause = match &self.failed_at {
            Some(place) => format!("{place}: {status}"),
            None => status,
        };
        let output = self.case.output_tail();
        let opened = RunEvent::ShellOpened {
            name,
            cause,
            output,
        };
        send(self.case.setting.events, opened);
        self.shell_is_open = true;
        let (keys, over) = (self.keys, self.over);
        // A guest that no longer reads has ended, which its session reports.
        self.scope.spawn(move || {
            let _ = keyboard.pass_on(keys, || over.load(Ordering::SeqCst));
        });
        (0, String::new())
    }
}

impl Host for GuestDesk<'_, '_> {
    fn output(&mut self, bytes: &[u8]) {
        self.case.print(bytes);
        self.case.log_for_script(bytes);
    }

    fn control(&mut self, bytes: &[u8]) {
        self.logs.control.write(bytes);
    }

    fn note(&mut self, text: String) {
        self.case.state().notes.push(text);
    }

    fn console(&mut self, bytes: &[u8]) {
        self.logs.console.write(bytes);
        self.logs.excerpt.write(bytes);
        self.case.log_for_script(bytes);
        if self.shell_is_open {
            let bytes = bytes.to_vec();
            send(self.case.setting.events, RunEvent::ShellOutput { bytes });
        }
    }

    fn failed_at(&mut self, args: &[String]) -> Option<String> {
        self.failed_at = self.case.failed_at(args);
        self.failed_at.clone()
    }

    fn ready(&mut self) {
        self.logs.excerpt.begin_test();
        if self.boots {
            self.case.note_boot(self.pid);
        }
        self.case.roster.note(self.number, Progress::Ready);
    }

    fn call(&mut self, call: &Call, replies: &Arc<Replies>) -> Option<(i32, String)> {
        if call.word == "shell" {
            return Some(self.open_shell(call));
        }
        let is_for_user = shell::is_command(&call.word);
        if !is_for_user {
            self.case.record_word(&call.word);
        }
        let (case, over, client, live) = (self.case, self.over, self.client, self.live);
        let request = call.clone();
        let answer = move || {
            let is_gone = || over.load(Ordering::SeqCst);
            let asker = Asker {
                own: Some(client),
                is_gone: &is_gone,
            };
            let reply = if is_for_user {
                shell::answer(&live.shell, &request, &is_gone)
            } else {
                case.shared_word(&request.word, &request.args, asker)
            };
            let unknown = || Reply::error(2, format!("unknown command `{}`", request.word));
            let reply = reply.unwrap_or_else(unknown);
            let text = if reply.status == 0 {
                reply.stdout
            } else {
                reply.stderr
            };
            (reply.status, text)
        };
        if !is_for_user && !is_slow(&call.word) {
            return Some(answer());
        }
        // A waiting command blocks neither the guest's channel nor its other commands.
        let (id, replies) = (call.id, Arc::clone(replies));
        let thread = std::thread::Builder::new().name(call.word.clone());
        let started = thread.spawn_scoped(self.scope, move || {
            let (status, text) = contain(answer).unwrap_or_else(|message| {
                case.note_broken(&message);
                (STATUS_HARD_ERROR, message + "\n")
            });
            replies.put(id, status, text);
        });
        let error = started.err()?;
        Some((STATUS_HARD_ERROR, format!("{}: {error}\n", call.word)))
    }

    fn snapshots(&mut self) -> Vec<SnapshotCommand> {
        self.client.take_snapshots()
    }

    fn run_state(&mut self) -> RunState {
        let answer = self.client.execute("query-status", Value::Null, STATE_WAIT);
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.is_deadline() => return RunState::Busy,
            Err(_) => return RunState::Unknown,
        };
        match answer["status"].as_str() {
            Some("inmigrate" | "prelaunch") => RunState::Incoming,
            Some("running") => RunState::Running,
            Some("postmigrate") => RunState::Migrated,
            Some(_) => RunState::Stopped,
            None => RunState::Unknown,
        }
    }

    fn stop(&mut self) -> Option<Happened> {
        if host::interrupt::received().is_some() {
            return Some(Happened::Interrupted);
        }
        // If QEMU has exited, that explains why the caller has, and its exit is about to be
        // reported.
        ((self.is_gone)() && !self.client.inbox().is_closed()).then_some(Happened::Abandoned)
    }
}

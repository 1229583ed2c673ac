//! The host script of a test: its process, its helper commands, and the combined outcome.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::process::{Command, Running, Stdio};
use host::test_time::{Deadline, TestClock};
use host::tools::find_in;
use host::wait::{self, Countdown as _, Limit, NotReceived};
use qemu::tools::variable;
use session::fold;
use session::{SCRATCH, Start};
use suite::Scripts;
use verdict::outcome::{Outcome, STATUS_HARD_ERROR};
use verdict::text::line;

use super::conclusion::{Evidence, HostScriptExit, combine};
use super::guest::{Booted, Order};
use super::monitor::Asker;
use super::qemu_test;
use super::{Case, Setting};
use helpers::serve::FileServer;
use helpers::{Caller, Desk, Reply, Request, attended};

/// Extra time for the host script, so that a guest's own limit expires first.
const MARGIN: Duration = Duration::from_secs(2);
/// Extra time after the host script has ended, because a process that left the group may still hold
/// its output.
const STRAGGLERS: Duration = Duration::from_millis(500);
/// Maximum number of queued pieces of output.
const PIECES: usize = 16;
/// Time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_millis(500);

/// Runs the host script, and the guests that it starts.
pub(super) fn run(case: &Case<'_>, scripts: Scripts) -> Outcome {
    let socket = case.setting.scratch.join("words");
    // The script and its helper commands wait for Kiln, and Kiln for them.
    let clock = TestClock::of_own_threads();
    let end = attended(&socket, &clock, case, || supervise(case, &socket, &clock));
    let state = case.state();
    match end {
        Ok(Ok(end)) => {
            let output = case.output.lock();
            let output = output.unwrap_or_else(std::sync::PoisonError::into_inner);
            let last_line = output.tail.last();
            let evidence = Evidence {
                script: fold::EndReport {
                    skip: state.skip.as_deref(),
                    fail: state.fail.as_deref(),
                    failed_at: state.failed_at.as_deref(),
                    last_line: last_line.as_deref(),
                },
                in_background: case
                    .statements
                    .in_background
                    .iter()
                    .any(|word| word == "qemu"),
                migrated_away: case.handoff.is_open(),
            };
            combine(scripts, end, &state.guests, evidence)
        }
        Ok(Err(message)) => Outcome::HarnessError { message },
        Err(error) => Outcome::HarnessError {
            message: error.to_string(),
        },
    }
}

/// Starts the host script and waits for its end, at most until its limit.
fn supervise(
    case: &Case<'_>,
    socket: &Utf8Path,
    clock: &TestClock,
) -> Result<HostScriptExit, String> {
    let (output, near) = std::io::pipe().map_err(|error| error.to_string())?;
    let far = near.try_clone().map_err(|error| error.to_string())?;
    let files = case.setting.scratch.join("files");
    let script = case.setting.scratch.join(super::MARKED);
    let setting = case.setting;
    let mut command = Command::new("/bin/sh")
        // The shell prints `$0` in its messages, together with lines of the script.
        .arg("-c")
        .arg(&setting.library.host)
        .arg(setting.test.test.shown_path())
        .arg(script)
        .whole_family()
        .without_secrets()
        .current_dir(&files)
        .env("KILN", &setting.config.kiln)
        .env("KILN_SOCKET", socket)
        .env("QEMU_TEST", "1")
        .env("KILN_CALLS_ITSELF", case.calls_itself())
        // Set because the scripts run with `set -u`. A run never creates a new fingerprint.
        .env("QEMU_TEST_GEN_FINGERPRINT", "")
        .env("tmplog", setting.scratch.join(qemu_test::LOG))
        .env("KILN_TEST", &setting.test.test.path)
        .env("KILN_ARCH", setting.test.arch)
        .env("KILN_MACHINE", case.machine_name)
        .env(
            "KILN_VIRTIO",
            case.machine.virtio.as_deref().unwrap_or_default(),
        )
        .env("KILN_SEED", setting.job.seed.to_string())
        .env("KILN_WAIT", case.wait_seconds())
        .env("QEMU", &setting.arch.binary)
        .stdout(Stdio::Fd(near.into()))
        .stderr(Stdio::Fd(far.into()));
    for name in SCRATCH {
        command = command.env(name, &files);
    }
    if let Some(image) = &setting.arch.image {
        command = command.env("KILN_IMAGE", &image.directory);
    }
    for (name, path) in qemu_tools(setting) {
        command = command.env(name, path);
    }
    let running = command.spawn().map_err(|error| error.to_string())?;
    case.clock.follow(running.pid());
    let _followed = clock.follow_while(running.pid());
    let (pieces, arrivals) = sync_channel(PIECES);
    // Not scoped, because a process that holds the output forever must not block the run.
    std::thread::Builder::new()
        .name("script output".to_owned())
        .spawn(move || read_all(output, &pieces))
        .map_err(|error| error.to_string())?;
    let (ended, flooded) = (OnceLock::new(), AtomicBool::new(false));
    let (ended, flooded) = (&ended, &flooded);
    let end = std::thread::scope(|scope| {
        scope.spawn(move || {
            if !pump(&arrivals, ended, flooded, |bytes| case.print(bytes)) {
                let left = "a process of `in_host` in another process group is still running";
                case.state().notes.push(left.to_owned());
            }
        });
        let end = watch(case, &running, flooded, clock);
        case.clock.forget(running.pid());
        ended.get_or_init(|| clock.deadline(STRAGGLERS));
        end
    });
    // Now all its output has been counted.
    let flooded = flooded.load(Ordering::SeqCst);
    Ok(if flooded {
        HostScriptExit::Flooded
    } else {
        end
    })
}

/// Waits for the host script. Boot times of guests do not count.
fn watch(
    case: &Case<'_>,
    running: &Running,
    flooded: &AtomicBool,
    clock: &TestClock,
) -> HostScriptExit {
    let started = case.clock.now();
    let is_late = || {
        let boots = u32::try_from(case.state().started).unwrap_or(u32::MAX);
        let boot_time = case.boot_limit().saturating_mul(boots.min(BOOTS_COUNTED));
        let end = match case.clock.renewed_limit() {
            Some(renewed) => renewed.end,
            None => started + case.test_limit() + boot_time,
        };
        case.clock.now() > end + MARGIN
    };
    let has_flooded = || flooded.load(Ordering::SeqCst);
    let is_over = || has_flooded() || host::interrupt::is_pending() || is_late();
    if let Ok(status) = running.wait_until(Limit::unless(&is_over)) {
        return HostScriptExit::Exited(status);
    }
    if has_flooded() {
        running.kill();
        return HostScriptExit::Flooded;
    }
    running.terminate(Limit::while_left(&clock.deadline(GRACE)));
    if host::interrupt::is_pending() {
        HostScriptExit::Interrupted
    } else {
        HostScriptExit::TimedOut(case.test_limit())
    }
}

/// Number of boots that do not count, so that a host script that boots guests forever ends.
const BOOTS_COUNTED: u32 = 16;

/// Reads until the host script and all its descendants have ended, or the receiver is gone.
fn read_all(mut output: impl Read, pieces: &SyncSender<Vec<u8>>) {
    let mut piece = vec![0; 16 << 10];
    while let Ok(length @ 1..) = output.read(&mut piece) {
        if pieces.send(piece[..length].to_vec()).is_err() {
            return;
        }
    }
}

/// Forwards the output of the host script until its end and a moment longer. Returns false if a
/// process still holds the output then.
fn pump(
    arrivals: &Receiver<Vec<u8>>,
    ended: &OnceLock<Deadline>,
    flooded: &AtomicBool,
    print: impl Fn(&[u8]),
) -> bool {
    let is_over = || ended.get().is_some_and(|end| end.left().is_zero());
    let mut total = 0;
    // What has arrived is printed even if this thread ran too late.
    while total <= session::FLOOD || !is_over() {
        match wait::receive(arrivals, Limit::unless(&is_over)) {
            Ok(piece) => {
                total += piece.len() as u64;
                // Continues to read after a flood, so that the script can end.
                if total <= session::FLOOD {
                    print(&piece);
                } else {
                    flooded.store(true, Ordering::SeqCst);
                }
            }
            Err(NotReceived::GaveUp(_)) => break,
            Err(NotReceived::Closed) => return true,
        }
    }
    false
}

impl Desk for Case<'_> {
    fn broke(&self, message: &str) {
        self.note_broken(message);
    }

    fn answer(&self, request: &Request, caller: &Caller<'_>) -> Reply {
        if request.word != "failed_at" {
            self.record_word(&request.word);
        }
        let text = || line(request.args.join(" ").as_bytes());
        match request.word.as_str() {
            "qemu" => self.qemu(request, caller),
            "expect_fail" => self.expect_fail(request, caller),
            "offered" => self.offered(request),
            "serve" => self.serve(request),
            "console_write" => self.console_write(request, caller),
            "chardev_write" => self.chardev_write(request, caller),
            "skip" => {
                self.state().skip.get_or_insert_with(text);
                Reply::done("")
            }
            "failed_at" => {
                let place = self.failed_at(&request.args);
                let mut state = self.state();
                state.failed_at = state.failed_at.take().or(place);
                Reply::done("")
            }
            "fail" => {
                self.state().fail.get_or_insert_with(text);
                Reply::done("")
            }
            word => {
                let asker = Asker {
                    own: None,
                    is_gone: &|| caller.is_gone(),
                };
                self.shared_word(word, &request.args, asker)
                    .unwrap_or_else(|| Reply::error(2, format!("unknown command `{word}`")))
            }
        }
    }
}

impl Case<'_> {
    fn qemu(&self, request: &Request, caller: &Caller<'_>) -> Reply {
        let is_gone = || caller.is_gone();
        let outcome = self
            .start(&request.args, request, Start::Wanted, &is_gone)
            .outcome;
        match outcome.cause() {
            cause if cause.is_empty() => Reply::done(""),
            cause => {
                let why = format!("qemu: {}: {cause}", outcome.label());
                Reply::error(outcome.status(), why)
            }
        }
    }

    /// `expect_fail qemu …`: returns QEMU's message when it refused to start.
    fn expect_fail(&self, request: &Request, caller: &Caller<'_>) -> Reply {
        let words = request.args.split_first();
        let Some((_, args)) = words.filter(|(word, _)| *word == "qemu") else {
            return Reply::error(2, "expect_fail: expected `qemu`");
        };
        let is_gone = || caller.is_gone();
        let booted = self.start(args, request, Start::Refused, &is_gone);
        match (booted.outcome, fs_err::read(booted.messages)) {
            (Outcome::Passed, Ok(messages)) => Reply::done(String::from_utf8_lossy(&messages)),
            (Outcome::Passed, Err(error)) => Reply::error(STATUS_HARD_ERROR, error),
            (outcome, _) => Reply::error(1, format!("expect_fail qemu: {}", outcome.cause())),
        }
    }

    fn start(
        &self,
        extra: &[String],
        request: &Request,
        start: Start,
        is_gone: &(dyn Fn() -> bool + Sync),
    ) -> Booted {
        self.boot(&Order {
            extra,
            directory: &request.cwd,
            start,
            is_gone,
        })
    }

    /// `offered NAME`: all values of a choice in the header.
    fn offered(&self, request: &Request) -> Reply {
        let [name] = request.args.as_slice() else {
            return Reply::error(2, "offered: expected the name of a choice");
        };
        match self.chooser.offered(name) {
            Ok(values) => Reply::done(values.join("\n") + "\n"),
            Err(error) => Reply::error(2, error),
        }
    }

    fn serve(&self, request: &Request) -> Reply {
        let [directory] = request.args.as_slice() else {
            return Reply::error(2, "serve: expected one directory");
        };
        match FileServer::start(&request.cwd.join(directory), &self.clock) {
            Ok(server) => {
                let url = server.guest_url();
                self.state().servers.push(server);
                Reply::done(format!("{url}\n"))
            }
            Err(error) => Reply::error(1, format!("serve: {error}")),
        }
    }
}

/// The paths of QEMU's tools by the variables for scripts. A test that boots a guest may use any
/// `qemu-img` to prepare its disks. Tools that a header requires are those of the QEMU under test.
fn qemu_tools(setting: &Setting<'_>) -> BTreeMap<String, Utf8PathBuf> {
    let header = &setting.test.test.header;
    let any = header.body.needs().image.then(|| {
        let tool = "qemu-img";
        let found = setting.arch.tools.find(tool);
        let found = found.or_else(|| find_in(tool, &setting.config.path));
        found.map(|path| (variable(tool), path))
    });
    let own = header.requires.qemu_tools.iter().filter_map(|tool| {
        let path = setting.arch.tools.find(tool)?;
        Some((variable(tool), path))
    });
    any.flatten().into_iter().chain(own).collect()
}

#[cfg(test)]
mod tests {
    use harness::clock::Steps;

    use super::*;

    /// What is printed of a script that has ended, and whether its output was closed.
    fn printed(arrivals: &Receiver<Vec<u8>>, ended: Option<Deadline>) -> (String, bool) {
        let printed = std::sync::Mutex::new(Vec::new());
        let print = |bytes: &[u8]| printed.lock().unwrap().extend_from_slice(bytes);
        let ended = ended.map_or_else(OnceLock::new, OnceLock::from);
        let flooded = AtomicBool::new(false);
        let is_closed = pump(arrivals, &ended, &flooded, print);
        assert!(!flooded.into_inner());
        (
            String::from_utf8(printed.into_inner().unwrap()).unwrap(),
            is_closed,
        )
    }

    #[test]
    fn inherited_output_does_not_hold_the_run() {
        let (pieces, arrivals) = sync_channel(PIECES);
        read_all(&b"last words"[..], &pieces);
        let ended = TestClock::of_own_threads().deadline(STRAGGLERS);
        let expect = ("last words".to_owned(), false);
        assert_eq!(printed(&arrivals, Some(ended)), expect);
        drop(pieces);
        assert_eq!(printed(&arrivals, None), (String::new(), true));
    }

    #[test]
    fn last_output_is_printed_by_a_late_thread() {
        let (pieces, arrivals) = sync_channel(PIECES);
        read_all(&b"last words"[..], &pieces);
        let ended = TestClock::default().deadline(Duration::ZERO);
        let expect = ("last words".to_owned(), false);
        assert_eq!(printed(&arrivals, Some(ended)), expect);
    }

    #[test]
    fn only_starved_reader_may_read_late() {
        let read = |steps: Steps| {
            let (pieces, arrivals) = sync_channel(PIECES);
            let steps = steps.until(3, move || read_all(&b"last words"[..], &pieces));
            let clock = TestClock::from_source(steps, 1.0);
            clock.follow(1);
            printed(&arrivals, Some(clock.deadline(STRAGGLERS)))
        };
        assert_eq!(read(Steps::starved()), ("last words".to_owned(), true));
        assert_eq!(read(Steps::idle()), (String::new(), false));
    }
}

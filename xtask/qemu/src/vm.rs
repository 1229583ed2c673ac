//! A running QEMU: its process, its channels, and all events merged into one stream.
//!
//! `guest` drives tests with it, and `probe` and `qtest` start their QEMUs the same way. It makes
//! no decisions about events: `history` collects them, and `console` parses the text.

mod channels;
#[cfg(test)]
mod tests;

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use host::process::{Command, Running, Stdio};
use host::test_time::TestClock;
use host::wait::{Countdown as _, Limit};
use serde_json::{Value, json};

use crate::error::QemuError;
use crate::event::QemuEvent;
use crate::launch::Launch;
use crate::launch::argv::Fds;
use crate::qmp;
use crate::queue::Queue;
use channels::{Writer, read_serial, read_stderr, read_stream};

pub use channels::write_within;

pub use host::process::ExitStatus as Exit;

/// The file in the run directory with QEMU's stdout and stderr.
pub const LOG: &str = "qemu.log";

/// An event of a running QEMU.
#[derive(Debug, Clone, PartialEq)]
pub enum VmEvent {
    /// Bytes from the first serial port.
    Console(Vec<u8>),
    /// Bytes from the control port.
    Control(Vec<u8>),
    /// An event of QMP.
    Qmp(QemuEvent),
    /// A line that QEMU wrote to stdout or stderr, without its newline.
    Stderr(String),
    /// A byte channel has ended.
    Ended(Port),
    /// A `Waker` was called.
    Woken,
    /// QEMU has exited. Nothing follows.
    Exited(Exit),
}

/// A byte channel from the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// The first serial port.
    Console,
    /// The control port.
    Control,
}

/// Interrupts a wait for the next event from another thread.
#[derive(Clone)]
pub struct Waker(Arc<Queue<VmEvent>>);

impl Waker {
    /// Makes `Vm::next` return `VmEvent::Woken`.
    pub fn wake(&self) {
        self.0.push(VmEvent::Woken);
    }
}

/// A running QEMU. Dropping it kills it with its process group and waits until it is reaped.
pub struct Vm {
    running: Running,
    queue: Arc<Queue<VmEvent>>,
    qmp: qmp::Client,
    console: Writer,
    control: Option<Writer>,
    killed: AtomicBool,
    exit: Option<Exit>,
    /// Stops while QEMU waits for a processor.
    clock: TestClock,
}

/// The process of a QEMU without its arguments.
#[derive(Debug, Clone, Copy)]
pub struct ProcessSpec<'a> {
    /// The QEMU binary.
    pub binary: &'a Utf8Path,
    /// The directory of QEMU's log and temporary files. The caller removes it.
    pub run_dir: &'a Utf8Path,
    /// The base of relative paths on the command line.
    pub directory: &'a Utf8Path,
}

impl Vm {
    /// Starts the QEMU of a launch. Returns once the process exists. The first event or QMP answer
    /// shows that QEMU accepted its command line. A guest that boots waits for [`Vm::release`].
    pub fn spawn(
        launch: &Launch,
        run_dir: &Utf8Path,
        directory: &Utf8Path,
    ) -> Result<Self, QemuError> {
        let spec = ProcessSpec {
            binary: &launch.binary,
            run_dir,
            directory,
        };
        Self::spawn_with(spec, launch.machine.control.is_some(), |fds| {
            launch.argv(fds)
        })
    }

    /// Starts the processors. The `RESUME` that follows is returned by [`Vm::next`] but not
    /// delivered to waiters of the inbox, because no test caused it.
    pub fn release(&self) {
        self.qmp.inbox().pass_over_resume();
        self.qmp.tell("cont");
    }

    /// Starts a QEMU with arbitrary arguments, which refer to the descriptors that they are given.
    pub fn spawn_with(
        spec: ProcessSpec<'_>,
        with_control: bool,
        argv: impl FnOnce(Fds) -> Vec<String>,
    ) -> Result<Self, QemuError> {
        let (qmp, qmp_far) = pair()?;
        let (console, console_far) = pair()?;
        let (control, control_far) = if with_control {
            pair().map(|(near, far)| (Some(near), Some(far)))?
        } else {
            (None, None)
        };
        let log = Utf8PathBuf::from(spec.run_dir).join(LOG);
        let log = fs_err::File::create(log).map_err(QemuError::io("cannot make QEMU's log"))?;
        let pipe = "cannot make a pipe for QEMU's messages";
        let (messages, stderr) = std::io::pipe().map_err(QemuError::io(pipe))?;
        let stdout = stderr.try_clone().map_err(QemuError::io(pipe))?;

        // A descriptor keeps its number in the child, so no remapping can overwrite a descriptor
        // that the child needs until it executes QEMU.
        let fds = Fds {
            qmp: qmp_far.as_raw_fd(),
            console: console_far.as_raw_fd(),
            control: control_far.as_ref().map_or(-1, AsRawFd::as_raw_fd),
        };
        let mut command = Command::new(spec.binary)
            .args(argv(fds))
            .current_dir(spec.directory)
            .without_secrets()
            .env("TMPDIR", spec.run_dir)
            .stdout(Stdio::Fd(OwnedFd::from(stdout)))
            .stderr(Stdio::Fd(OwnedFd::from(stderr)));
        for far in [Some(qmp_far), Some(console_far), control_far]
            .into_iter()
            .flatten()
        {
            let number = far.as_raw_fd();
            command = command.inherit_fd(OwnedFd::from(far), number);
        }
        let running = command.spawn().map_err(|error| QemuError::Spawn {
            binary: spec.binary.to_owned(),
            why: host::causes::one_line(&error),
        })?;

        let channels = Channels {
            qmp,
            console,
            control,
            messages,
            log,
        };
        Self::watch(running, channels).map_err(QemuError::io("cannot watch QEMU"))
    }

    fn watch(running: Running, channels: Channels) -> std::io::Result<Self> {
        let Channels {
            qmp,
            console,
            control,
            messages,
            log,
        } = channels;
        let queue = Arc::new(Queue::new(3 + usize::from(control.is_some())));
        let thread = |name: &str| std::thread::Builder::new().name(format!("qemu {name}"));

        let clock = TestClock::default();
        clock.follow(running.pid());
        let producer = Producer(Arc::clone(&queue));
        let (qmp, _reader) = qmp::Client::start(qmp, clock.clone(), move |incoming| {
            producer.0.push(match incoming {
                qmp::Incoming::Event(event) => VmEvent::Qmp(event),
                qmp::Incoming::Garbage(line) => VmEvent::Stderr(line),
            });
        })?;
        let stream = console.try_clone()?;
        let producer = Producer(Arc::clone(&queue));
        thread("console").spawn(move || {
            read_serial(stream, &producer.0, VmEvent::Console);
            producer.0.push(VmEvent::Ended(Port::Console));
        })?;
        if let Some(control) = &control {
            let stream = control.try_clone()?;
            let producer = Producer(Arc::clone(&queue));
            thread("control").spawn(move || {
                read_stream(stream, &producer.0, VmEvent::Control);
                producer.0.push(VmEvent::Ended(Port::Control));
            })?;
        }
        let producer = Producer(Arc::clone(&queue));
        thread("messages").spawn(move || read_stderr(messages, log, &producer.0))?;
        let (waiter, ended) = (running.waiter(), Arc::clone(&queue));
        thread("end").spawn(move || {
            let exit = waiter.block();
            // The last output of QEMU is read before its exit is reported.
            ended.wait_for_producers(&TestClock::of_own_threads());
            ended.push(VmEvent::Exited(exit));
        })?;
        Ok(Self {
            running,
            queue,
            qmp,
            clock,
            console: Writer::new(console, "console"),
            control: control.map(|stream| Writer::new(stream, "control channel")),
            killed: AtomicBool::new(false),
            exit: None,
        })
    }

    /// The next event, or `None` at the deadline and after `Exited`.
    pub fn next(&mut self, deadline: Instant) -> Option<VmEvent> {
        self.next_within(Limit::until(deadline))
    }

    /// The next event, or `None` at the limit and after `Exited`.
    pub fn next_within(&mut self, limit: Limit<'_>) -> Option<VmEvent> {
        if self.exit.is_some() {
            return None;
        }
        let event = self.queue.next(limit);
        if let Some(VmEvent::Exited(exit)) = event {
            self.exit = Some(exit);
        }
        event
    }

    /// The exit status, once `next` has returned it.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// Whether Kiln killed it.
    #[must_use]
    pub fn was_killed(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }

    /// The QMP client, whose clones may be used in any thread.
    #[must_use]
    pub fn qmp(&self) -> &qmp::Client {
        &self.qmp
    }

    /// The clock of waits for this QEMU.
    #[must_use]
    pub fn clock(&self) -> &TestClock {
        &self.clock
    }

    /// QEMU's run state: `running`, `paused`, `internal-error`, `guest-panicked`, ...
    pub fn status(&self, wait: Duration) -> Result<String, QemuError> {
        let status = self.execute("query-status", Value::Null, wait)?;
        let status = status.get("status").and_then(Value::as_str);
        Ok(status.unwrap_or_default().to_owned())
    }

    /// Executes a QMP command.
    pub fn execute(
        &self,
        command: &str,
        arguments: Value,
        wait: Duration,
    ) -> Result<Value, QemuError> {
        let failed = |source| QemuError::Qmp {
            command: command.to_owned(),
            source,
        };
        self.qmp.execute(command, arguments, wait).map_err(failed)
    }

    /// The guest's console input: the guest reads what is written here as if it were typed.
    pub fn console_input(&self) -> std::io::Result<UnixStream> {
        self.console.input()
    }

    /// Writes to the control port, or to the console if the launch has no port.
    pub fn send_control(&self, bytes: &[u8], wait: Duration) -> Result<(), QemuError> {
        self.control
            .as_ref()
            .unwrap_or(&self.console)
            .write(bytes, wait, &self.clock)
    }

    /// Returns a handle that interrupts a wait of `next`.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.queue))
    }

    /// Reads a channel to its end: QEMU's output so far arrives as events, then `VmEvent::Ended`,
    /// and QEMU cannot write to it any more. For a guest that has migrated to another QEMU.
    pub fn finish_reading(&self, port: Port) -> Result<(), QemuError> {
        let writer = match port {
            Port::Console => Some(&self.console),
            Port::Control => self.control.as_ref(),
        };
        writer.map_or(Ok(()), Writer::finish_reading)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Kills it and its process group immediately.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        let _exit = self.running.kill();
    }

    /// Ends QEMU over QMP, then with SIGTERM, and kills it at the time limit, in test time. Events
    /// before its exit can still be read.
    pub fn quit(&self, wait: Duration) -> Exit {
        let end = self.clock.deadline(wait);
        // QEMU may close the connection before it answers. An unresponsive QEMU gets the signal.
        let _answer = self.qmp.execute("quit", json!({}), wait / 2);
        let half = self.clock.deadline(end.left() / 2);
        if let Ok(exit) = self.running.wait_until(Limit::while_left(&half)) {
            return exit;
        }
        self.killed.store(true, Ordering::SeqCst);
        self.running.terminate(Limit::while_left(&end))
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // Wakes reader threads that wait for space. `Running` kills and reaps after this.
        self.queue.close();
    }
}

/// This process's ends of a QEMU's channels.
struct Channels {
    qmp: UnixStream,
    console: UnixStream,
    control: Option<UnixStream>,
    messages: std::io::PipeReader,
    log: fs_err::File,
}

/// Reports the end of a producer thread to the queue, however it ends.
struct Producer(Arc<Queue<VmEvent>>);

impl Drop for Producer {
    fn drop(&mut self) {
        self.0.producer_ended();
    }
}

fn pair() -> Result<(UnixStream, UnixStream), QemuError> {
    UnixStream::pair().map_err(QemuError::io("cannot make a socket pair"))
}

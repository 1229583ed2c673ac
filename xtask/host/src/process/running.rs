//! A running child: its pipes, its end, and how to end it.
//!
//! One thread starts the child and stays until it has reaped it, because the parent-death signal
//! follows the *thread* that started the child, not the process. The leader stays a zombie until
//! its group has been killed, so a signal never reaches a process id that the system has reused.

use std::io;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Signal, WaitId, WaitIdOptions};

use super::command::Prepared;
use super::{Command, ExitStatus, ProcessError};
use crate::children::{self, Child as _};
use crate::wait::{self, GaveUp, Limit};
use crate::{family, guard, interrupt};

/// The state that the threads and handles of a child share.
#[derive(Debug)]
pub(super) struct Shared {
    pid: Pid,
    own_group: bool,
    family: bool,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug)]
enum State {
    /// The child is not reaped, so its process id is valid.
    Alive,
    Ended(ExitStatus),
}

impl children::Child for Shared {
    /// Signals the child, and its group if it leads one. Does nothing once the child was reaped.
    fn signal(&self, signal: Signal) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Alive) {
            self.signal_now(signal);
        }
    }
}

impl Shared {
    /// Signals without a check. The child must not be reaped yet.
    fn signal_now(&self, signal: Signal) {
        if self.family && signal == Signal::KILL {
            // All of them are descendants while their supervisor lives.
            family::end_descendants(self.pid);
        }
        // Both fail only if no process is left to signal, which is the goal.
        let _ = if self.own_group {
            rustix::process::kill_process_group(self.pid, signal)
        } else {
            rustix::process::kill_process(self.pid, signal)
        };
    }

    fn wait(&self, limit: Limit<'_>) -> Result<ExitStatus, GaveUp> {
        wait::until(&self.state, &self.ended, limit, |state| match state {
            State::Ended(status) => Some(*status),
            State::Alive => None,
        })
    }

    /// Waits for the leader, kills the rest of its group, reaps it and notifies all waiters.
    fn reap(&self, mut child: Child) {
        let exited = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while rustix::process::waitid(WaitId::Pid(self.pid), exited)
            .is_err_and(|error| error == rustix::io::Errno::INTR)
        {}
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.own_group {
            self.signal_now(Signal::KILL);
        }
        let status = child.wait().map_or(ExitStatus::Code(-1), ExitStatus::from);
        *state = State::Ended(status);
        drop(state);
        children::remove(self.pid.as_raw_nonzero().get().unsigned_abs());
        self.ended.notify_all();
    }
}

/// Waits for the end of a child from another thread. Does not keep the child alive.
#[derive(Debug, Clone)]
pub struct Waiter(Arc<Shared>);

impl Waiter {
    /// The exit status, or `None` if the child has not ended within the limit.
    #[must_use]
    pub fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        self.0.wait(Limit::within(limit)).ok()
    }

    /// Blocks until the child ends. The owner keeps the deadline: dropping [`Running`] ends the
    /// child.
    #[must_use]
    pub fn block(&self) -> ExitStatus {
        // Without a limit, only the end of the child ends the wait.
        self.0
            .wait(Limit::default())
            .unwrap_or(ExitStatus::Code(-1))
    }

    /// Signals the child and its group. Does nothing once it has ended.
    pub fn signal(&self, signal: i32) {
        if let Some(signal) = Signal::from_named_raw(signal) {
            self.0.signal(signal);
        }
    }
}

/// A started child. Dropping it kills the child and its group and waits until it is reaped.
#[derive(Debug)]
pub struct Running {
    /// The pipe to its stdin, if configured. Dropping it closes stdin.
    pub stdin: Option<ChildStdin>,
    /// The pipe from its stdout, if configured.
    pub stdout: Option<ChildStdout>,
    /// The pipe from its stderr, if configured.
    pub stderr: Option<ChildStderr>,
    shared: Arc<Shared>,
}

impl Command {
    /// Starts the child.
    pub fn spawn(self) -> Result<Running, ProcessError> {
        interrupt::check()?;
        let Prepared {
            mut command,
            label,
            own_group,
            guarded,
            family,
        } = self.into_std()?;
        let (started, start) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name(format!("child {label}"));
        let spawned = thread.spawn(move || {
            let child = command.spawn();
            // Closes this process's copies of the descriptors for the child.
            drop(command);
            let mut child = match child {
                Ok(child) => child,
                Err(error) => {
                    // The receiver waits for exactly this message.
                    let _ = started.send(Err(error));
                    return;
                }
            };
            let pid = Pid::from_child(&child);
            let state = Mutex::new(State::Alive);
            let shared = Arc::new(Shared {
                pid,
                own_group,
                family,
                state,
                ended: Condvar::new(),
            });
            children::add(child.id(), &shared);
            if !guarded {
                // Without the guard, the limit is set slightly after the program has started.
                let none = guard::no_core_dump(rustix::process::getrlimit(Resource::Core));
                let _ = rustix::process::prlimit(Some(pid), Resource::Core, none);
            }
            let running = Running {
                stdin: child.stdin.take(),
                stdout: child.stdout.take(),
                stderr: child.stderr.take(),
                shared: Arc::clone(&shared),
            };
            let _ = started.send(Ok(running));
            shared.reap(child);
        });
        let result = spawned.and_then(|_| start.recv().map_err(io::Error::other)?);
        let running = result.map_err(|source| ProcessError::Spawn {
            program: label,
            source,
        })?;
        // An interruption between the first check and the registration has missed this child.
        interrupt::check()?;
        Ok(running)
    }
}

impl Running {
    /// The process id of the child, which is also that of its group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.shared.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// The exit status, or `None` if the child has not ended within the limit.
    #[must_use]
    pub fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        self.wait_until(Limit::within(limit)).ok()
    }

    /// Waits for the exit status, up to the limit.
    pub fn wait_until(&self, limit: Limit<'_>) -> Result<ExitStatus, GaveUp> {
        self.shared.wait(limit)
    }

    /// The exit status, if the child has ended.
    #[must_use]
    pub fn try_wait(&self) -> Option<ExitStatus> {
        self.wait(Duration::ZERO)
    }

    /// A handle with which other threads can wait.
    #[must_use]
    pub fn waiter(&self) -> Waiter {
        Waiter(Arc::clone(&self.shared))
    }

    /// Sends SIGTERM to the group, waits for the grace period, then kills it.
    #[expect(clippy::must_use_candidate, reason = "how it ended may not matter")]
    pub fn terminate(&self, grace: Limit<'_>) -> ExitStatus {
        self.shared.signal(Signal::TERM);
        self.wait_until(grace).unwrap_or_else(|_| self.kill())
    }

    /// Kills the group and returns when the child was reaped.
    #[expect(clippy::must_use_candidate, reason = "how it ended may not matter")]
    pub fn kill(&self) -> ExitStatus {
        self.shared.signal(Signal::KILL);
        self.waiter().block()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::super::Stdio;
    use super::*;
    use std::collections::BTreeSet;
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::os::fd::OwnedFd;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Command {
        Command::new("sh").args(["-c", script]).stdout(Stdio::Pipe)
    }

    /// Waits until the process is gone, or is a zombie. SIGKILL takes effect with a delay.
    fn dies(pid: &str) -> bool {
        let is_dead = || {
            let stat = fs_err::read_to_string(format!("/proc/{}/stat", pid.trim()));
            let zombie =
                |stat: String| stat.rsplit(')').next().is_some_and(|s| s.starts_with(" Z"));
            stat.map_or(true, zombie)
        };
        wait::poll(Limit::within(LIMIT), || is_dead().then_some(())).is_ok()
    }

    fn first_line(running: &mut Running) -> String {
        let mut line = String::new();
        let stdout = running.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        line
    }

    #[test]
    fn the_exit_code_and_the_signal_are_reported() {
        let check = |script: &str, status: ExitStatus| {
            assert_eq!(
                shell(script).spawn().expect("starts").wait(LIMIT),
                Some(status)
            );
        };
        check("exit 0", ExitStatus::Code(0));
        check("exit 77", ExitStatus::Code(77));
        check("kill -SEGV $$", ExitStatus::Signal(11));
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let running = shell("exec sleep 1000").spawn().expect("starts");
        assert_eq!(running.wait(Duration::from_millis(10)), None);
        assert_eq!(running.try_wait(), None);
    }

    #[test]
    fn dropping_a_child_kills_its_grandchildren() {
        let mut running = shell("sleep 1000 & echo $!; wait").spawn().expect("starts");
        let grandchild = first_line(&mut running);
        drop(running);
        assert!(dies(&grandchild));
    }

    #[test]
    fn child_leftovers_end_with_it() {
        let mut running = shell("sleep 1000 & echo $!").spawn().expect("starts");
        let grandchild = first_line(&mut running);
        assert_eq!(running.wait(LIMIT), Some(ExitStatus::Code(0)));
        assert!(dies(&grandchild));
    }

    #[test]
    fn child_ignoring_terminate_is_killed() {
        let mut running = shell("trap '' TERM; echo ready; while :; do sleep 1000; done")
            .spawn()
            .expect("starts");
        first_line(&mut running);
        assert_eq!(
            running.terminate(Limit::within(Duration::from_millis(50))),
            ExitStatus::Signal(9)
        );
    }

    #[test]
    fn child_ending_on_request_keeps_status() {
        let mut running = shell("trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done")
            .spawn()
            .unwrap();
        first_line(&mut running);
        assert_eq!(running.terminate(Limit::within(LIMIT)), ExitStatus::Code(5));
    }

    #[test]
    fn a_waiter_sees_the_end_from_another_thread() {
        let running = shell("exec sleep 1000").spawn().expect("starts");
        let waiter = running.waiter();
        let thread = thread::spawn(move || waiter.block());
        drop(running);
        assert_eq!(thread.join().expect("no panic"), ExitStatus::Signal(9));
    }

    #[test]
    fn stdin_is_empty_unless_requested() {
        let mut running = shell("cat; echo end").spawn().expect("starts");
        assert_eq!(first_line(&mut running), "end\n");
        let mut running = shell("cat").stdin(Stdio::Pipe).spawn().expect("starts");
        running
            .stdin
            .take()
            .expect("a pipe")
            .write_all(b"hello\n")
            .expect("written");
        assert_eq!(first_line(&mut running), "hello\n");
    }

    #[test]
    fn inherited_descriptor_keeps_its_number() {
        let list = |command: Command| -> BTreeSet<String> {
            let output = command.output(LIMIT).expect("runs");
            output
                .stdout_text()
                .split_whitespace()
                .map(str::to_owned)
                .collect()
        };
        let script = "if test \"$1\"; then echo through >&$1; fi; ls /proc/self/fd";
        let command = || Command::new("sh").args(["-c", script, "sh"]);
        // Children may also inherit descriptors with which this process was started.
        let before = list(command());
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let after = list(command().arg("7").inherit_fd(OwnedFd::from(writer), 7));
        let new: Vec<_> = after.difference(&before).collect();
        assert_eq!(new, ["7"]);
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("read");
        assert_eq!(text, "through\n");
    }

    #[test]
    fn one_number_for_two_descriptors_is_refused() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let command = Command::new("true")
            .inherit_fd(reader.into(), 4)
            .inherit_fd(writer.into(), 4);
        let error = command.spawn().expect_err("refused");
        assert_eq!(error.to_string(), "descriptor 4 of `true` is given twice");
    }

    #[test]
    fn missing_directory_error_names_the_program() {
        let error = shell("true")
            .current_dir("/nowhere")
            .spawn()
            .expect_err("refused");
        assert_eq!(error.to_string(), "failed to start `sh`");
    }
}

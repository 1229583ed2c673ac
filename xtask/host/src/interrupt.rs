//! Handles Ctrl-C and similar signals: the first ends the run in order, the second ends it at once.
//!
//! After the first SIGINT, SIGTERM or SIGHUP every live child gets SIGTERM and later SIGKILL, no
//! new child is started, and [`check`] fails, so that loops unwind and destructors clean up. A
//! process that still runs after the last grace period is killed, as by a second signal.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Condvar, Mutex, Once, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal as Kill;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::children;
use crate::wait::{self, Limit};

/// Time between SIGTERM and SIGKILL for the children.
const CHILDREN_GRACE: Duration = Duration::from_secs(2);

/// Time from the first signal until this module ends the run itself.
const LAST_GRACE: Duration = Duration::from_secs(20);

/// The number of a signal that ends the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(pub i32);

impl Signal {
    /// The exit status of a run that this signal ended: 130 for SIGINT, 143 for SIGTERM.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        u8::try_from(128 + self.0).unwrap_or(u8::MAX)
    }
}

/// The run was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted(
    /// The signal that interrupted it.
    pub Signal,
);

/// 0, or the number of the first signal.
static RECEIVED: AtomicI32 = AtomicI32::new(0);
static ARRIVAL: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
static DIRECTORIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static HANDLED: Once = Once::new();
static FAILED: OnceLock<String> = OnceLock::new();

/// Installs the signal handlers. Further calls do nothing.
pub fn install() -> io::Result<()> {
    HANDLED.call_once(|| {
        if let Err(error) = start_threads() {
            // Only this closure writes it.
            let _ = FAILED.set(error.to_string());
        }
    });
    FAILED
        .get()
        .map_or(Ok(()), |text| Err(io::Error::other(text.clone())))
}

/// The signal that interrupted the run, if any.
#[must_use]
pub fn received() -> Option<Signal> {
    match RECEIVED.load(Ordering::SeqCst) {
        0 => None,
        signal => Some(Signal(signal)),
    }
}

/// Whether the run was interrupted. Cancels waits.
#[must_use]
pub fn is_pending() -> bool {
    received().is_some()
}

/// Interrupts the run like Ctrl-C, for a terminal that does not turn the key into a signal.
pub fn raise() {
    // A process may always signal itself.
    let _ = rustix::process::kill_process(rustix::process::getpid(), Kill::INT);
}

/// Fails once the run was interrupted. Long loops call this in every iteration.
pub fn check() -> Result<(), Interrupted> {
    received().map_or(Ok(()), |signal| Err(Interrupted(signal)))
}

/// Sleeps, or returns early if the run is interrupted.
pub(crate) fn pause(time: Duration) -> Result<(), Interrupted> {
    let arrived = wait::until(&ARRIVAL.0, &ARRIVAL.1, Limit::within(time), |()| received());
    arrived.map_or(Ok(()), |signal| Err(Interrupted(signal)))
}

/// Registers a directory that must not outlive the run, even if no destructor runs.
pub(crate) fn add_directory(path: &Path) {
    lock(&DIRECTORIES).push(path.to_owned());
}

/// Unregisters a directory that was removed.
pub(crate) fn forget_directory(path: &Path) {
    lock(&DIRECTORIES).retain(|known| known != path);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start_threads() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let (arrived, arrivals) = mpsc::channel();
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                if arrived.send(Signal(signal)).is_err() {
                    return;
                }
            }
        })?;
    thread::Builder::new()
        .name("interruption".to_owned())
        .spawn(move || {
            if let Ok(first) = arrivals.recv() {
                end_in_order(first);
                let until = Instant::now() + LAST_GRACE;
                if arrivals.recv_timeout(CHILDREN_GRACE).is_err() {
                    children::signal_all(Kill::KILL);
                    // Continues in the same way after a second signal and after the grace period.
                    let _ = arrivals.recv_timeout(until.saturating_duration_since(Instant::now()));
                }
                end_at_once(first);
            }
        })?;
    Ok(())
}

/// Handles the first signal: sends SIGTERM to every child and kills none.
fn end_in_order(signal: Signal) {
    RECEIVED.store(signal.0, Ordering::SeqCst);
    drop(lock(&ARRIVAL.0));
    ARRIVAL.1.notify_all();
    children::signal_all(Kill::TERM);
}

/// Handles the second signal: kills the children and removes directories without destructors.
fn end_at_once(signal: Signal) {
    children::signal_all(Kill::KILL);
    for directory in lock(&DIRECTORIES).iter() {
        // A failure cannot be reported to anyone any more.
        let _ = fs_err::remove_dir_all(directory);
    }
    #[expect(
        clippy::disallowed_methods,
        clippy::exit,
        reason = "asked for twice: end at once"
    )]
    std::process::exit(i32::from(signal.exit_code()));
}

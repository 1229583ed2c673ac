//! The session with one guest, from a started QEMU to the outcome.
//!
//! The guest boots, migrates in, or was restored from a template ([`Arrival`]). After the handover
//! all
//! are treated alike. [`conduct`] reads bytes, events and clocks and passes them to [`fold::Fold`],
//! which
//! decides. The caller that started the guest ends it when `conduct` returns.
//!
//! | module | subject |
//! |---|---|
//! | [`protocol`] | the records on the control channel |
//! | [`fold`] | the events of a guest, reduced to an outcome; pure |
//! | [`limits`] | time limits that do not depend on the load of the host |
//! | `policy` | the input of a session: how the guest arrives, limits, files and variables |
//! | `conversation` | the state that moves with a guest to another QEMU, or back with a snapshot |
//! | `location`, `handoff` | which QEMU a guest is in, and how its conversation gets there |
//! | `records`, `replies` | incoming records, and the answers of helper commands |
//!
//! This crate starts no processes and writes no files.

use std::sync::Arc;
use std::time::{Duration, Instant};

use host::clock::monotonic;
use qemu::accel::Verdict;
use qemu::console::{Console, Kind};
use qemu::event::PanicAction;
use qemu::last_words::LastWords;
use qemu::launch::argv::CONTROL_PORT;
use qemu::snapshots::SnapshotCommand;
use qemu::vm::Port;
use qemu::{Exit, QemuEvent, Vm, VmEvent};
use verdict::outcome::{Outcome, Phase};

use crate::fold::{Happened, PANIC_EVENT};
use crate::protocol::Call;
use conversation::Conversation;
use location::Location;

pub use handoff::Handoff;
pub use policy::{Arrival, Conducted, Handover, Part, Policy, SCRATCH, Start};
pub use replies::{Replies, Waker};

mod conversation;
pub mod fold;
mod handoff;
pub mod limits;
mod location;
mod policy;
pub mod protocol;
mod records;
mod replies;

/// A started guest, from the view of a session.
pub trait Guest {
    /// The next event, or `None` at the deadline.
    fn next(&mut self, until: Instant) -> Option<VmEvent>;
    /// Writes to the control channel.
    fn send(&mut self, bytes: &[u8]) -> Result<(), String>;
    /// Interrupts a wait of `next` from another thread.
    fn waker(&self) -> Waker;
    /// Reads this channel to its end, which `VmEvent::Ended` reports.
    fn finish_reading(&mut self, port: Port) -> Result<(), String>;
}

impl Guest for Vm {
    fn next(&mut self, until: Instant) -> Option<VmEvent> {
        Vm::next(self, until)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.send_control(bytes, SEND_WAIT)
            .map_err(|error| error.to_string())
    }

    fn waker(&self) -> Waker {
        let waker = Vm::waker(self);
        Arc::new(move || waker.wake())
    }

    fn finish_reading(&mut self, port: Port) -> Result<(), String> {
        Vm::finish_reading(self, port).map_err(|error| error.to_string())
    }
}

/// The runner, from the view of a session.
pub trait Host {
    /// What the test printed.
    fn output(&mut self, bytes: &[u8]);
    /// The raw bytes from the control channel.
    fn control(&mut self, bytes: &[u8]);
    /// The bytes of the console.
    fn console(&mut self, bytes: &[u8]);
    /// An anomaly that does not affect the outcome.
    fn note(&mut self, text: String);
    /// Converts the location that the guest's script reported for its end to file, line and
    /// command.
    fn failed_at(&mut self, args: &[String]) -> Option<String> {
        let _ = args;
        None
    }
    /// The guest has arrived and runs the guest script.
    fn ready(&mut self) {}
    /// Carries out a call of the test. Returns exit status and text of the reply, or `None` if
    /// `replies` gets them later.
    fn call(&mut self, call: &Call, replies: &Arc<Replies>) -> Option<(i32, String)>;
    /// The snapshots that commands saved or loaded since the last call.
    fn snapshots(&mut self) -> Vec<SnapshotCommand> {
        Vec::new()
    }
    /// The run state of the guest.
    fn run_state(&mut self) -> RunState {
        RunState::Unknown
    }
    /// Why the session must end now, if it must.
    fn stop(&mut self) -> Option<Happened>;
}

/// The relevant run states of QEMU (`query-status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It waits for a guest to migrate in.
    Incoming,
    /// It runs.
    Running,
    /// It is stopped.
    Stopped,
    /// It is stopped, and its state was sent to another QEMU or into a file.
    Migrated,
    /// QEMU does not answer in time, for example while it loads a guest.
    Busy,
    /// QEMU does not answer at all.
    Unknown,
}

/// Interval at which the session checks whether it must stop.
pub const TICK: Duration = Duration::from_millis(50);
/// A guest that reads nothing for this long is considered gone.
const SEND_WAIT: Duration = Duration::from_secs(10);
/// How long to wait for a guest's last output after its kernel panicked.
const SETTLE: Duration = Duration::from_millis(500);
/// How long to wait for the event that explains a closed control channel. QEMU reports a reset only
/// after it has reset all devices, which takes long on a busy host.
const EXPLAIN: Duration = Duration::from_secs(5);
/// More output on a channel is a flood. The logs keep a quarter of it.
pub const FLOOD: u64 = 64 << 20;
/// Maximum number of notes of a session.
const NOTES_MAX: usize = 20;

/// Conducts the session with a started guest until its outcome.
pub fn conduct(
    guest: &mut dyn Guest,
    policy: &Policy,
    handover: &Handover,
    host: &mut dyn Host,
) -> Conducted {
    let mut session = Session::new(policy, handover, guest.waker());
    let mut handed_over = session.hand_over_restored(guest, host);
    let (outcome, part) = loop {
        if let Some(outcome) = handed_over.take() {
            break (outcome, Part::Last);
        }
        if let Some(stop) = host.stop()
            && let Some(end) = session.stop(&stop)
        {
            break end;
        }
        if let Some(end) = session.turn(guest, host) {
            break end;
        }
        let left = session.left();
        if left.is_zero()
            && let Some(outcome) = session.overdue()
        {
            if let Some(stop) = session.disk_stop.take() {
                session.note(host, stop);
            }
            break (outcome, Part::Last);
        }
        let Some(event) = guest.next(monotonic() + left.min(TICK)) else {
            continue;
        };
        if let Some(end) = session.take(event, guest, host) {
            break end;
        }
    };
    session.leave();
    let conversation = &session.conversation;
    let booting = conversation.booting();
    Conducted {
        outcome,
        part,
        boot: conversation.booted + booting.unwrap_or_default(),
        was_ready: booting.is_none() || !conversation.booted.is_zero(),
    }
}

struct Session<'a> {
    policy: &'a Policy,
    handover: &'a Handover,
    location: Location,
    conversation: Conversation,
    waker: Waker,
    console: Console,
    /// In test time.
    settling_since: Option<Duration>,
    console_bytes: u64,
    message_bytes: u64,
    last_words: LastWords,
    notes: usize,
    /// Whether the host script, a migration or a failed request of a disk has stopped the guest.
    paused: bool,
    /// The failed request that has stopped the guest.
    disk_stop: Option<String>,
    /// Whether it was stopped by or for a migration.
    departed: bool,
    /// Whether a snapshot of a running guest is being saved.
    saving: bool,
    /// When QEMU may be asked for its state again.
    next_look: Instant,
}

/// The outcome of a session, and the role of its QEMU in the test.
type SessionEnd = (Outcome, Part);

fn not_refused() -> Outcome {
    let cause = "expected QEMU to refuse to start, but it started".to_owned();
    Outcome::Failed { cause }
}

impl<'a> Session<'a> {
    fn new(policy: &'a Policy, handover: &'a Handover, waker: Waker) -> Self {
        Self {
            policy,
            handover,
            location: Location::new(policy, &waker),
            conversation: policy.conversation(Arc::clone(&waker)),
            waker,
            console: Console::default(),
            settling_since: None,
            console_bytes: 0,
            message_bytes: 0,
            last_words: LastWords::default(),
            notes: 0,
            paused: false,
            disk_stop: None,
            departed: false,
            saving: false,
            next_look: monotonic(),
        }
    }

    /// Test time until the next limit.
    fn left(&self) -> Duration {
        let policy = self.policy;
        let left = match self.location {
            Location::Here(_) | Location::Leaving(_) => {
                self.conversation.left(policy.boot_limit, policy.test_limit)
            }
            Location::Awaited(_) => {
                (policy.boot_limit + policy.test_limit).saturating_sub(self.conversation.passed())
            }
            Location::Gone(_) => TICK,
        };
        self.settling_since.map_or(left, |since| {
            let settled = policy.clock.now().saturating_sub(since);
            let time = if self.conversation.fold.is_unexplained() {
                EXPLAIN
            } else {
                SETTLE
            };
            left.min(time.saturating_sub(settled))
        })
    }

    fn overdue(&mut self) -> Option<Outcome> {
        let happened = match (&self.location, self.conversation.fold.phase()) {
            (Location::Gone(_), _) => return None,
            (Location::Awaited(_), _) => {
                let how = "no incoming migration in time".to_owned();
                return Some(Outcome::LostGuest { how });
            }
            _ if self.settling_since.is_some() => Happened::Settled,
            (_, Phase::Boot) => Happened::Deadline(Phase::Boot, self.policy.boot_limit),
            (_, Phase::Test) => {
                let renewed = self.policy.clock.renewed_limit();
                let limit = renewed.map_or(self.policy.test_limit, |renewed| renewed.limit);
                Happened::Deadline(Phase::Test, limit)
            }
        };
        self.conversation.fold.take(&happened)
    }

    fn stop(&mut self, stop: &Happened) -> Option<SessionEnd> {
        let part = match (stop, &self.location) {
            (Happened::Abandoned, Location::Awaited(_) | Location::Gone(_)) => {
                return Some((Outcome::Passed, Part::Passage));
            }
            (Happened::Abandoned, _) => Part::Abandoned,
            _ => Part::Last,
        };
        self.conversation
            .fold
            .take(stop)
            .map(|outcome| (outcome, part))
    }

    /// Takes an event, and asks the fold for an outcome.
    fn take(
        &mut self,
        event: VmEvent,
        guest: &mut dyn Guest,
        host: &mut dyn Host,
    ) -> Option<SessionEnd> {
        for command in host.snapshots() {
            self.take_snapshot(command);
        }
        // After a permanent failure of the accelerator, QEMU stays paused.
        let outcome = if let Some(Verdict::Fails { why }) = qemu::history::broken_kvm(&event) {
            self.conversation.fold.take(&Happened::Stuck(why))
        } else {
            match event {
                VmEvent::Console(bytes) => {
                    host.console(&bytes);
                    return self.take_bytes(Port::Console, &bytes, guest, host);
                }
                VmEvent::Control(bytes) => {
                    host.control(&bytes);
                    return self.take_bytes(Port::Control, &bytes, guest, host);
                }
                VmEvent::Qmp(event) => {
                    let outcome = self.take_qmp(&event);
                    if event == QemuEvent::Resume && outcome.is_none() {
                        self.resumed(guest)
                    } else {
                        outcome
                    }
                }
                VmEvent::Stderr(line) => self.take_message(&line),
                VmEvent::Ended(port) => {
                    self.finish_leaving(port);
                    None
                }
                VmEvent::Woken => None,
                VmEvent::Exited(exit) => {
                    let well = if exit == Exit::Code(0) {
                        self.ended_well()
                    } else {
                        None
                    };
                    if well.is_some() {
                        return well;
                    }
                    self.exited(exit)
                }
            }
        };
        outcome.map(|outcome| (outcome, Part::Last))
    }

    /// Keeps the message of QEMU that explains its exit.
    fn take_message(&mut self, line: &str) -> Option<Outcome> {
        self.message_bytes += line.len() as u64 + 1;
        if self.message_bytes > FLOOD {
            return self.happened(&Happened::Flood {
                channel: "QEMU message",
                limit: FLOOD,
            });
        }
        self.last_words.take(line);
        None
    }

    fn exited(&mut self, exit: Exit) -> Option<Outcome> {
        let words = std::mem::take(&mut self.last_words);
        let explanation = words.explanation().map(str::to_owned);
        let last_line = words.best().map(str::to_owned);
        if let (Location::Gone(_), Exit::Code(status)) = (&self.location, exit) {
            let message = last_line.map(|line| format!(": {line}"));
            let message = message.unwrap_or_default();
            let how = format!("QEMU exited with status {status} after its guest had left{message}");
            return Some(Outcome::LostGuest { how });
        }
        self.conversation.fold.take(&Happened::Exited {
            how: exit,
            explanation,
            last_line,
        })
    }

    fn take_bytes(
        &mut self,
        port: Port,
        bytes: &[u8],
        guest: &mut dyn Guest,
        host: &mut dyn Host,
    ) -> Option<SessionEnd> {
        let mut outcome = None;
        match self.location {
            Location::Gone(_) => {}
            Location::Awaited(_) => return self.await_guest(port, bytes),
            Location::Here(_) | Location::Leaving(_) => {
                if port == Port::Console {
                    outcome = self.take_console(bytes, host);
                }
                if port == self.port() {
                    outcome = outcome.or_else(|| self.take_records(bytes, guest, host));
                }
            }
        }
        outcome.map(|outcome| (outcome, Part::Last))
    }

    /// Whether the host stopped the guest and asked QEMU to quit. The guest may then continue
    /// elsewhere.
    fn is_parted(&self) -> bool {
        self.paused && !self.conversation.fold.settling()
    }

    fn take_snapshot(&mut self, command: SnapshotCommand) {
        if !matches!(self.location, Location::Here(_)) {
            return;
        }
        match command {
            SnapshotCommand::Save => {
                self.conversation.save();
                self.saving = !self.paused;
            }
            SnapshotCommand::Load => {
                self.conversation.load();
                self.settling_since = self
                    .settling_since
                    .filter(|_| self.conversation.fold.settling());
            }
        }
    }

    /// The guest runs again after a stop, a snapshot, or a migration.
    fn resumed(&mut self, guest: &mut dyn Guest) -> Option<Outcome> {
        let Location::Here(id) = self.location else {
            return None;
        };
        if std::mem::take(&mut self.saving) {
            self.conversation.extend_saved_calls();
        }
        if std::mem::take(&mut self.departed) {
            self.conversation.epoch.forked = true;
            self.policy.handoff.departed(id, false);
        }
        self.send_lost(guest)
    }

    /// Sends the records that the guest may have lost in a migration or by a loaded snapshot.
    fn send_lost(&mut self, guest: &mut dyn Guest) -> Option<Outcome> {
        let lost = self.conversation.lost()?;
        self.send(guest, &lost)
    }

    fn happened(&mut self, happened: &Happened) -> Option<Outcome> {
        let before = self.conversation.fold.phase();
        let outcome = self.conversation.fold.take(happened);
        let settling = self.conversation.fold.settling();
        self.settling_since = settling.then(|| {
            let now = || self.policy.clock.now();
            self.settling_since.unwrap_or_else(now)
        });
        if before == Phase::Test && self.conversation.fold.phase() == Phase::Boot {
            self.conversation.reboots(Arc::clone(&self.waker));
        }
        outcome
    }

    fn take_console(&mut self, bytes: &[u8], host: &mut dyn Host) -> Option<Outcome> {
        self.console_bytes += bytes.len() as u64;
        if self.console_bytes > FLOOD {
            return self.happened(&Happened::Flood {
                channel: "console",
                limit: FLOOD,
            });
        }
        let troubles = self.console.feed(bytes);
        troubles.into_iter().find_map(|(kind, text)| match kind {
            Kind::Panic => self.happened(&Happened::Panic(text)),
            Kind::Oops => self.happened(&Happened::Oops(text)),
            Kind::Notice => {
                self.note(host, text);
                None
            }
        })
    }

    fn take_qmp(&mut self, event: &QemuEvent) -> Option<Outcome> {
        if *event == QemuEvent::Resume {
            self.disk_stop = None;
        }
        if matches!(event, QemuEvent::Stop | QemuEvent::Resume) {
            self.paused = *event == QemuEvent::Stop;
            if let Location::Awaited(awaited) = &mut self.location {
                awaited.runs = !self.paused;
            }
        }
        if matches!(self.location, Location::Awaited(_) | Location::Gone(_)) {
            return None;
        }
        match event {
            // QEMU's exit shows whether it does.
            QemuEvent::Shutdown(shutdown)
                if shutdown.reason == "host-qmp-quit" && self.is_parted() =>
            {
                None
            }
            QemuEvent::Shutdown(shutdown) => self.happened(&Happened::Shutdown {
                guest: shutdown.guest,
                reason: shutdown.reason.clone(),
            }),
            QemuEvent::Reset { guest } => self.happened(&Happened::Reset { guest: *guest }),
            QemuEvent::GuestPanicked(PanicAction::End) => {
                self.happened(&Happened::Panic(PANIC_EVENT.to_owned()))
            }
            QemuEvent::PortChange { id, open: false }
                // Loading a snapshot closes and opens the port, and QEMU may report it a second
                // later (rate limit of `VSERPORT_CHANGE` in QEMU's monitor/monitor.c).
                if id == CONTROL_PORT
                    && self.conversation.fold.phase() == Phase::Test
                    && !self.conversation.epoch.has_loaded
                    && !self.paused =>
            {
                let closed = "the guest closed the control channel before the end of the test";
                self.happened(&Happened::Unheard(closed.to_owned()))
            }
            QemuEvent::DiskStop {
                disk,
                operation,
                reason,
            } => {
                self.disk_stop = Some(format!(
                    "QEMU stopped the guest because a {operation} of `{disk}` failed: {reason}"
                ));
                None
            }
            // The test configured that a panicked guest continues, so its further behaviour
            // decides.
            QemuEvent::GuestPanicked(PanicAction::Run)
            | QemuEvent::Stop
            | QemuEvent::Resume
            | QemuEvent::PortChange { .. }
            | QemuEvent::DeviceDeleted { .. }
            | QemuEvent::Migration { .. }
            | QemuEvent::Other(_) => None,
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

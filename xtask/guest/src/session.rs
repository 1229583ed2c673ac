//! One guest, from a started QEMU to its outcome.
//!
//! [`conduct`] does not know how the guest gets to its hello (a boot, or a restored template):
//! everything from there on is the same. It carries bytes and clocks to [`Fold`], which decides.
//! Whoever started the guest ends it, at once, when this returns.

use std::time::{Duration, Instant};

use host::clock::monotonic;
use qemu::accel::Verdict;
use qemu::argv::CONTROL_PORT;
use qemu::console::{Console, Kind};
use qemu::{Exit, VmEvent};
use serde_json::Value;

use crate::fold::{Ended, Ends, Fold, Happened, PANIC_EVENT};
use crate::header::Channel;
use crate::outcome::{Outcome, Phase};
use crate::protocol::{Call, FromGuest, Nonce, Received, Receiver, Sender};
use crate::text::last_line;

/// A started guest, as a session needs it.
pub trait Guest {
    /// The next thing that happens; `None` when nothing does until then.
    fn next(&mut self, until: Instant) -> Option<VmEvent>;
    /// Writes to the control channel.
    fn send(&mut self, bytes: &[u8]) -> Result<(), String>;
}

/// The runner's side of a session.
pub trait Host {
    /// What the test printed.
    fn output(&mut self, bytes: &[u8]);
    /// What came over the control channel, as it came.
    fn control(&mut self, bytes: &[u8]);
    /// What the console shows.
    fn console(&mut self, bytes: &[u8]);
    /// Something odd that decides nothing.
    fn note(&mut self, text: String);
    /// Does what the test asks for: exit status and text for its reply.
    fn call(&mut self, call: &Call) -> (i32, String);
    /// Why the session must end now, if it must.
    fn stop(&mut self) -> Option<Happened>;
}

/// What a session goes by.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What makes a pass.
    pub ends: Ends,
    /// How often the guest may reboot.
    pub reboots: u32,
    /// How guest and host talk.
    pub channel: Channel,
    /// From the start, or a reboot, to hello.
    pub boot_limit: Duration,
    /// The test's own time.
    pub test_limit: Duration,
}

/// What is handed to the guest once it is ready.
#[derive(Debug, Clone, Default)]
pub struct Handover {
    /// Path, mode, content.
    pub files: Vec<(String, u32, Vec<u8>)>,
    /// Variables of the test.
    pub environment: Vec<(String, String)>,
    /// The script to run.
    pub run: String,
}

/// What came of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conducted {
    /// How it ended.
    pub outcome: Outcome,
    /// Time spent until the guest was ready, all boots together.
    pub boot: Duration,
}

/// How often it is asked whether the session must stop.
const TICK: Duration = Duration::from_millis(50);
/// For a guest's last words after its kernel panicked.
const SETTLE: Duration = Duration::from_millis(500);
/// More on a channel is a flood: the logs keep a quarter of it.
pub const FLOOD: u64 = 64 << 20;
/// How long the notes of one session may become.
const NOTES_MAX: usize = 20;

/// Conducts a guest that was just started to its outcome.
pub fn conduct(
    guest: &mut dyn Guest,
    rules: &Rules,
    handover: &Handover,
    host: &mut dyn Host,
) -> Conducted {
    let mut session = Session::new(rules, handover);
    let outcome = loop {
        if let Some(outcome) = host.stop().and_then(|stop| session.fold.take(&stop)) {
            break outcome;
        }
        let now = monotonic();
        let deadline = session.deadline();
        if now >= deadline {
            let happened = session.overdue();
            if let Some(outcome) = session.fold.take(&happened) {
                break outcome;
            }
        }
        let Some(event) = guest.next(deadline.min(now + TICK)) else {
            continue;
        };
        if let Some(outcome) = session.take(event, guest, host) {
            break outcome;
        }
    };
    let boot = session.booted + session.booting().unwrap_or_default();
    Conducted { outcome, boot }
}

struct Session<'a> {
    rules: &'a Rules,
    handover: &'a Handover,
    fold: Fold,
    receiver: Receiver,
    sender: Option<Sender>,
    console: Console,
    /// Since when the present phase lasts.
    since: Instant,
    /// Time of earlier boots, and of the test before a reboot.
    booted: Duration,
    tested: Duration,
    boots: u32,
    settling_since: Option<Instant>,
    console_bytes: u64,
    output_bytes: u64,
    message_bytes: u64,
    output_tail: Vec<u8>,
    stderr: Option<String>,
    notes: usize,
}

impl<'a> Session<'a> {
    fn new(rules: &'a Rules, handover: &'a Handover) -> Self {
        Self {
            rules,
            handover,
            fold: Fold::new(rules.ends, rules.reboots),
            receiver: Receiver::new(rules.channel.sharing()),
            sender: None,
            console: Console::default(),
            since: monotonic(),
            booted: Duration::ZERO,
            tested: Duration::ZERO,
            boots: 0,
            settling_since: None,
            console_bytes: 0,
            output_bytes: 0,
            message_bytes: 0,
            output_tail: Vec::new(),
            stderr: None,
            notes: 0,
        }
    }

    fn booting(&self) -> Option<Duration> {
        (self.fold.phase() == Phase::Boot).then(|| monotonic() - self.since)
    }

    fn deadline(&self) -> Instant {
        let end = match self.fold.phase() {
            Phase::Boot => self.since + self.rules.boot_limit,
            Phase::Test => self.since + self.rules.test_limit.saturating_sub(self.tested),
        };
        self.settling_since
            .map_or(end, |since| end.min(since + SETTLE))
    }

    fn overdue(&self) -> Happened {
        if self.settling_since.is_some() {
            return Happened::Settled;
        }
        match self.fold.phase() {
            Phase::Boot => Happened::Deadline(Phase::Boot, self.rules.boot_limit),
            Phase::Test => Happened::Deadline(Phase::Test, self.rules.test_limit),
        }
    }

    /// Takes an event in and asks the fold about it.
    fn take(
        &mut self,
        event: VmEvent,
        guest: &mut dyn Guest,
        host: &mut dyn Host,
    ) -> Option<Outcome> {
        // An accelerator that has failed for good leaves QEMU paused and alive.
        if let Some(Verdict::Fails { why }) = qemu::accel::broken(&event) {
            return self.fold.take(&Happened::Stuck(why));
        }
        match event {
            VmEvent::Console(bytes) => {
                host.console(&bytes);
                if let Some(outcome) = self.take_console(&bytes, host) {
                    return Some(outcome);
                }
                if self.rules.channel == Channel::Console {
                    return self.take_records(&bytes, guest, host);
                }
                None
            }
            VmEvent::Control(bytes) => {
                host.control(&bytes);
                self.take_records(&bytes, guest, host)
            }
            VmEvent::Qmp(event) => self.take_qmp(&event.name, &event.data),
            VmEvent::Stderr(line) => {
                self.message_bytes += line.len() as u64 + 1;
                if self.message_bytes > FLOOD {
                    return self.happened(&Happened::Flood {
                        channel: "QEMU message",
                        limit: FLOOD,
                    });
                }
                let text = crate::text::line(line.as_bytes());
                self.stderr = Some(text)
                    .filter(|text| !text.is_empty())
                    .or(self.stderr.take());
                None
            }
            VmEvent::Exited(exit) => {
                let how = match exit {
                    Exit::Code(code) => Ended::Status(code),
                    Exit::Signal(signal) => Ended::Signal(signal),
                };
                self.fold.take(&Happened::Exited {
                    how,
                    last_line: self.stderr.take(),
                })
            }
        }
    }

    fn happened(&mut self, happened: &Happened) -> Option<Outcome> {
        let before = self.fold.phase();
        let outcome = self.fold.take(happened);
        self.settling_since = self
            .fold
            .settling()
            .then(|| self.settling_since.unwrap_or_else(monotonic));
        if before == Phase::Test && self.fold.phase() == Phase::Boot {
            self.tested += monotonic() - self.since;
            self.since = monotonic();
            self.sender = None;
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

    fn take_qmp(&mut self, name: &str, data: &Value) -> Option<Outcome> {
        let guest = data.get("guest").and_then(Value::as_bool).unwrap_or(false);
        let text = |key: &str| {
            data.get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        match name {
            "SHUTDOWN" => self.happened(&Happened::Shutdown {
                guest,
                reason: text("reason"),
            }),
            "RESET" => self.happened(&Happened::Reset { guest }),
            "GUEST_PANICKED" => self.happened(&Happened::Panic(PANIC_EVENT.to_owned())),
            "VSERPORT_CHANGE" if text("id") == CONTROL_PORT && self.fold.phase() == Phase::Test => {
                let open = data.get("open").and_then(Value::as_bool).unwrap_or(true);
                let closed = "the guest closed the control channel before the test's end";
                if open {
                    None
                } else {
                    self.happened(&Happened::Unheard(closed.to_owned()))
                }
            }
            _ => None,
        }
    }

    fn take_records(
        &mut self,
        bytes: &[u8],
        guest: &mut dyn Guest,
        host: &mut dyn Host,
    ) -> Option<Outcome> {
        for received in self.receiver.take(bytes) {
            let outcome = match received {
                Received::Record(record) => self.take_record(record, guest, host),
                Received::Noted(text) => {
                    self.note(host, text);
                    None
                }
            };
            if outcome.is_some() {
                return outcome;
            }
        }
        None
    }

    fn note(&mut self, host: &mut dyn Host, text: String) {
        self.notes += 1;
        if self.notes <= NOTES_MAX {
            host.note(text);
        }
    }

    fn take_record(
        &mut self,
        record: FromGuest,
        guest: &mut dyn Guest,
        host: &mut dyn Host,
    ) -> Option<Outcome> {
        match record {
            // Repeated until it is answered; later ones are late, or somebody else's.
            FromGuest::Hello { .. } if self.sender.is_some() => None,
            FromGuest::Hello { .. } => self.hand_over(guest),
            FromGuest::Out(bytes) => {
                self.output_bytes += bytes.len() as u64;
                host.output(&bytes);
                self.keep_tail(&bytes);
                let flood = Happened::Flood {
                    channel: "output",
                    limit: FLOOD,
                };
                if self.output_bytes > FLOOD {
                    self.happened(&flood)
                } else {
                    None
                }
            }
            FromGuest::Call(call) => {
                let text = call.args.join(" ");
                let (status, reply) = match call.word.as_str() {
                    "skip" => {
                        self.fold
                            .take(&Happened::SkipReason(crate::text::line(text.as_bytes())));
                        (0, String::new())
                    }
                    "fail" => {
                        self.fold
                            .take(&Happened::FailReason(crate::text::line(text.as_bytes())));
                        (0, String::new())
                    }
                    _ => host.call(&call),
                };
                let record = self
                    .sender
                    .as_mut()?
                    .reply(call.id, status, reply.as_bytes());
                self.send(guest, &record)
            }
            FromGuest::Leaving(leave) => self.happened(&Happened::Leaving(leave)),
            FromGuest::End { status, taint } => {
                let last_line = last_line(&self.output_tail);
                self.happened(&Happened::End {
                    status,
                    taint,
                    last_line,
                })
            }
        }
    }

    /// Answers a hello: nonce, files, environment, go.
    fn hand_over(&mut self, guest: &mut dyn Guest) -> Option<Outcome> {
        let nonce = match Nonce::random() {
            Ok(nonce) => nonce,
            Err(error) => {
                return Some(Outcome::HarnessError {
                    message: format!("no random numbers: {error}"),
                });
            }
        };
        let mut sender = Sender::new(nonce.clone());
        self.receiver.expect(nonce);
        let mut bytes = sender.start(self.boots);
        for (path, mode, content) in &self.handover.files {
            bytes.extend(sender.put(path, *mode, content));
        }
        for (name, value) in &self.handover.environment {
            bytes.extend(sender.set(name, value));
        }
        bytes.extend(sender.run(&self.handover.run));
        self.sender = Some(sender);
        self.boots += 1;
        self.booted += monotonic() - self.since;
        self.since = monotonic();
        let outcome = self.happened(&Happened::Ready);
        outcome.or_else(|| self.send(guest, &bytes))
    }

    fn send(&mut self, guest: &mut dyn Guest, bytes: &[u8]) -> Option<Outcome> {
        // A guest that is gone is told by its own event, which is still to come.
        let why = guest.send(bytes).err()?;
        self.happened(&Happened::Unheard(why))
    }

    /// Keeps enough of the output to name its last line.
    fn keep_tail(&mut self, bytes: &[u8]) {
        const TAIL: usize = 4096;
        self.output_tail.extend_from_slice(bytes);
        let excess = self.output_tail.len().saturating_sub(TAIL);
        self.output_tail.drain(..excess);
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

//! A QMP client over a connected socket.
//!
//! `vm` uses it for a running guest and `probe` for the binary's facts. Commands and events are
//! plain JSON. Unknown events are kept. One thread reads. Any number of threads may execute
//! commands concurrently, distinguished by their ids.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use host::clock::monotonic;
use host::test_time::TestClock;
use host::wait::{Limit, NotReceived};
use serde_json::{Value, json};

use crate::devices;
use crate::event::{QemuEvent, RawEvent};
use crate::snapshots::{self, SnapshotCommand};

pub use inbox::{Inbox, NoEvent};

mod inbox;

/// Maximum size of a message. The schema, the largest known one, takes a quarter of a megabyte.
const LONGEST_MESSAGE: u64 = 64 << 20;

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{class}: {desc}")]
pub struct QmpError {
    /// QEMU's class, such as `GenericError` or `CommandNotFound`, or one of ours: `Deadline`,
    /// `Closed`.
    pub class: String,
    /// QEMU's message.
    pub desc: String,
}

impl QmpError {
    fn deadline(command: &str, waited: Duration) -> Self {
        Self {
            class: "Deadline".into(),
            desc: format!("no answer to `{command}` within {} ms", waited.as_millis()),
        }
    }

    fn closed(command: &str) -> Self {
        Self {
            class: "Closed".into(),
            desc: format!("QEMU exited before it answered `{command}`"),
        }
    }

    /// Whether QEMU closed the connection, as it does when it exits.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.class == "Closed"
    }

    /// Whether QEMU did not answer in time.
    #[must_use]
    pub fn is_deadline(&self) -> bool {
        self.class == "Deadline"
    }
}

type Answer = Result<Value, QmpError>;

#[derive(Default)]
struct Waiting {
    next: u64,
    closed: bool,
    calls: BTreeMap<u64, (String, Sender<Answer>)>,
    greeting: Option<Value>,
    devices: BTreeSet<String>,
    snapshots: Vec<SnapshotCommand>,
}

struct Shared {
    stream: UnixStream,
    /// The clock of all waits for answers.
    clock: TestClock,
    write: Mutex<()>,
    waiting: Mutex<Waiting>,
    inbox: Inbox,
}

/// A connection to QEMU. Clones share it.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

/// A message from the reader thread.
#[derive(Debug)]
pub enum Incoming {
    /// An event.
    Event(QemuEvent),
    /// A line that is not QMP, or an error without a waiting command.
    Garbage(String),
}

impl Client {
    /// Takes a connected socket and starts to read. Sends the handshake without waiting for its
    /// answer, which the first command implies. Calls `on_incoming` in the reader thread.
    ///
    /// The clock stops while QEMU waits for a processor, if it follows QEMU.
    pub fn start(
        stream: UnixStream,
        clock: TestClock,
        on_incoming: impl FnMut(Incoming) + Send + 'static,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let reader = stream.try_clone()?;
        let shared = Arc::new(Shared {
            stream,
            clock,
            write: Mutex::new(()),
            waiting: Mutex::new(Waiting::default()),
            inbox: Inbox::default(),
        });
        let client = Self {
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::Builder::new()
            .name("qmp".into())
            .spawn(move || read_all(reader, &shared, on_incoming))?;
        // QEMU reads it after it has sent its greeting, so no wait is needed here.
        client.tell("qmp_capabilities");
        Ok((client, thread))
    }

    /// Executes a command and waits for its answer, on the clock of the connection.
    pub fn execute(&self, command: &str, arguments: Value, wait: Duration) -> Answer {
        let deadline = self.shared.clock.deadline(wait);
        self.execute_within(command, arguments, Limit::while_left(&deadline))
    }

    /// Executes a command and waits for its answer up to a limit on any clock.
    pub fn execute_within(&self, command: &str, arguments: Value, limit: Limit<'_>) -> Answer {
        let (answer, answered) = channel();
        let id = {
            let mut waiting = lock(&self.shared.waiting);
            if waiting.closed {
                return Err(QmpError::closed(command));
            }
            waiting.next += 1;
            let id = waiting.next;
            waiting.calls.insert(id, (command.to_owned(), answer));
            id
        };
        let device = devices::by_command(command, &arguments);
        // Recorded before it is sent, because its first effect must find the entry.
        let snapshot = snapshots::by_command(command, &arguments);
        lock(&self.shared.waiting).snapshots.extend(snapshot);
        let mut message = json!({"execute": command, "id": id});
        if !arguments.is_null()
            && let Some(fields) = message.as_object_mut()
        {
            fields.insert("arguments".into(), arguments);
        }
        let since = monotonic();
        let result = match self.send(&message) {
            Err(_) => Err(QmpError::closed(command)),
            Ok(()) => match host::wait::receive(&answered, limit) {
                Ok(answer) => answer,
                Err(NotReceived::GaveUp(_)) => Err(QmpError::deadline(command, since.elapsed())),
                Err(NotReceived::Closed) => Err(QmpError::closed(command)),
            },
        };
        let mut waiting = lock(&self.shared.waiting);
        waiting.calls.remove(&id);
        // The human monitor prints an error message, and nothing on success.
        let is_done = |answer: &Value| answer.as_str().is_none_or(|text| text.trim().is_empty());
        if result.as_ref().is_ok_and(is_done) {
            waiting.devices.extend(device);
        }
        result
    }

    /// The device types that commands of this client have added.
    #[must_use]
    pub fn devices(&self) -> BTreeSet<String> {
        lock(&self.shared.waiting).devices.clone()
    }

    /// The commands of this client that saved or loaded snapshots since the last call.
    #[must_use]
    pub fn take_snapshots(&self) -> Vec<SnapshotCommand> {
        std::mem::take(&mut lock(&self.shared.waiting).snapshots)
    }

    /// Sends a command without arguments and does not wait for its answer. Commands are executed in
    /// the order of sending.
    pub fn tell(&self, command: &str) {
        // A caller that waits for the next answer detects that QEMU has exited.
        let _sent = self.send(&json!({"execute": command}));
    }

    /// Executes a command of the human monitor and returns its text, with plain newlines.
    pub fn human(&self, line: &str, wait: Duration) -> Result<String, QmpError> {
        let arguments = json!({"command-line": line});
        let text = self.execute("human-monitor-command", arguments, wait)?;
        Ok(text.as_str().unwrap_or_default().replace('\r', ""))
    }

    /// The events that were not taken yet.
    #[must_use]
    pub fn inbox(&self) -> &Inbox {
        &self.shared.inbox
    }

    /// QEMU's greeting, once received: `{"version": ..., "capabilities": ...}`.
    #[must_use]
    pub fn greeting(&self) -> Option<Value> {
        lock(&self.shared.waiting).greeting.clone()
    }

    fn send(&self, message: &Value) -> std::io::Result<()> {
        let mut line = message.to_string();
        line.push('\n');
        let _one_at_a_time = lock(&self.shared.write);
        (&self.shared.stream).write_all(line.as_bytes())
    }
}

fn read_all(stream: UnixStream, shared: &Shared, mut on_incoming: impl FnMut(Incoming)) {
    use std::io::Read;

    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A QEMU that exited with unread commands causes a connection reset.
        match reader
            .by_ref()
            .take(LONGEST_MESSAGE)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let Ok(message) = serde_json::from_slice::<Value>(&line) else {
            on_incoming(Incoming::Garbage(
                String::from_utf8_lossy(&line).trim_end().into(),
            ));
            continue;
        };
        take(message, shared, &mut on_incoming);
    }
    shared.inbox.close();
    let mut waiting = lock(&shared.waiting);
    waiting.closed = true;
    for (command, answer) in std::mem::take(&mut waiting.calls).into_values() {
        // The caller may have given up.
        let _unread = answer.send(Err(QmpError::closed(&command)));
    }
}

fn take(mut message: Value, shared: &Shared, on_incoming: &mut impl FnMut(Incoming)) {
    if message.get("event").is_some() {
        match serde_json::from_value::<RawEvent>(message.clone()) {
            Ok(raw) => {
                let event = QemuEvent::from(&raw);
                shared.inbox.push(raw, &event);
                on_incoming(Incoming::Event(event));
            }
            Err(_) => on_incoming(Incoming::Garbage(message.to_string())),
        }
        return;
    }
    let mut waiting = lock(&shared.waiting);
    if let Some(greeting) = message.get_mut("QMP") {
        waiting.greeting = Some(greeting.take());
        return;
    }
    // For a command without an id, such as the handshake, only an error in the answer matters.
    let id = message.get("id").and_then(Value::as_u64);
    let Some((_, answer)) = id.and_then(|id| waiting.calls.remove(&id)) else {
        drop(waiting);
        if id.is_none() && message.get("error").is_some() {
            on_incoming(Incoming::Garbage(message.to_string()));
        }
        return;
    };
    drop(waiting);
    let text = |error: &Value, field: &str| {
        error
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let result = match message.get("error") {
        Some(error) => Err(QmpError {
            class: text(error, "class"),
            desc: text(error, "desc"),
        }),
        None => Ok(message
            .get_mut("return")
            .map(Value::take)
            .unwrap_or_default()),
    };
    let _unread = answer.send(result);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No lock holder can leave the data inconsistent.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

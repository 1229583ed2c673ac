//! The guests of a command. An entry stays when its guest ends, so that a user who names it learns that.

use std::collections::BTreeMap;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use camino::Utf8PathBuf;
use host::test_time::TestClock;
use qemu::qmp::{self, QmpError};

use crate::GDB;
use crate::protocol::{GdbTarget, GuestInfo};
use crate::shell::ShellPort;

/// Time limit of QEMU's answer to the command that starts the gdbstub.
const GDB_WAIT: Duration = Duration::from_secs(30);

/// What a running guest is registered with.
pub struct GuestSpec {
    /// The architecture.
    pub arch: String,
    /// The test, or the machine.
    pub test: String,
    /// The name from `qemu -name`.
    pub name: Option<String>,
    /// Its monitor.
    pub monitor: qmp::Client,
    /// The clock of its time limits, if it has any.
    pub clock: Option<TestClock>,
    /// The directory for sockets.
    pub sockets: Utf8PathBuf,
    /// Whether its gdbstub listens from the start.
    pub has_gdb: bool,
    /// The user's kernel with symbols.
    pub symbols: Option<Utf8PathBuf>,
    /// Whether it runs the user's kernel.
    pub is_own_kernel: bool,
    /// Why it offers no shell, or `None` if it does.
    pub no_shell: Option<&'static str>,
}

/// A running guest.
pub struct LiveGuest {
    spec: GuestSpec,
    has_gdb: Mutex<bool>,
    open: Mutex<Connections>,
    /// The terminal of its shell.
    pub shell: ShellPort,
}

#[derive(Default)]
struct Connections {
    closed: bool,
    last: u64,
    streams: BTreeMap<u64, UnixStream>,
}

struct Entry {
    info: GuestInfo,
    guest: Option<Arc<LiveGuest>>,
}

/// All guests of a command.
#[derive(Default)]
pub struct LiveGuests(Mutex<Vec<Entry>>);

impl std::fmt::Debug for LiveGuests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LiveGuests({})", lock(&self.0).len())
    }
}

impl LiveGuests {
    /// Registers a guest until the result is dropped.
    #[must_use]
    pub fn register(self: &Arc<Self>, spec: GuestSpec) -> Registered {
        let mut entries = lock(&self.0);
        let number = entries.len() + 1;
        let info = GuestInfo {
            run: String::new(),
            number,
            arch: spec.arch.clone(),
            test: spec.test.clone(),
            name: spec.name.clone(),
            ended: false,
        };
        let guest = Arc::new(LiveGuest {
            has_gdb: Mutex::new(spec.has_gdb),
            open: Mutex::default(),
            shell: ShellPort::default(),
            spec,
        });
        entries.push(Entry {
            info,
            guest: Some(Arc::clone(&guest)),
        });
        Registered {
            all: Arc::clone(self),
            number,
            guest,
        }
    }

    /// All guests of the run `run`, including those that have ended.
    pub(crate) fn list(&self, run: &str) -> Vec<GuestInfo> {
        let entries = lock(&self.0);
        let infos = entries.iter().map(|entry| GuestInfo {
            run: run.to_owned(),
            ended: entry.guest.is_none(),
            ..entry.info.clone()
        });
        infos.collect()
    }

    /// The guest with this number, if it runs.
    pub(crate) fn find(&self, number: usize) -> Option<Arc<LiveGuest>> {
        let entries = lock(&self.0);
        entries.get(number.checked_sub(1)?)?.guest.clone()
    }
}

/// Unregisters a guest when it is dropped, and ends the connections to it.
pub struct Registered {
    all: Arc<LiveGuests>,
    number: usize,
    guest: Arc<LiveGuest>,
}

impl Registered {
    /// The guest.
    #[must_use]
    pub fn guest(&self) -> &LiveGuest {
        &self.guest
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(entry) = lock(&self.all.0).get_mut(self.number - 1) {
            entry.guest = None;
        }
        self.guest.shell.close();
        let mut open = lock(&self.guest.open);
        open.closed = true;
        for stream in open.streams.values() {
            // The client may have gone.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Ends a connection to a guest when it is dropped.
pub(crate) struct Connection<'a> {
    guest: &'a LiveGuest,
    id: u64,
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        if let Some(stream) = lock(&self.guest.open).streams.remove(&self.id) {
            // Other parts of the server have copies of it. The client may have gone.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl LiveGuest {
    /// Registers a connection, which ends when the guest does.
    pub(crate) fn connect(&self, stream: &UnixStream) -> std::io::Result<Connection<'_>> {
        let mut open = lock(&self.open);
        if open.closed {
            stream.shutdown(Shutdown::Both)?;
        }
        open.last += 1;
        let id = open.last;
        open.streams.insert(id, stream.try_clone()?);
        Ok(Connection { guest: self, id })
    }

    /// Its monitor.
    pub(crate) fn monitor(&self) -> &qmp::Client {
        &self.spec.monitor
    }

    /// The clock of its time limits.
    pub(crate) fn clock(&self) -> Option<&TestClock> {
        self.spec.clock.as_ref()
    }

    /// Why it offers no shell.
    pub(crate) fn no_shell(&self) -> Option<&'static str> {
        self.spec.no_shell
    }

    /// Starts the gdbstub, unless it listens already.
    pub(crate) fn gdb(&self) -> Result<GdbTarget, QmpError> {
        let socket = self.spec.sockets.join(GDB);
        let mut has_gdb = lock(&self.has_gdb);
        if !*has_gdb {
            let path = socket.as_str().replace(',', ",,");
            let line = format!("gdbserver unix:{path},server=on,wait=off");
            let text = self.spec.monitor.human(&line, GDB_WAIT)?;
            if !socket.exists() {
                return Err(QmpError {
                    class: "gdbserver".to_owned(),
                    desc: text.trim().to_owned(),
                });
            }
            *has_gdb = true;
        }
        Ok(GdbTarget {
            socket,
            symbols: self.spec.symbols.clone(),
            is_own_kernel: self.spec.is_own_kernel,
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

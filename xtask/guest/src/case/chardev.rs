//! Writes of a host script to its guest's console and to sockets of QEMU's character devices.
//!
//! A connection stays open until the test ends, because QEMU discards unread data when its peer
//! closes. Received data are written to a file next to the socket.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use host::test_time::Deadline;
use host::wait::{self, Limit};
use qemu::vm::write_within;

use super::Case;
use super::monitor::{MONITOR_WAIT, guest_option};
use evidence::logfile::LogFile;
use helpers::{Caller, Reply, Request};

/// The connections of a test by path.
#[derive(Debug, Default)]
pub(super) struct Chardevs(Mutex<BTreeMap<Utf8PathBuf, Arc<Connection>>>);

#[derive(Debug)]
struct Connection(UnixStream);

impl Drop for Connection {
    fn drop(&mut self) {
        // Ends the reading thread.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Connection {
    fn write(&self, text: &str, deadline: &Deadline) -> io::Result<()> {
        write_within(&self.0, text.as_bytes(), deadline)
    }
}

impl Chardevs {
    /// The connection to a socket. Waits until the socket exists.
    fn connection(&self, path: &Utf8Path, limit: Limit<'_>) -> io::Result<Arc<Connection>> {
        let known = self.lock().get(path).map(Arc::clone);
        if let Some(known) = known {
            return Ok(known);
        }
        let stream = connect(path, limit)?;
        let log = LogFile::create(&Utf8PathBuf::from(format!("{path}.log")))?;
        let near = stream.try_clone()?;
        // Not scoped, because it ends with the connection.
        std::thread::Builder::new()
            .name("chardev".to_owned())
            .spawn(move || keep(near, log))?;
        let connection = Arc::new(Connection(stream));
        self.lock().insert(path.to_owned(), Arc::clone(&connection));
        Ok(connection)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Utf8PathBuf, Arc<Connection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(path: &Utf8Path, limit: Limit<'_>) -> io::Result<UnixStream> {
    let mut last = io::ErrorKind::NotFound.into();
    let connected = wait::poll(limit, || match UnixStream::connect(path) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused
            ) =>
        {
            last = error;
            None
        }
        result => Some(result),
    });
    connected.unwrap_or(Err(last))
}

/// Reads to the end, so that QEMU never blocks.
fn keep(mut stream: UnixStream, mut log: LogFile) -> io::Result<()> {
    let mut piece = vec![0; 16 << 10];
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        log.write(&piece[..length]);
    }
    log.finish()
}

impl Case<'_> {
    /// `chardev_write SOCKET TEXT`
    pub(super) fn chardev_write(&self, request: &Request, caller: &Caller<'_>) -> Reply {
        let [path, text] = request.args.as_slice() else {
            return Reply::error(2, "chardev_write: expected one socket");
        };
        let path = request.cwd.join(path);
        let is_gone = || caller.is_gone();
        let left = self.clock.deadline(self.setting.scaled(super::WAIT_FOR));
        let limit = Limit::while_left(&left).or_if(&is_gone);
        let connection = self.chardevs.connection(&path, limit);
        let written =
            connection.and_then(|connection| connection.write(text, &self.write_deadline()));
        done("chardev_write", &path, written)
    }

    /// `console_write [-g GUEST] TEXT`
    pub(super) fn console_write(&self, request: &Request, caller: &Caller<'_>) -> Reply {
        let (which, text) = match guest_option(&request.args) {
            Ok((which, [text])) => (which, text),
            Ok(_) => return Reply::error(2, "console_write: unexpected argument"),
            Err(why) => return Reply::error(2, format!("console_write: {why}")),
        };
        let is_gone = || caller.is_gone();
        let left = self.clock.deadline(self.setting.scaled(super::WAIT_FOR));
        let limit = Limit::while_left(&left).or_if(&is_gone);
        let console = match self.roster.console(which, limit) {
            Ok(console) => console,
            Err(error) => return Reply::error(1, format!("console_write: {error}")),
        };
        let written = write_within(&console, text.as_bytes(), &self.write_deadline());
        done("console_write", Utf8Path::new("console"), written)
    }

    fn write_deadline(&self) -> Deadline {
        self.clock.deadline(MONITOR_WAIT.min(self.test_limit()))
    }
}

fn done(word: &str, what: &Utf8Path, written: io::Result<()>) -> Reply {
    match written {
        Ok(()) => Reply::done(""),
        Err(error) => Reply::error(1, format!("{word}: failed to write to `{what}`: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixListener;
    use std::time::Duration;

    use host::test_time::TestClock;

    use super::*;

    #[test]
    fn connection_stays_open_and_answers_are_logged() {
        let dir = tempfile::tempdir().unwrap();
        let socket = Utf8Path::from_path(dir.path()).unwrap().join("chardev");
        let listener = UnixListener::bind(&socket).unwrap();
        let chardevs = Chardevs::default();
        let deadline = TestClock::default().deadline(Duration::from_secs(20));
        let limit = Limit::while_left(&deadline);
        for text in ["one ", "two"] {
            let connection = chardevs.connection(&socket, limit).unwrap();
            connection.write(text, &deadline).unwrap();
        }
        let (mut peer, _) = listener.accept().unwrap();
        let mut bytes = [0; 7];
        peer.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"one two");
        peer.write_all(b"answer").unwrap();
        let log = Utf8PathBuf::from(format!("{socket}.log"));
        let logged = || (fs_err::read(&log).unwrap() == b"answer").then_some(());
        assert_eq!(wait::poll(limit, logged), Ok(()));
        drop(chardevs);
        assert_eq!(peer.read(&mut bytes).unwrap(), 0);
    }

    #[test]
    fn a_missing_socket_is_reported_at_the_deadline() {
        let dir = tempfile::tempdir().unwrap();
        let socket = Utf8Path::from_path(dir.path()).unwrap().join("missing");
        let limit = Limit::within(Duration::ZERO);
        let error = Chardevs::default().connection(&socket, limit);
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}

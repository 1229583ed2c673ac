//! The open connections of a server that ends with its test, and reads and writes with a deadline.
//!
//! A client controls the pace of reads and writes, so a time limit per system call is not enough:
//! one byte per call would keep a connection open forever.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use host::clock::monotonic;

/// The common interface of TCP and Unix sockets.
pub(super) trait Socket {
    fn hang_up(&self, how: Shutdown) -> io::Result<()>;
    fn wait_for_read(&self, limit: Duration) -> io::Result<()>;
    fn wait_for_write(&self, limit: Duration) -> io::Result<()>;
}

macro_rules! socket {
    ($stream:ty) => {
        impl Socket for $stream {
            fn hang_up(&self, how: Shutdown) -> io::Result<()> {
                self.shutdown(how)
            }
            fn wait_for_read(&self, limit: Duration) -> io::Result<()> {
                self.set_read_timeout(Some(limit))
            }
            fn wait_for_write(&self, limit: Duration) -> io::Result<()> {
                self.set_write_timeout(Some(limit))
            }
        }
    };
}

socket!(TcpStream);
socket!(UnixStream);

/// All open connections of one server.
#[derive(Debug)]
pub(super) struct Connections<S> {
    state: Mutex<State<S>>,
}

#[derive(Debug)]
struct State<S> {
    /// How new connections are ended, once the server is closed.
    closed: Option<Shutdown>,
    last: u64,
    open: BTreeMap<u64, Arc<S>>,
}

impl<S> Default for Connections<S> {
    fn default() -> Self {
        let state = State {
            closed: None,
            last: 0,
            open: BTreeMap::new(),
        };
        Self {
            state: Mutex::new(state),
        }
    }
}

impl<S: Socket> Connections<S> {
    /// Registers a connection until the guard is dropped.
    pub(super) fn enter(&self, stream: S) -> Connection<'_, S> {
        let mut state = self.lock();
        if let Some(how) = state.closed {
            let _ = stream.hang_up(how);
        }
        state.last += 1;
        let id = state.last;
        let stream = Arc::new(stream);
        state.open.insert(id, Arc::clone(&stream));
        Connection {
            all: self,
            id,
            stream,
        }
    }

    /// Shuts down every connection, including later ones.
    pub(super) fn close(&self, how: Shutdown) {
        let mut state = self.lock();
        state.closed = Some(how);
        for stream in state.open.values() {
            // A closed connection needs no action.
            let _ = stream.hang_up(how);
        }
    }
}

impl<S> Connections<S> {
    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that a thread serves.
#[derive(Debug)]
pub(super) struct Connection<'a, S> {
    all: &'a Connections<S>,
    id: u64,
    pub(super) stream: Arc<S>,
}

impl<S> Drop for Connection<'_, S> {
    fn drop(&mut self) {
        self.all.lock().open.remove(&self.id);
    }
}

/// A stream whose reads and writes share one deadline.
pub(super) struct Until<'a, S> {
    pub(super) stream: &'a S,
    pub(super) deadline: Instant,
}

impl<S> Until<'_, S> {
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(monotonic());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

impl<S: Socket> Read for Until<'_, S>
where
    for<'s> &'s S: Read,
{
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.wait_for_read(self.left()?)?;
        let mut stream = self.stream;
        stream.read(buffer)
    }
}

impl<S: Socket> Write for Until<'_, S>
where
    for<'s> &'s S: Write,
{
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.wait_for_write(self.left()?)?;
        let mut stream = self.stream;
        stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_ends_reads_of_open_and_later_connections() {
        let connections = Connections::default();
        let pair = || UnixStream::pair().unwrap();
        let ((near, far), (late, late_far)) = (pair(), pair());
        let open = connections.enter(near);
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| (&*open.stream).read(&mut [0]));
            connections.close(Shutdown::Read);
            assert_eq!(reading.join().unwrap().unwrap(), 0);
        });
        let late = connections.enter(late);
        assert_eq!((&*late.stream).read(&mut [0]).unwrap(), 0);
        // A reply can still be written.
        (&*late.stream).write_all(b"x").unwrap();
        drop((far, late_far));
    }

    #[test]
    fn slow_client_cannot_extend_a_deadline() {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(b"abc").unwrap();
        let mut until = Until {
            stream: &near,
            deadline: monotonic() + Duration::from_millis(20),
        };
        let mut read = Vec::new();
        let error = until.read_to_end(&mut read).unwrap_err();
        assert_eq!(read, b"abc");
        assert!(matches!(
            error.kind(),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
        ));
        assert_eq!(
            until.write(b"x").unwrap_err().kind(),
            io::ErrorKind::TimedOut
        );
    }
}

//! The open connections of a server that ends with its test, and reads and writes with a deadline.
//!
//! A client controls the pace of reads and writes, so a time limit per system call is not enough:
//! one byte per call would keep a connection open forever. Deadlines are in test time, because a
//! client that the host starves is not a slow client.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use host::test_time::Deadline;
use host::wait::Countdown as _;

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

/// Interval at which a read or write checks how much time is left.
const TICK: Duration = Duration::from_millis(50);
/// The shortest time limit of a system call. Zero would mean no limit.
const SHORTEST: Duration = Duration::from_millis(1);

/// A stream whose reads and writes share one deadline.
pub(super) struct Until<'a, S> {
    pub(super) stream: &'a S,
    pub(super) deadline: Deadline,
}

impl<S> Until<'_, S> {
    /// Attempts a read or write until the deadline. What has arrived before is read even if this thread ran
    /// too late.
    fn attempt(
        &self,
        limit_next: impl Fn(Duration) -> io::Result<()>,
        mut attempt: impl FnMut() -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut wait = SHORTEST;
        loop {
            limit_next(wait)?;
            match attempt() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            let left = self.deadline.left();
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            wait = left.clamp(SHORTEST, TICK);
        }
    }
}

impl<S: Socket> Read for Until<'_, S>
where
    for<'s> &'s S: Read,
{
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut stream = self.stream;
        let limit_next = |wait| self.stream.wait_for_read(wait);
        self.attempt(limit_next, || stream.read(buffer))
    }
}

impl<S: Socket> Write for Until<'_, S>
where
    for<'s> &'s S: Write,
{
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stream = self.stream;
        let limit_next = |wait| self.stream.wait_for_write(wait);
        self.attempt(limit_next, || stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use harness::clock::Steps;
    use host::test_time::TestClock;

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

    /// What is read of a client that sends `abc`, then at this sample of the clock the rest.
    fn read_from(steps: Steps, samples: u32) -> (io::Result<usize>, String) {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(b"abc").unwrap();
        let clock = TestClock::from_source(
            steps.until(samples, move || far.write_all(b"def").unwrap()),
            1.0,
        );
        clock.follow(1);
        let deadline = clock.deadline(Duration::from_secs(10));
        let mut read = String::new();
        let mut until = Until {
            stream: &near,
            deadline,
        };
        (until.read_to_string(&mut read), read)
    }

    #[test]
    fn only_starved_client_may_send_late() {
        let (end, read) = read_from(Steps::starved(), 20);
        assert_eq!((end.unwrap(), read.as_str()), (6, "abcdef"));
        for steps in [Steps::idle(), Steps::computing()] {
            let (end, read) = read_from(steps, 20);
            assert_eq!(end.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert_eq!(read, "abc");
        }
    }

    #[test]
    fn arrived_bytes_are_read_after_the_deadline() {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(b"abc").unwrap();
        let deadline = TestClock::default().deadline(Duration::ZERO);
        let mut until = Until {
            stream: &near,
            deadline,
        };
        let mut read = Vec::new();
        let error = until.read_to_end(&mut read).unwrap_err();
        assert_eq!(
            (read.as_slice(), error.kind()),
            (&b"abc"[..], io::ErrorKind::TimedOut)
        );
        // The peer does not read, so the socket becomes full.
        let flood = vec![0; 64 << 20];
        let error = until.write_all(&flood).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(far);
    }
}

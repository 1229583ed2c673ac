//! The threads and writers of a running QEMU's byte channels.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use host::test_time::{Deadline, TestClock};
use host::wait::Countdown as _;

use super::VmEvent;
use crate::error::QemuError;
use crate::queue::Queue;

/// Bytes per read.
const CHUNK: usize = 16 << 10;

/// A longer line of QEMU's messages is split.
const LONGEST_LINE: u64 = 16 << 10;

/// Maximum size of the log file. Further output is still read and reported as events.
const LARGEST_LOG: usize = 16 << 20;

/// QEMU writes the output of a serial port byte by byte, and a reader that wakes for every byte
/// costs more than the rest of the runner. Therefore bytes are collected for this long.
const GATHER: Duration = Duration::from_millis(1);

/// After a read of this many bytes the next read follows immediately, because more than a slow port
/// writes have arrived. A socket holds only some 270 writes of one byte (each takes 768 bytes of
/// `net.core.wmem_default`, 208 KiB), and it must not be full, because the guest then waits for its
/// port.
const PLENTY: usize = 128;

/// Forwards a channel immediately until it closes or the reader is gone.
pub(super) fn read_stream(
    stream: UnixStream,
    queue: &Queue<VmEvent>,
    event: fn(Vec<u8>) -> VmEvent,
) {
    forward(stream, queue, event, |_| {});
}

/// Forwards a serial port: the first bytes immediately, the following ones in batches.
pub(super) fn read_serial(
    stream: UnixStream,
    queue: &Queue<VmEvent>,
    event: fn(Vec<u8>) -> VmEvent,
) {
    forward(stream, queue, event, |length| {
        if length < PLENTY {
            // After an interruption of the run, bytes are no longer collected.
            let _interrupted = host::clock::pause(GATHER);
        }
    });
}

/// Calls `between` with the length of each read before the next one.
fn forward(
    mut stream: impl Read,
    queue: &Queue<VmEvent>,
    event: fn(Vec<u8>) -> VmEvent,
    between: impl Fn(usize),
) {
    let mut chunk = vec![0; CHUNK];
    loop {
        match stream.read(&mut chunk) {
            // A socket is reset if its owner exits with unread bytes.
            Ok(0) | Err(_) => return,
            Ok(length) => {
                if !queue.push_bytes(event(chunk[..length].to_vec()), length) {
                    return;
                }
                between(length);
            }
        }
    }
}

/// Forwards QEMU's messages line by line, and writes them to its log.
pub(super) fn read_stderr(messages: impl Read, mut log: impl Write, queue: &Queue<VmEvent>) {
    let mut reader = BufReader::new(messages);
    let mut line = Vec::new();
    let mut logged = 0;
    loop {
        line.clear();
        match reader
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => return,
            Ok(length) if logged < LARGEST_LOG => {
                // The log is optional, so a full disk must not end the run.
                let _written = log.write_all(&line);
                logged += length;
            }
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if !queue.push_bytes(VmEvent::Stderr(text), line.len()) {
            return;
        }
    }
}

/// This process's end of a channel, for writing with a deadline.
pub(super) struct Writer {
    stream: Mutex<UnixStream>,
    channel: &'static str,
}

impl Writer {
    pub(super) fn new(stream: UnixStream, channel: &'static str) -> Self {
        Self {
            stream: Mutex::new(stream),
            channel,
        }
    }

    /// The channel itself, for the user's input.
    pub(super) fn input(&self) -> std::io::Result<UnixStream> {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.try_clone()
    }

    /// Stops writing: the reader still gets what is in the socket, then the end.
    pub(super) fn finish_reading(&self) -> Result<(), QemuError> {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = QemuError::io(format!("failed to close the guest's {}", self.channel));
        stream.shutdown(Shutdown::Read).map_err(failed)
    }

    /// Writes everything. Fails if the guest does not read enough in time.
    pub(super) fn write(
        &self,
        bytes: &[u8],
        wait: Duration,
        clock: &TestClock,
    ) -> Result<(), QemuError> {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = clock.deadline(wait);
        write_within(&stream, bytes, &deadline).map_err(|error| {
            if error.kind() == std::io::ErrorKind::TimedOut {
                return QemuError::Stuck {
                    channel: self.channel,
                    waited: wait,
                };
            }
            QemuError::io(format!("failed to write to the guest's {}", self.channel))(error)
        })
    }
}

/// Interval at which a write checks how much time is left.
const TICK: Duration = Duration::from_secs(1);

/// Writes everything. Fails with `TimedOut` if the reader does not read enough before the deadline.
pub fn write_within(stream: &UnixStream, bytes: &[u8], deadline: &Deadline) -> std::io::Result<()> {
    // The other handles of the socket share its timeout.
    let before = stream.write_timeout()?;
    let written = write_pieces(stream, bytes, deadline);
    stream.set_write_timeout(before)?;
    written
}

fn write_pieces(
    mut stream: &UnixStream,
    mut bytes: &[u8],
    deadline: &Deadline,
) -> std::io::Result<()> {
    use std::io::ErrorKind;

    while !bytes.is_empty() {
        let left = deadline.left();
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        // A timeout of zero would mean no timeout.
        let left = left.clamp(Duration::from_millis(1), TICK);
        stream.set_write_timeout(Some(left))?;
        match stream.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use host::wait::Limit;

    use super::*;

    #[test]
    fn bytes_arrive_in_order_with_counts() {
        let bytes: Vec<u8> = (0..=255).cycle().take(CHUNK + 3).collect();
        let queue = Queue::new(1);
        let lengths = RefCell::new(Vec::new());
        let between = |length| lengths.borrow_mut().push(length);
        forward(&bytes[..], &queue, VmEvent::Console, between);
        assert_eq!(*lengths.borrow(), [CHUNK, 3]);
        let mut came = Vec::new();
        while let Some(VmEvent::Console(piece)) = queue.next(Limit::within(Duration::ZERO)) {
            came.extend(piece);
        }
        assert_eq!(came, bytes);
        queue.close();
        forward(&bytes[..], &queue, VmEvent::Console, |_| panic!("reads on"));
    }
}

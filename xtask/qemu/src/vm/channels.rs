//! The threads and writers of a running QEMU's byte channels.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::VmEvent;
use crate::error::QemuError;
use crate::queue::Queue;

/// Bytes read at once.
const CHUNK: usize = 16 << 10;

/// A longer line of QEMU's own is cut into several.
const LONGEST_LINE: u64 = 16 << 10;

/// What the log file may hold; the rest is still read, and still an event.
const LARGEST_LOG: usize = 16 << 20;

/// A serial port gives QEMU one byte at a time, and QEMU writes each by itself: a reader that is
/// awake for every byte costs more than the rest of the runner. So bytes gather for this long.
const GATHER: Duration = Duration::from_millis(1);

/// So many bytes in one read were more than a slow port writes meanwhile: read on at once. A socket
/// holds only some 270 writes of one byte (each takes 768 bytes of `net.core.wmem_default`, 208
/// KiB), and QEMU, whose guest waits for its port, must not find it full.
const PLENTY: usize = 128;

/// Forwards a channel at once, until it closes or the reader is gone.
pub(super) fn read_stream(
    stream: UnixStream,
    queue: &Queue<VmEvent>,
    event: fn(Vec<u8>) -> VmEvent,
) {
    forward(stream, queue, event, |_| {});
}

/// Forwards a serial port: first bytes at once, those that follow in batches.
pub(super) fn read_serial(
    stream: UnixStream,
    queue: &Queue<VmEvent>,
    event: fn(Vec<u8>) -> VmEvent,
) {
    forward(stream, queue, event, |length| {
        if length < PLENTY {
            // Once the run is interrupted nothing is gathered any more.
            let _interrupted = host::clock::pause(GATHER);
        }
    });
}

/// `between` is called with the length of each read before the next.
fn forward(
    mut stream: impl Read,
    queue: &Queue<VmEvent>,
    event: fn(Vec<u8>) -> VmEvent,
    between: impl Fn(usize),
) {
    let mut chunk = vec![0; CHUNK];
    loop {
        match stream.read(&mut chunk) {
            // A reset is how a socket looks whose owner died with bytes unread.
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

/// Forwards QEMU's messages line by line, and keeps them in its log.
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
                // The log is a convenience; a full disk must not end the run.
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

/// Our end of a channel, for writing with a deadline.
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

    /// The channel itself, for a person's keys.
    pub(super) fn input(&self) -> std::io::Result<UnixStream> {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.try_clone()
    }

    /// Lets nothing more in: the reader still gets what is in the socket, then its end.
    pub(super) fn finish_reading(&self) -> Result<(), QemuError> {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = QemuError::io(format!("failed to close the guest's {}", self.channel));
        stream.shutdown(Shutdown::Read).map_err(failed)
    }

    /// Writes all of it, or fails when the guest takes too little in the time given.
    pub(super) fn write(&self, mut bytes: &[u8], wait: Duration) -> Result<(), QemuError> {
        let stuck = || QemuError::Stuck {
            channel: self.channel,
            waited: wait,
        };
        let failed = || QemuError::io(format!("failed to write to the guest's {}", self.channel));
        let end = Instant::now() + wait;
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        while !bytes.is_empty() {
            let left = end
                .checked_duration_since(Instant::now())
                .ok_or_else(stuck)?;
            // A timeout of zero would mean none at all.
            let left = left.max(Duration::from_millis(1));
            stream.set_write_timeout(Some(left)).map_err(failed())?;
            match stream.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return Err(stuck());
                }
                Err(error) => return Err(failed()(error)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

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
        while let Some(VmEvent::Console(piece)) = queue.next(Instant::now()) {
            came.extend(piece);
        }
        assert_eq!(came, bytes);
        queue.close();
        forward(&bytes[..], &queue, VmEvent::Console, |_| panic!("reads on"));
    }
}

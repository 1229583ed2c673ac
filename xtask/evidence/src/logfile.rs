//! A log of limited size: its beginning is written to the file directly, and its end is kept in
//! memory and written last. A line between them tells how much is missing.

use std::collections::VecDeque;
use std::io::{self, Write as _};

use camino::Utf8Path;

/// Bytes kept of each end of a log: 16 MiB in total.
const KEPT: usize = 8 << 20;

/// A log file that is being written.
#[derive(Debug)]
pub struct LogFile {
    file: fs_err::File,
    kept: usize,
    head: usize,
    tail: VecDeque<u8>,
    dropped: u64,
    failed: Option<io::Error>,
}

impl LogFile {
    /// Creates an empty log.
    pub fn create(path: &Utf8Path) -> io::Result<Self> {
        Self::with_limit(path, KEPT)
    }

    fn with_limit(path: &Utf8Path, kept: usize) -> io::Result<Self> {
        let file = fs_err::File::create(path)?;
        Ok(Self {
            file,
            kept,
            head: 0,
            tail: VecDeque::new(),
            dropped: 0,
            failed: None,
        })
    }

    /// Appends bytes. [`LogFile::finish`] returns the first error.
    pub fn write(&mut self, bytes: &[u8]) {
        let (head, tail) = bytes.split_at(bytes.len().min(self.kept - self.head));
        self.head += head.len();
        if let Err(error) = self.file.write_all(head) {
            self.failed.get_or_insert(error);
        }
        self.tail.extend(tail);
        let excess = self.tail.len().saturating_sub(self.kept);
        self.tail.drain(..excess);
        self.dropped += excess as u64;
    }

    /// Writes the tail.
    pub fn finish(mut self) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.dropped > 0 {
            write!(self.file, "\n… {} bytes dropped …\n", self.dropped)?;
        }
        let (first, second) = self.tail.as_slices();
        self.file.write_all(first)?;
        self.file.write_all(second)
    }
}

/// The last lines of a text in printable form.
#[derive(Debug, Default)]
pub struct Tail {
    bytes: Vec<u8>,
}

/// Enough for twenty lines of a console.
const TAIL_BYTES: usize = 8 << 10;
/// Number of lines in a tail.
const TAIL_LINES: usize = 20;

impl Tail {
    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.bytes
            .extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
        let excess = self.bytes.len().saturating_sub(2 * TAIL_BYTES);
        self.bytes.drain(..excess);
    }

    /// The last line that is not empty, as plain text.
    #[must_use]
    pub fn last(&self) -> Option<String> {
        verdict::text::last_line(&self.bytes)
    }

    /// The last lines as plain text.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let lines = self
            .bytes
            .split(|&byte| byte == b'\n')
            .map(verdict::text::short_line);
        let lines: Vec<_> = lines.filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_tail_of_a_flood_are_kept() {
        let check = |pieces: &[&str], expect: &str| {
            let dir = tempfile::tempdir().unwrap();
            let path = Utf8Path::from_path(dir.path()).unwrap().join("log");
            let mut log = LogFile::with_limit(&path, 4).unwrap();
            for piece in pieces {
                log.write(piece.as_bytes());
            }
            log.finish().unwrap();
            assert_eq!(fs_err::read_to_string(&path).unwrap(), expect);
        };
        check(&[], "");
        check(&["abc"], "abc");
        check(&["abcdef", "gh"], "abcdefgh");
        check(
            &["abcdef", "ghi", "", "j"],
            "abcd\n… 2 bytes dropped …\nghij",
        );
        check(
            &["0123456789", "abcdefghij"],
            "0123\n… 12 bytes dropped …\nghij",
        );
    }

    #[test]
    fn tail_contains_last_lines_as_plain_text() {
        let mut tail = Tail::default();
        for number in 0..1000 {
            tail.write(format!("line {number}\u{1b}[0m\r\n\n").as_bytes());
        }
        let lines = tail.lines();
        assert_eq!(lines.len(), TAIL_LINES);
        assert_eq!(lines.last().map(String::as_str), Some("line 999"));
    }
}

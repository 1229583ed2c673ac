//! Reads the output of a script: writes all of it to a log, keeps the last lines for an error, and
//! sends some lines as events.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

/// Number of lines in an error.
const TAIL: usize = 20;
/// Maximum length of a line in an error or event. The log has complete lines.
const LONGEST: usize = 2000;
/// Minimum time between two events of one script.
const RHYTHM: Duration = Duration::from_millis(100);

/// Reads to the end and returns the last lines. Calls `say` with a line at most ten times per
/// second.
pub(super) fn follow(
    mut from: impl Read,
    mut log: impl Write,
    mut say: impl FnMut(&str),
) -> io::Result<Vec<String>> {
    let mut tail = Tail::default();
    let mut reported: Option<Instant> = None;
    let mut chunk = vec![0; 64 << 10];
    loop {
        let length = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        log.write_all(&chunk[..length])?;
        tail.push(&chunk[..length]);
        let due = reported.is_none_or(|last| last.elapsed() >= RHYTHM);
        if let Some(line) = tail.lines.back().filter(|_| due) {
            say(line);
            reported = Some(host::clock::monotonic());
        }
    }
    log.flush()?;
    tail.end();
    Ok(tail.lines.into())
}

/// The last lines of a stream.
#[derive(Default)]
struct Tail {
    lines: VecDeque<String>,
    open: Vec<u8>,
}

impl Tail {
    fn push(&mut self, mut bytes: &[u8]) {
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend(&bytes[..at]);
            self.end_line();
            bytes = &bytes[at + 1..];
        }
        self.extend(bytes);
    }

    fn extend(&mut self, bytes: &[u8]) {
        let fits = bytes.len().min(LONGEST.saturating_sub(self.open.len()));
        self.open.extend(&bytes[..fits]);
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.open).trim_end().to_owned();
        self.open.clear();
        if self.lines.len() == TAIL {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn end(&mut self) {
        if !self.open.is_empty() {
            self.end_line();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], expect: &[&str]) {
        let (mut log, mut events) = (Vec::new(), 0);
        let tail = follow(text, &mut log, |_| events += 1).unwrap();
        assert_eq!(log, text);
        assert_eq!(tail, expect);
    }

    #[test]
    fn log_is_complete_and_tail_is_short() {
        check(b"", &[]);
        check(b"one\ntwo\n", &["one", "two"]);
        check(b"one\r\nopen end", &["one", "open end"]);
        check(b"\xff\n", &["\u{fffd}"]);
        let lines: Vec<_> = (1..=30).map(|line| line.to_string()).collect();
        let last: Vec<_> = lines[10..].iter().map(String::as_str).collect();
        check(lines.join("\n").as_bytes(), &last);
    }

    #[test]
    fn endless_line_is_cut_where_it_is_shown() {
        let text = vec![b'x'; 100_000];
        check(&text, &[&"x".repeat(LONGEST)]);
    }

    #[test]
    fn output_flood_is_not_an_event_flood() {
        struct Drops<'a>(&'a [u8]);
        impl Read for Drops<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let length = self.0.len().min(2);
                buffer[..length].copy_from_slice(&self.0[..length]);
                self.0 = &self.0[length..];
                Ok(length)
            }
        }
        let text = b"x\n".repeat(500);
        let start = Instant::now();
        let mut events = 0;
        follow(Drops(&text), io::sink(), |_| events += 1).unwrap();
        let most = 1 + start.elapsed().as_millis() / RHYTHM.as_millis();
        assert!(
            (1..=most).contains(&events),
            "{events} events, at most {most} were due"
        );
    }
}

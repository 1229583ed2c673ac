//! The guest's console: bytes to lines, kernel troubles in them, a record with a limit.
//!
//! `guest` feeds it and keeps it for the report. Lines are given as raw bytes, for records of the
//! guest protocol may come this way; `text::clean` makes them fit for a person's terminal.

pub mod text;
mod trouble;

use std::collections::VecDeque;

pub use trouble::{Kind, scan};

/// A longer line is given in pieces.
const LONGEST_LINE: usize = 64 << 10;

/// What is kept of a console, unless the caller says otherwise.
pub const CAP: usize = 16 << 20;

/// Something on the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsoleEvent {
    /// A line, without its line end.
    Line(Vec<u8>),
    /// The line just given says that the kernel has panicked.
    Panic(String),
    /// The line just given says that the kernel has come to harm, and perhaps goes on.
    Oops(String),
    /// The line just given is of interest when something else fails: a stall, a warning.
    Notice(String),
}

/// Collects a console.
#[derive(Debug)]
pub struct Console {
    half: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
    line: Vec<u8>,
}

impl Default for Console {
    fn default() -> Self {
        Self::new(CAP)
    }
}

impl Console {
    /// One that keeps at most about `cap` bytes: the first half and the last half.
    #[must_use]
    pub fn new(cap: usize) -> Self {
        let (head, tail, line) = (Vec::new(), VecDeque::new(), Vec::new());
        Self {
            half: cap / 2,
            head,
            tail,
            total: 0,
            line,
        }
    }

    /// Takes bytes as they came and gives what they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<ConsoleEvent> {
        self.keep(bytes);
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.ends_with(b"\n") {
                self.complete(&mut events);
            }
            while self.line.len() > LONGEST_LINE {
                let rest = self.line.split_off(LONGEST_LINE);
                self.complete(&mut events);
                self.line = rest;
            }
        }
        events
    }

    /// Gives the last line, which has no end.
    pub fn finish(&mut self) -> Vec<ConsoleEvent> {
        let mut events = Vec::new();
        if !self.line.is_empty() {
            self.complete(&mut events);
        }
        events
    }

    /// The line that has begun, such as a prompt.
    #[must_use]
    pub fn partial(&self) -> &[u8] {
        &self.line
    }

    /// How many bytes came.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many bytes were not kept.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.total - (self.head.len() + self.tail.len()) as u64
    }

    /// All that was kept, as it came, with a line in the middle that says what is missing.
    #[must_use]
    pub fn contents(&self) -> Vec<u8> {
        let mut all = self.head.clone();
        if self.dropped() > 0 {
            all.extend_from_slice(
                format!("\n... {} bytes dropped ...\n", self.dropped()).as_bytes(),
            );
        }
        let (first, second) = self.tail.as_slices();
        all.extend_from_slice(first);
        all.extend_from_slice(second);
        all
    }

    /// The last lines, fit for a terminal.
    #[must_use]
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let contents = self.contents();
        let text = text::clean(&contents);
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let skipped = lines.len().saturating_sub(count);
        lines.into_iter().skip(skipped).map(str::to_owned).collect()
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let (first, rest) = bytes.split_at(bytes.len().min(self.half - self.head.len()));
        self.head.extend_from_slice(first);
        let rest = &rest[rest.len().saturating_sub(self.half)..];
        let surplus = (self.tail.len() + rest.len()).saturating_sub(self.half);
        self.tail.drain(..surplus.min(self.tail.len()));
        self.tail.extend(rest);
    }

    fn complete(&mut self, events: &mut Vec<ConsoleEvent>) {
        let mut line = std::mem::take(&mut self.line);
        while matches!(line.last(), Some(b'\n' | b'\r')) {
            line.pop();
        }
        let found = scan(&line);
        events.push(ConsoleEvent::Line(line));
        events.extend(found.map(|(kind, text)| match kind {
            Kind::Panic => ConsoleEvent::Panic(text),
            Kind::Oops => ConsoleEvent::Oops(text),
            Kind::Notice => ConsoleEvent::Notice(text),
        }));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(events: &[ConsoleEvent]) -> Vec<String> {
        let line = |event: &ConsoleEvent| match event {
            ConsoleEvent::Line(line) => Some(String::from_utf8_lossy(line).into_owned()),
            _ => None,
        };
        events.iter().filter_map(line).collect()
    }

    #[test]
    fn lines_come_whole_whatever_the_chunks_are() {
        let mut console = Console::default();
        assert_eq!(lines(&console.feed(b"one\r\ntw")), ["one"]);
        assert_eq!(console.partial(), b"tw");
        assert_eq!(lines(&console.feed(b"o\n\nthree")), ["two", ""]);
        assert_eq!(lines(&console.finish()), ["three"]);
        assert_eq!(console.finish(), []);
    }

    #[test]
    fn a_line_without_end_is_given_in_pieces() {
        let mut console = Console::default();
        let events = console.feed(&vec![b'x'; 3 * LONGEST_LINE + 1]);
        assert_eq!(events.len(), 3);
        assert_eq!(console.partial(), b"x");
    }

    #[test]
    fn head_and_tail_are_kept_and_the_gap_is_told() {
        let mut console = Console::new(20);
        console.feed(b"0123456789");
        console.feed(b"ab");
        assert_eq!(console.contents(), b"0123456789ab");
        console.feed(b"cdefghijklmnop");
        assert_eq!(console.dropped(), 6);
        assert_eq!(
            console.contents(),
            b"0123456789\n... 6 bytes dropped ...\nghijklmnop"
        );
        console.feed(&[b'z'; 100]);
        assert_eq!(console.total(), 126);
        assert!(console.contents().ends_with(b"\nzzzzzzzzzz"));
    }

    #[test]
    fn the_last_lines_are_clean() {
        let mut console = Console::default();
        console.feed(b"a\r\n\x1b[31mb\x1b[0m\r\n\r\nc\x07");
        assert_eq!(console.last_lines(2), ["b", "c"]);
        assert_eq!(console.last_lines(9), ["a", "b", "c"]);
    }

    #[test]
    fn a_panic_is_told_after_its_line() {
        let mut console = Console::default();
        let events = console.feed(b"[    1.000000] Kernel panic - not syncing: VFS: no root\n");
        let text = "Kernel panic - not syncing: VFS: no root".to_owned();
        assert_eq!(events[1], ConsoleEvent::Panic(text));
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_or_invented(chunks: Vec<Vec<u8>>, cap in 0_usize..64) {
            let mut console = Console::new(cap);
            let all: Vec<u8> = chunks.concat();
            for chunk in &chunks {
                console.feed(chunk);
            }
            prop_assert_eq!(console.total(), all.len() as u64);
            let kept = console.head.len() + console.tail.len();
            prop_assert_eq!(kept, all.len().min(cap / 2 * 2));
            prop_assert!(all.starts_with(&console.head));
            let tail: Vec<u8> = console.tail.iter().copied().collect();
            prop_assert!(all.ends_with(&tail));
        }
    }
}

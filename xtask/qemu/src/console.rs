//! Detects kernel errors in the bytes of a guest's console. `guest` feeds it and stores the console
//! itself. `text::clean` makes the bytes safe for a terminal.

mod end;
pub mod text;
mod trouble;

pub use end::EndWatch;
pub use trouble::{Kind, begins_report, scan, stamp};

/// A longer line is scanned in pieces.
const LONGEST_LINE: usize = 64 << 10;

/// Splits a console into lines and detects kernel errors in them.
#[derive(Debug, Default)]
pub struct Console {
    line: Vec<u8>,
}

impl Console {
    /// Takes raw bytes and returns the errors in the lines that they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<(Kind, String)> {
        let mut found = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.ends_with(b"\n") {
                found.extend(scan(self.line.trim_ascii_end()));
                self.line.clear();
            }
            while self.line.len() > LONGEST_LINE {
                let rest = self.line.split_off(LONGEST_LINE);
                found.extend(scan(&self.line));
                self.line = rest;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PANIC: &str = "Kernel panic - not syncing: VFS: no root";

    #[test]
    fn trouble_is_found_across_chunks() {
        let text = format!("[    0.9] Run /init\r\n[    1.000000] {PANIC}\r\nnext\n");
        for at in 0..text.len() {
            let (first, rest) = text.as_bytes().split_at(at);
            let mut console = Console::default();
            let mut found = console.feed(first);
            found.extend(console.feed(rest));
            assert_eq!(found, [(Kind::Panic, PANIC.to_owned())], "{at}");
        }
    }

    #[test]
    fn endless_line_is_scanned_in_pieces() {
        let mut console = Console::default();
        assert_eq!(console.feed(PANIC.as_bytes()), []);
        let found = console.feed(&vec![b'x'; 3 * LONGEST_LINE]);
        assert_eq!(found.len(), 1);
        assert!(console.line.len() <= LONGEST_LINE);
    }

    proptest! {
        #[test]
        fn any_bytes_are_accepted(chunks: Vec<Vec<u8>>) {
            let mut console = Console::default();
            for chunk in &chunks {
                console.feed(chunk);
            }
            let all = chunks.concat();
            let last = all.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
            prop_assert_eq!(&console.line[..], last);
        }
    }
}

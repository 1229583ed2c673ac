//! The log of a session. `qtest replay` reads the same format.
//!
//! One line per entry. `# ` starts a comment, `$ ` a QEMU command line, `> ` a command of the
//! protocol and `< ` a line from QEMU. A line without a mark is a command.

use camino::Utf8Path;
use host::process::command::quote_line;

use crate::protocol;

/// The mark of a QEMU command line.
pub const COMMAND_LINE: &str = "$ ";
/// The mark of a command of the protocol.
pub const COMMAND: &str = "> ";
/// The mark of a line from QEMU.
pub const REPLY: &str = "< ";
/// The mark of a comment.
pub const COMMENT: &str = "# ";

/// Maximum number of entries.
const MOST: usize = 100_000;

/// An entry of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// A line with its mark.
    Line(String),
    /// A copy to memory, in place of a command.
    Write { address: u64, bytes: Vec<u8> },
    /// A copy from memory, in place of a command.
    Read { address: u64, bytes: Vec<u8> },
}

impl Entry {
    /// Its lines. A copy has those of the command that it replaced, so that a replay does the same.
    fn lines(&self) -> Vec<String> {
        match self {
            Self::Line(line) => vec![line.clone()],
            Self::Write { address, bytes } => {
                let command = protocol::write_command(*address, bytes);
                vec![format!("{COMMAND}{command}"), format!("{REPLY}OK")]
            }
            Self::Read { address, bytes } => {
                let command = protocol::read_command(*address, bytes.len());
                let reply = protocol::hex(bytes);
                vec![format!("{COMMAND}{command}"), format!("{REPLY}OK {reply}")]
            }
        }
    }
}

/// The lines of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transcript {
    entries: Vec<Entry>,
    dropped: usize,
}

impl Transcript {
    /// Records the start of QEMU.
    pub(crate) fn note_start(&mut self, version: &str, binary: &Utf8Path, arguments: &[String]) {
        self.push(COMMENT, &format!("QEMU {version}"));
        let name = binary.file_name().unwrap_or_default();
        let words: Vec<&str> = std::iter::once(name)
            .chain(arguments.iter().map(String::as_str))
            .collect();
        self.push(COMMAND_LINE, &quote_line(&words));
    }

    /// Records a comment.
    pub(crate) fn note_comment(&mut self, text: &str) {
        self.push(COMMENT, text);
    }

    /// Records a command.
    pub(crate) fn note_command(&mut self, command: &str) {
        self.push(COMMAND, command);
    }

    /// Records a line from QEMU.
    pub(crate) fn note_reply(&mut self, line: &str) {
        self.push(REPLY, line);
    }

    /// Records a copy to memory.
    pub(crate) fn note_write(&mut self, address: u64, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        self.add(Entry::Write { address, bytes });
    }

    /// Records a copy from memory.
    pub(crate) fn note_read(&mut self, address: u64, bytes: &[u8]) {
        let bytes = bytes.to_vec();
        self.add(Entry::Read { address, bytes });
    }

    fn push(&mut self, mark: &str, text: &str) {
        self.add(Entry::Line(format!("{mark}{text}")));
    }

    fn add(&mut self, entry: Entry) {
        if self.entries.len() < MOST {
            self.entries.push(entry);
        } else {
            self.dropped += 1;
        }
    }

    /// The commands in order.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        let lines = self.entries.iter().flat_map(Entry::lines);
        let command = |line: String| line.strip_prefix(COMMAND).map(str::to_owned);
        lines.filter_map(command).collect()
    }

    /// Whether QEMU has replied to a command.
    #[must_use]
    pub fn has_reply(&self) -> bool {
        let is_reply = |entry: &Entry| match entry {
            Entry::Line(line) => line.starts_with(REPLY),
            Entry::Write { .. } | Entry::Read { .. } => true,
        };
        self.entries.iter().any(is_reply)
    }

    /// The last lines.
    #[must_use]
    pub fn tail(&self, count: usize) -> Vec<String> {
        // Each entry has a line at least.
        let first = self.entries.len().saturating_sub(count);
        let mut lines: Vec<String> = self.entries[first..]
            .iter()
            .flat_map(Entry::lines)
            .collect();
        lines.drain(..lines.len().saturating_sub(count));
        lines
    }

    /// The text of the log.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines: Vec<String> = self.entries.iter().flat_map(Entry::lines).collect();
        if self.dropped > 0 {
            lines.push(format!("{COMMENT}{} lines dropped", self.dropped));
        }
        lines.join("\n") + "\n"
    }
}

//! The log of a session. `qtest replay` reads the same format.
//!
//! One line per entry. `# ` starts a comment, `$ ` a QEMU command line, `> ` a command of the
//! protocol and `< ` a line from QEMU. A line without a mark is a command.

use camino::Utf8Path;
use host::process::command::quote_line;

/// The mark of a QEMU command line.
pub const COMMAND_LINE: &str = "$ ";
/// The mark of a command of the protocol.
pub const COMMAND: &str = "> ";
/// The mark of a line from QEMU.
pub const REPLY: &str = "< ";
/// The mark of a comment.
pub const COMMENT: &str = "# ";

/// Maximum number of lines.
const MOST: usize = 100_000;

/// The lines of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transcript {
    lines: Vec<String>,
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

    /// Records a command.
    pub(crate) fn note_command(&mut self, command: &str) {
        self.push(COMMAND, command);
    }

    /// Records a line from QEMU.
    pub(crate) fn note_reply(&mut self, line: &str) {
        self.push(REPLY, line);
    }

    fn push(&mut self, mark: &str, text: &str) {
        if self.lines.len() < MOST {
            self.lines.push(format!("{mark}{text}"));
        } else {
            self.dropped += 1;
        }
    }

    /// The commands in order.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        self.lines
            .iter()
            .filter_map(|line| line.strip_prefix(COMMAND))
    }

    /// Whether QEMU has replied to a command.
    #[must_use]
    pub fn has_reply(&self) -> bool {
        self.lines.iter().any(|line| line.starts_with(REPLY))
    }

    /// The last lines.
    pub fn tail(&self, count: usize) -> impl Iterator<Item = &str> {
        let first = self.lines.len().saturating_sub(count);
        self.lines[first..].iter().map(String::as_str)
    }

    /// The text of the log.
    #[must_use]
    pub fn text(&self) -> String {
        let end = match self.dropped {
            0 => String::new(),
            dropped => format!("{COMMENT}{dropped} lines dropped\n"),
        };
        self.lines.join("\n") + "\n" + &end
    }
}

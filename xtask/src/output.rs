//! The two doors to the person in front of the terminal: results on stdout, the rest on stderr.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use host::env::Env;

use crate::cli::{ColorChoice, Global};

/// The error of the first write to stdout that failed.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes a result and ends the line.
pub fn result(line: impl AsRef<str>) {
    note_failure(&writeln!(io::stdout().lock(), "{}", line.as_ref()));
}

/// Writes bytes as they are to stdout.
pub fn raw(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    note_failure(&stdout.write_all(bytes).and_then(|()| stdout.flush()));
}

/// Keeps the error of a write on stdout for the end of the program. A reader that closed its end of a
/// pipe has what it wanted: that is not an error.
pub fn note_failure(written: &io::Result<()>) {
    let Err(error) = written else { return };
    if error.kind() == io::ErrorKind::BrokenPipe {
        return;
    }
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    failed.get_or_insert_with(|| io::Error::new(error.kind(), error.to_string()));
}

/// Prints what was kept of a write on stdout that failed, and whether there was one.
pub fn failed() -> bool {
    note_failure(&io::stdout().lock().flush());
    let failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = &*failed {
        note(format!(
            "error: failed to write to standard output: {error}"
        ));
    }
    failed.is_some()
}

/// Writes progress or a diagnostic and ends the line.
pub fn note(line: impl AsRef<str>) {
    let _ = writeln!(io::stderr().lock(), "{}", line.as_ref());
}

/// Writes bytes as they are to stderr.
pub fn raw_note(bytes: &[u8]) {
    let _ = io::stderr().lock().write_all(bytes);
}

/// How to write to this terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether colours are wanted.
    pub color: bool,
    /// Whether stderr is an interactive terminal.
    pub interactive: bool,
}

impl Style {
    /// `--color`, then `CARGO_TERM_COLOR`, then `NO_COLOR`, then what stderr is.
    #[must_use]
    pub fn gather(global: &Global, env: &Env) -> Self {
        let dumb = env.term.as_deref().is_none_or(|term| term == "dumb");
        let terminal = io::stderr().is_terminal() && !dumb;
        let color = match global.color {
            Some(ColorChoice::Always) => true,
            Some(ColorChoice::Never) => false,
            Some(ColorChoice::Auto) => terminal,
            None => env.colour(terminal),
        };
        Self {
            color,
            interactive: terminal && !env.ci,
        }
    }

    /// The text in a colour, where colours are wanted.
    #[must_use]
    pub fn paint(self, color: Color, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        format!("\x1b[{}m{text}\x1b[0m", color.code())
    }
}

/// The few colours that mean something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Good.
    Green,
    /// Bad.
    Red,
    /// Worth a look.
    Yellow,
    /// What to do next.
    Cyan,
    /// Not so important.
    Dim,
    /// A heading.
    Bold,
}

impl Color {
    fn code(self) -> &'static str {
        match self {
            Self::Green => "1;32",
            Self::Red => "1;31",
            Self::Yellow => "1;33",
            Self::Cyan => "1;36",
            Self::Dim => "2",
            Self::Bold => "1",
        }
    }
}

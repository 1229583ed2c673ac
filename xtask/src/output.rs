//! Writes results to stdout and everything else to stderr. No other module prints.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use host::env::Env;

use crate::cli::{ColorChoice, Global};

/// The first failed write to stdout.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a result with a newline.
pub fn result(line: impl AsRef<str>) {
    note_failure(&writeln!(io::stdout().lock(), "{}", line.as_ref()));
}

/// Writes raw bytes to stdout.
pub fn raw(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    note_failure(&stdout.write_all(bytes).and_then(|()| stdout.flush()));
}

/// Records a failed write to stdout for the end of the program. A closed pipe is not an error,
/// because its reader has what it wanted.
pub fn note_failure(written: &io::Result<()>) {
    let Err(error) = written else { return };
    if error.kind() == io::ErrorKind::BrokenPipe {
        return;
    }
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    failed.get_or_insert_with(|| io::Error::new(error.kind(), error.to_string()));
}

/// Prints the recorded error, if any. Returns whether there was one.
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

/// Prints progress or a diagnostic with a newline.
pub fn note(line: impl AsRef<str>) {
    let _ = writeln!(io::stderr().lock(), "{}", line.as_ref());
}

/// Writes raw bytes to stderr.
pub fn raw_note(bytes: &[u8]) {
    let _ = io::stderr().lock().write_all(bytes);
}

/// How to write to this terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to use colours.
    pub color: bool,
    /// Whether stderr is an interactive terminal.
    pub interactive: bool,
}

impl Style {
    /// From `--color`, then `CARGO_TERM_COLOR`, then `NO_COLOR`, then the type of stderr.
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

    /// Colours the text, if enabled.
    #[must_use]
    pub fn paint(self, color: Color, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        format!("\x1b[{}m{text}\x1b[0m", color.code())
    }
}

/// The colours by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Success.
    Green,
    /// Failure.
    Red,
    /// Warning.
    Yellow,
    /// The next command to run.
    Cyan,
    /// Less important text.
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

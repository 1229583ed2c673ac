//! The two doors to the person in front of the terminal: results on stdout, the rest on stderr.

use std::io::{self, IsTerminal as _, Write as _};

use host::env::Env;

use crate::cli::{ColorChoice, Global};

/// Writes a result and ends the line. A reader that went away is no error of ours.
pub(crate) fn result(line: impl AsRef<str>) {
    let _ = writeln!(io::stdout().lock(), "{}", line.as_ref());
}

/// Writes bytes as they are to stdout.
pub(crate) fn raw(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(bytes);
    let _ = stdout.flush();
}

/// Writes progress or a diagnostic and ends the line.
pub(crate) fn note(line: impl AsRef<str>) {
    let _ = writeln!(io::stderr().lock(), "{}", line.as_ref());
}

/// Writes bytes as they are to stderr.
pub(crate) fn raw_note(bytes: &[u8]) {
    let _ = io::stderr().lock().write_all(bytes);
}

/// How to write to this terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether colours are wanted.
    pub(crate) color: bool,
    /// Whether stderr is a terminal that somebody watches.
    pub(crate) interactive: bool,
}

impl Style {
    /// `--color`, then `CARGO_TERM_COLOR`, then `NO_COLOR`, then what stderr is.
    pub(crate) fn gather(global: &Global, env: &Env) -> Self {
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
    pub(crate) fn paint(self, color: Color, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        format!("\x1b[{}m{text}\x1b[0m", color.code())
    }
}

/// The few colours that mean something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Color {
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

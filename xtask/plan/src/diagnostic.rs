//! An error in a user's file as data. `xtask` renders it like rustc.

use std::fmt;
use std::ops::Range;

use camino::{Utf8Path, Utf8PathBuf};

/// One error with its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Path in the repository.
    pub path: Utf8PathBuf,
    /// The whole text of the file.
    pub text: String,
    /// Byte range of the location.
    pub span: Range<usize>,
    /// The error, a lowercase fragment that names the thing.
    pub title: String,
    /// The label at the location.
    pub label: String,
    /// The expected content, or other advice.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Line and column of the location, from 1. The column counts characters.
    #[must_use]
    pub fn line_column(&self) -> (usize, usize) {
        let before = self.text.get(..self.span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }

    /// Adds a help text.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}: {}", self.path, self.title)?;
        self.help
            .as_ref()
            .map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

/// A file's path and text, which diagnostics refer to.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// Path in the repository.
    pub path: &'a Utf8Path,
    /// The whole text.
    pub text: &'a str,
}

impl Page<'_> {
    /// An error at a byte range.
    #[must_use]
    pub fn at(
        &self,
        span: Range<usize>,
        title: impl Into<String>,
        label: impl Into<String>,
    ) -> Diagnostic {
        let boundary = |mut at: usize| {
            at = at.min(self.text.len());
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = boundary(span.start);
        Diagnostic {
            path: self.path.to_owned(),
            text: self.text.to_owned(),
            span: start..boundary(span.end).max(start),
            title: title.into(),
            label: label.into(),
            help: None,
        }
    }

    /// An error of the file as a whole.
    #[must_use]
    pub fn whole(&self, title: impl Into<String>, label: impl Into<String>) -> Diagnostic {
        self.at(
            0..self.text.find('\n').unwrap_or(self.text.len()),
            title,
            label,
        )
    }
}

/// Formats diagnostics for tests: location, text, label, help.
#[cfg(test)]
pub(crate) fn show(diagnostics: &[Diagnostic]) -> String {
    let one = |diagnostic: &Diagnostic| {
        let (line, column) = diagnostic.line_column();
        format!(
            "{}:{line}:{column}: {}\n  at: {:?}\n  label: {}\n  help: {}\n",
            diagnostic.path,
            diagnostic.title,
            &diagnostic.text[diagnostic.span.clone()],
            diagnostic.label,
            diagnostic.help.as_deref().unwrap_or("-"),
        )
    };
    diagnostics.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::Page;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        fn check(text: &str, at: usize, expect: (usize, usize)) {
            let page = Page {
                path: "a".into(),
                text,
            };
            assert_eq!(
                page.at(at..at, "", "").line_column(),
                expect,
                "{text:?} {at}"
            );
        }
        check("", 0, (1, 1));
        check("ab\ncd", 1, (1, 2));
        check("ab\ncd", 3, (2, 1));
        check("ab\ncd", 5, (2, 3));
        check("äb", 2, (1, 2));
        check("äb", 1, (1, 1)); // inside a character: its begin
        check("ab", 9, (1, 3)); // behind the end: the end
    }
}

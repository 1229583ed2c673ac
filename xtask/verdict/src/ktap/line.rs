//! One line of KTAP.

/// The prefix of a line: blanks, and the `# ` with which kselftest marks nested output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Indent {
    /// The column of the text.
    pub(super) column: usize,
    /// The column of the last `#`.
    pub(super) comment: Option<usize>,
}

impl Indent {
    /// Splits a line into prefix and text.
    pub(super) fn part(line: &str) -> (Self, &str) {
        let (mut column, mut comment, mut rest) = (0, None, line);
        loop {
            if let Some(behind) = rest.strip_prefix(' ') {
                (column, rest) = (column + 1, behind);
            } else if let Some(behind) = rest.strip_prefix("# ") {
                comment = Some(column);
                (column, rest) = (column + 2, behind);
            } else {
                return (Self { column, comment }, rest);
            }
        }
    }
}

/// A line without its indentation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// `KTAP version 1`, or TAP's version line.
    Version,
    /// `1..N`.
    Plan(&'a str),
    /// `ok` or `not ok`.
    Result {
        good: bool,
        numbered: bool,
        name: &'a str,
        directive: Directive<'a>,
    },
    /// `# …`.
    Diagnostic(&'a str),
    /// TAP's `Bail out!`.
    BailOut(&'a str),
}

/// The directive after the name of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Directive<'a> {
    None,
    /// `# SKIP reason`.
    Skip(&'a str),
    /// `# TODO reason` and `# XFAIL reason`.
    Expected(&'a str),
    /// `# TIMEOUT`, `# ERROR` and kselftest's `# exit=N`, with the rest of the line.
    Other(&'static str, &'a str),
}

/// The column of the version text, if the line is a version line.
///
/// Only the first version line of a list may have a prefix, which ends in a blank.
pub(super) fn version(line: &str, first: bool) -> Option<usize> {
    let trimmed = line.trim_start_matches(' ');
    if is_version(trimmed) {
        return Some(if first { line.len() - trimmed.len() } else { 0 });
    }
    // A timestamp of the kernel log: `[    0.123456] `.
    let (stamp, rest) = line.strip_prefix('[')?.split_once("] ")?;
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '.' | 'T' | 'C');
    (first && stamp.chars().all(numeric) && is_version(rest))
        .then(|| line.chars().count() - rest.chars().count())
}

fn is_version(text: &str) -> bool {
    let number = ["KTAP version ", "TAP version "]
        .iter()
        .find_map(|start| text.strip_prefix(start));
    number.is_some_and(|number| {
        let number = number.trim_end();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

impl<'a> Line<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if is_version(text) {
            return Some(Self::Version);
        }
        if let Some(why) = text.strip_prefix("Bail out!") {
            return Some(Self::BailOut(why.trim()));
        }
        if let Some(text) = text.strip_prefix('#') {
            return Some(Self::Diagnostic(text.trim()));
        }
        if let Some(count) = text.strip_prefix("1..") {
            let count = count.split([' ', '#']).next().unwrap_or_default();
            let is_number = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
            return is_number.then_some(Self::Plan(count));
        }
        let (good, rest) = match text.strip_prefix("not ok") {
            Some(rest) => (false, rest),
            None => (true, text.strip_prefix("ok")?),
        };
        if !rest.is_empty() && !rest.starts_with(' ') {
            return None;
        }
        let rest = rest.trim_start();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let numbered = rest[digits..].is_empty() || rest[digits..].starts_with(' ');
        let is_numbered = numbered && digits > 0;
        let rest = if numbered { &rest[digits..] } else { rest };
        let (name, directive) = directive(rest);
        let name = name.trim();
        let name = name.strip_prefix("- ").unwrap_or(name);
        let name = if name == "-" { "" } else { name.trim() };
        Some(Self::Result {
            good,
            numbered: is_numbered,
            name,
            directive,
        })
    }
}

/// Splits a name from a directive. Other text after a `#` is part of the name.
fn directive(text: &str) -> (&str, Directive<'_>) {
    for (at, _) in text.match_indices('#') {
        let behind = text[at + 1..].trim_start();
        let word = behind.split([' ', ':']).next().unwrap_or_default();
        let reason = behind[word.len()..].trim_start_matches([' ', ':']).trim();
        if let Some(status) = word.strip_prefix("exit=") {
            return (&text[..at], Directive::Other("exit status", status));
        }
        let found = match word.to_ascii_uppercase().as_str() {
            "SKIP" => Directive::Skip(reason),
            "TODO" | "XFAIL" => Directive::Expected(reason),
            "TIMEOUT" => Directive::Other("timed out", reason),
            "ERROR" => Directive::Other("error", reason),
            _ => continue,
        };
        return (&text[..at], found);
    }
    (text, Directive::None)
}

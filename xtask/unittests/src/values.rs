//! Parses the part of shell syntax that values in files of other test suites may use: words,
//! quotes, variables, arithmetic, `date +%s` and conditions. Executes nothing.
//!
//! Other syntax is [`ShellError::Unsupported`], and its test is skipped. Globs are not expanded.
//! `docs/foreign-suites.md` describes the subset.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::CharIndices;

pub mod arithmetic;
pub mod condition;

/// The context of a value.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Variables. An absent one is empty.
    pub variables: &'a BTreeMap<String, String>,
    /// Seconds since 1970, for `date +%s`.
    pub now: u64,
}

/// Why a value cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShellError {
    /// The syntax is valid but unsupported.
    #[error("`{text}` needs a shell: {what}")]
    Unsupported {
        /// The value.
        text: String,
        /// The unsupported construct.
        what: String,
    },
    /// The syntax is invalid.
    #[error("`{text}`: {what}")]
    Malformed {
        /// The value.
        text: String,
        /// The error.
        what: String,
    },
}

/// Why parsing stopped, without the value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stop {
    Unsupported(String),
    Malformed(String),
}

impl Stop {
    fn in_text(self, text: &str) -> ShellError {
        let text = text.trim().to_owned();
        match self {
            Self::Unsupported(what) => ShellError::Unsupported { text, what },
            Self::Malformed(what) => ShellError::Malformed { text, what },
        }
    }
}

fn unsupported<T>(what: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Unsupported(what.into()))
}

fn malformed<T>(what: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Malformed(what.into()))
}

/// The words of a command line.
pub fn words(text: &str, scope: Scope<'_>) -> Result<Vec<String>, ShellError> {
    Reader::new(text, scope)
        .all_words()
        .map_err(|stop| stop.in_text(text))
}

/// A word, and whether a part of it was quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    text: String,
    quoted: bool,
}

/// Parses a text from start to end.
struct Reader<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    scope: Scope<'a>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, scope: Scope<'a>) -> Self {
        Self {
            text,
            chars: text.char_indices().peekable(),
            scope,
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().map(|(_, c)| *c)
    }

    fn next(&mut self) -> Option<char> {
        self.chars.next().map(|(_, c)| c)
    }

    /// The unread text.
    fn rest(&mut self) -> &'a str {
        let start = self.chars.peek().map_or(self.text.len(), |(at, _)| *at);
        &self.text[start..]
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.next();
        }
    }

    /// Skips blanks, joined lines, and a comment.
    fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t') => self.skip(1),
                Some('\\') if self.rest().starts_with("\\\n") => self.skip(2),
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.skip(1);
                    }
                }
                _ => return,
            }
        }
    }

    fn all_words(&mut self) -> Result<Vec<String>, Stop> {
        let mut words = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek() {
                None => return Ok(words),
                Some('\n') if self.rest().trim().is_empty() => return Ok(words),
                Some('\n') => return unsupported("it is more than one command"),
                Some(_) => words.extend(self.split_word()?),
            }
        }
    }

    /// Parses a word. An unquoted expansion may give none or several.
    fn split_word(&mut self) -> Result<Vec<String>, Stop> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        while !self.is_at_end() {
            let before = self.peek();
            let part = self.part()?;
            if part.quoted || before != Some('$') && before != Some('`') {
                word.get_or_insert_default().push_str(&part.text);
                continue;
            }
            let mut pieces = part.text.split([' ', '\t', '\n']);
            let first = pieces.next().unwrap_or_default();
            if !first.is_empty() {
                word.get_or_insert_default().push_str(first);
            }
            for piece in pieces {
                words.extend(word.take());
                word = (!piece.is_empty()).then(|| piece.to_owned());
            }
        }
        words.extend(word);
        Ok(words)
    }

    /// Parses a word of a condition, which no expansion splits.
    fn whole_word(&mut self) -> Result<Word, Stop> {
        let mut word = self.part()?;
        while !self.is_at_end() && !matches!(self.peek(), Some('(' | ')' | '&' | '|')) {
            let part = self.part()?;
            word.text.push_str(&part.text);
            word.quoted |= part.quoted;
        }
        Ok(word)
    }

    fn is_at_end(&mut self) -> bool {
        matches!(self.peek(), None | Some(' ' | '\t' | '\n'))
    }

    /// The next part of a word.
    fn part(&mut self) -> Result<Word, Stop> {
        let plain = |text: String| Word {
            text,
            quoted: false,
        };
        match self.peek() {
            Some('\'') => self.single_quoted(),
            Some('"') => self.double_quoted(),
            Some('$') => self.dollar().map(plain),
            Some('`') => self.backticks().map(plain),
            Some('\\') => {
                self.skip(1);
                match self.next() {
                    Some('\n') => Ok(plain(String::new())),
                    Some(c) => Ok(Word {
                        text: c.to_string(),
                        quoted: true,
                    }),
                    None => malformed("it ends in a backslash"),
                }
            }
            Some(c @ (';' | '&' | '|' | '<' | '>' | '(' | ')')) => {
                unsupported(format!("`{c}` outside of quotes"))
            }
            Some('{') => unsupported("`{` outside of quotes"),
            _ => Ok(plain(self.next().map(String::from).unwrap_or_default())),
        }
    }

    fn single_quoted(&mut self) -> Result<Word, Stop> {
        self.skip(1);
        let mut text = String::new();
        loop {
            match self.next() {
                Some('\'') => return Ok(Word { text, quoted: true }),
                Some(c) => text.push(c),
                None => return malformed("a `'` is not closed"),
            }
        }
    }

    fn double_quoted(&mut self) -> Result<Word, Stop> {
        self.skip(1);
        let mut text = String::new();
        loop {
            match self.peek() {
                Some('"') => {
                    self.skip(1);
                    return Ok(Word { text, quoted: true });
                }
                Some('$') => text.push_str(&self.dollar()?),
                Some('`') => text.push_str(&self.backticks()?),
                Some('\\') => {
                    self.skip(1);
                    match self.next() {
                        Some('\n') => {}
                        Some(c @ ('$' | '`' | '"' | '\\')) => text.push(c),
                        Some(c) => text.extend(['\\', c]),
                        None => return malformed("a `\"` is not closed"),
                    }
                }
                Some(c) => {
                    text.push(c);
                    self.skip(1);
                }
                None => return malformed("a `\"` is not closed"),
            }
        }
    }

    /// Evaluates a `$` construct.
    fn dollar(&mut self) -> Result<String, Stop> {
        self.skip(1);
        let rest = self.rest();
        if rest.starts_with("((") {
            let inner = self.bracketed()?;
            // `$((` … `))`: the inner pair is within the outer one.
            let inner = inner.strip_prefix('(').and_then(|it| it.strip_suffix(')'));
            let Some(inner) = inner else {
                return unsupported("it runs a command");
            };
            return arithmetic::value(inner, self.scope).map(|value| value.to_string());
        }
        if rest.starts_with('(') {
            let inner = self.bracketed()?;
            return command(inner, self.scope);
        }
        if let Some(rest) = rest.strip_prefix('{') {
            let Some((name, _)) = rest.split_once('}') else {
                return malformed("a `${` is not closed");
            };
            if !is_name(name) {
                return unsupported(format!("`${{{name}}}` is more than a variable"));
            }
            self.skip(name.chars().count() + 2);
            return Ok(self.variable(name));
        }
        let length = name_length(rest);
        if length == 0 {
            return match rest.chars().next() {
                Some(c) if c.is_ascii_digit() || "@*#?$!-".contains(c) => {
                    unsupported(format!("`${c}` is a variable of a shell"))
                }
                _ => Ok("$".to_owned()),
            };
        }
        self.skip(length);
        Ok(self.variable(&rest[..length]))
    }

    fn variable(&self, name: &str) -> String {
        let value = self.scope.variables.get(name);
        value.cloned().unwrap_or_default()
    }

    /// The text between `(` and its closing `)`. Quotes hide brackets.
    fn bracketed(&mut self) -> Result<&'a str, Stop> {
        let text = self.rest();
        let mut depth = 0_usize;
        let mut quote = None;
        let mut escaped = false;
        for (at, c) in text.char_indices() {
            if escaped {
                escaped = false;
                continue;
            }
            if c == '\\' && quote != Some('\'') {
                escaped = true;
            } else if let Some(open) = quote {
                quote = (c != open).then_some(open);
            } else if matches!(c, '\'' | '"') {
                quote = Some(c);
            } else if c == '(' {
                depth += 1;
            } else if c == ')' {
                depth -= 1;
                if depth == 0 {
                    self.skip(text[..=at].chars().count());
                    return Ok(&text[1..at]);
                }
            }
        }
        malformed("a `(` is not closed")
    }

    fn backticks(&mut self) -> Result<String, Stop> {
        self.skip(1);
        let rest = self.rest();
        let Some((inner, _)) = rest.split_once('`') else {
            return malformed("a backtick is not closed");
        };
        self.skip(inner.chars().count() + 1);
        command(inner, self.scope)
    }
}

/// The output of a supported command: `date +%s`, optionally with `--date="YYYY-MM-DD UTC"`.
fn command(text: &str, scope: Scope<'_>) -> Result<String, Stop> {
    let words = Reader::new(text, scope).all_words()?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let seconds = match words[..] {
        ["date", "+%s"] => Some(i64::try_from(scope.now).unwrap_or(i64::MAX)),
        ["date", date, "+%s"] => date.strip_prefix("--date=").and_then(seconds_of_day),
        _ => None,
    };
    match seconds {
        Some(seconds) => Ok(seconds.to_string()),
        None => unsupported(format!("it runs `{}`", text.trim())),
    }
}

/// Seconds from 1970 to the start of a day such as `2006-06-17 UTC`.
fn seconds_of_day(text: &str) -> Option<i64> {
    let mut parts = text.strip_suffix(" UTC")?.split('-');
    let mut number = || parts.next()?.parse::<i64>().ok();
    let (year, month, day) = (number()?, number()?, number()?);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days of the proleptic Gregorian calendar, with years that begin in March.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let in_year = (153 * month + 2) / 5 + day - 1;
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some((days + in_year - 719_468) * 86_400)
}

/// The length of the variable name at the start of a text.
fn name_length(text: &str) -> usize {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !is_part(c)).unwrap_or(text.len())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && name_length(text) == text.len()
}

#[cfg(test)]
#[path = "values_tests.rs"]
mod tests;

//! Guesses the cause of a difference from the words that differ.

use std::fmt;

use super::Position;
use crate::scan::Tokens;

/// The probable cause of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leak {
    /// A string of this machine, such as its host name.
    Machine(&'static str),
    /// A build path.
    Path,
    /// A time.
    Time,
    /// A user, a host, or both.
    UserOrHost,
    /// The version of a program of the host.
    Tool,
    /// The order in which a directory lists its entries.
    Order,
    /// The umask, or the owner of the files.
    Owner,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Machine(what) => return write!(f, "this machine's {what}"),
            Self::Path => "a path",
            Self::Time => "a time",
            Self::UserOrHost => "a user or host name",
            Self::Tool => "the version of a host tool",
            Self::Order => "the order of a directory",
            Self::Owner => "the builder's umask or user",
        })
    }
}

/// The probable cause of a difference, if recognised.
pub(super) fn of(place: &Position, machine: &Tokens) -> Option<Leak> {
    match place {
        Position::Only(_) => None,
        Position::Entry { place, .. } => of(place, machine),
        Position::Property { name, .. } => match *name {
            "mtime" => Some(Leak::Time),
            "order" => Some(Leak::Order),
            "mode" | "uid" | "gid" | "user" | "group" => Some(Leak::Owner),
            _ => None,
        },
        Position::Line { first, second, .. }
        | Position::Section { first, second, .. }
        | Position::Byte { first, second, .. } => of_texts(first, second, machine),
    }
}

fn of_texts(first: &str, second: &str, machine: &Tokens) -> Option<Leak> {
    let known = machine.find(first).or_else(|| machine.find(second));
    if let Some(token) = known {
        return Some(Leak::Machine(token.what));
    }
    let (one, other) = differing_words(first, second);
    let both = |looks: fn(&str) -> bool| looks(one) && looks(other);
    if both(is_time) || (both(is_clock_word) && has_clock(first) && has_clock(second)) {
        Some(Leak::Time)
    } else if first.starts_with("CONFIG_") && (is_version(first) || is_version(second)) {
        Some(Leak::Tool)
    } else if both(is_path) {
        Some(Leak::Path)
    } else if both(|word| word.contains('@')) {
        Some(Leak::UserOrHost)
    } else {
        None
    }
}

/// The words around the first difference, without surrounding blanks, quotes and brackets.
fn differing_words<'a>(first: &'a str, second: &'a str) -> (&'a str, &'a str) {
    let same = first.chars().zip(second.chars());
    let same: usize = same
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum();
    let word = |text: &'a str| {
        let edge = |c: char| c.is_whitespace() || "\"'`()[]{}<>,;=\\".contains(c);
        let start = text[..same].rfind(edge);
        let start = start.map_or(0, |at| {
            at + text[at..].chars().next().map_or(1, char::len_utf8)
        });
        let end = text[same..].find(edge).map_or(text.len(), |at| same + at);
        &text[start..end]
    };
    (word(first), word(second))
}

fn is_path(word: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    word.matches('/').count() > 1 && word.chars().any(is_name)
}

/// Whether a word is seconds since 1970 in a plausible range, or digits with the separators of
/// dates and times.
fn is_time(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let plain = word.trim_start_matches('@');
    if digits == plain.len()
        && plain
            .parse()
            .is_ok_and(|n: u64| n >> 29 != 0 && n >> 33 == 0)
    {
        return true;
    }
    let separates = |c: char| "-:./TZ+".contains(c);
    let separators = word.chars().filter(|c| separates(*c)).count();
    digits >= 4 && separators >= 2 && digits + separators == word.len()
}

/// Whether a word is part of a date: a number, a month, a day of the week.
fn is_clock_word(word: &str) -> bool {
    const NAMES: &str = "JanFebMarAprMayJunJulAugSepOctNovDecMonTueWedThuFriSatSun";
    let is_name = word.len() == 3 && NAMES.contains(word);
    is_name || word.chars().all(|c| c.is_ascii_digit() || c == ':')
}

/// Whether a text contains something like `12:34:56`.
fn has_clock(text: &str) -> bool {
    let apart = |c: char| !c.is_ascii_digit() && c != ':';
    text.split(apart).any(|word| {
        let mut parts = word.split(':');
        let number = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        parts.clone().count() == 3 && parts.all(number)
    })
}

fn is_version(line: &str) -> bool {
    let name = line.split('=').next().unwrap_or_default();
    name.contains("VERSION")
}

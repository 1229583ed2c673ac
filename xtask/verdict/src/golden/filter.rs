//! Filters from a test's header: `s/REGEX/TEXT/`, applied to each line before the comparison.
//!
//! The syntax is sed's: another character may replace `/`, a trailing `g` replaces every match, and
//! `&` and `\1` in the text refer to the match. Regular expressions are extended ones.

use regex_lite::Regex;

/// One filter.
#[derive(Debug, Clone)]
pub struct Filter {
    text: String,
    pattern: Regex,
    replacement: String,
    everywhere: bool,
}

/// Why a text is not a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The syntax is wrong.
    #[error("invalid filter `{0}`: expected `s/REGEX/TEXT/`")]
    Form(String),
    /// The regular expression is invalid.
    #[error("{0}")]
    Regex(String),
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Filter {}

impl std::str::FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let form = || FilterError::Form(text.to_owned());
        let mut rest = text.strip_prefix('s').ok_or_else(form)?.chars();
        let mark = rest.next().filter(char::is_ascii_punctuation);
        let mark = mark.filter(|mark| *mark != '\\').ok_or_else(form)?;
        let (pattern, rest) = part(rest.as_str(), mark).ok_or_else(form)?;
        let (replacement, flags) = part(rest, mark).ok_or_else(form)?;
        let everywhere = match flags {
            "" => false,
            "g" => true,
            _ => return Err(form()),
        };
        let pattern =
            Regex::new(&pattern).map_err(|error| FilterError::Regex(error.to_string()))?;
        Ok(Self {
            text: text.to_owned(),
            pattern,
            replacement: expanded(&replacement),
            everywhere,
        })
    }
}

impl Filter {
    /// Applies the filter to a line.
    #[must_use]
    pub fn apply(&self, line: &str) -> String {
        let times = usize::from(!self.everywhere);
        let replaced = self
            .pattern
            .replacen(line, times, self.replacement.as_str());
        replaced.into_owned()
    }
}

/// Splits a text at the next unescaped delimiter.
fn part(text: &str, mark: char) -> Option<(String, &str)> {
    let mut found = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        if char == mark {
            return Some((found, &text[at + char.len_utf8()..]));
        }
        if char == '\\' {
            let (_, next) = chars.next()?;
            if next != mark {
                found.push('\\');
            }
            found.push(next);
        } else {
            found.push(char);
        }
    }
    None
}

/// Converts sed's replacement text to that of the regex crate.
fn expanded(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '$' => out.push_str("$$"),
            '&' => out.push_str("${0}"),
            '\\' => match chars.next() {
                Some(digit) if digit.is_ascii_digit() => {
                    out.push_str("${");
                    out.push(digit);
                    out.push('}');
                }
                Some('$') => out.push_str("$$"),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn filter_follows_the_syntax_of_sed() {
        let check = |filter: &str, line: &str, expect: &str| {
            let filter: Filter = filter.parse().unwrap();
            assert_eq!(filter.apply(line), expect, "{filter:?}");
        };
        check("s/[0-9]+/N/", "1 of 20", "N of 20");
        check("s/[0-9]+/N/g", "1 of 20", "N of N");
        check("s|/dev/|D:|", "/dev/vda", "D:vda");
        check("s/a\\/b/c/", "a/b", "c");
        check("s/(.*)=(.*)/\\2=\\1/", "a=b", "b=a");
        check("s/b+/<&>/", "abbc", "a<bb>c");
        check("s/x/\\&$1/", "x", "&$1");
        check("s/x//", "axb", "ab");
        check("s/^$/(empty)/", "", "(empty)");
    }

    #[test]
    fn malformed_filter_is_refused() {
        for text in [
            "",
            "s",
            "s/a",
            "s/a/b",
            "y/a/b/",
            "s/a/b/i",
            "s\\a\\b\\",
            "sxaxbx",
        ] {
            let refused = text.parse::<Filter>();
            assert_eq!(refused, Err(FilterError::Form(text.to_owned())));
        }
        assert!(matches!(
            "s/(/x/".parse::<Filter>(),
            Err(FilterError::Regex(_))
        ));
    }

    proptest! {
        #[test]
        fn line_without_match_is_unchanged(text in "s/?.{0,20}/.{0,10}/g?", line in ".{0,40}") {
            if let Ok(filter) = text.parse::<Filter>() {
                prop_assert!(filter.pattern.is_match(&line) || filter.apply(&line) == line);
            }
        }
    }
}

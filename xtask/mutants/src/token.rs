//! The tokens of a C file with their positions. A preprocessor directive is one token. Comments are
//! skipped.

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// The text in the file.
    pub(crate) text: &'a str,
    /// The offset of its first byte.
    pub(crate) start: usize,
}

impl Token<'_> {
    /// The offset after its last byte.
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether it is a name or a keyword.
    pub(crate) fn is_name(&self) -> bool {
        let first = self.text.bytes().next();
        first.is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
    }

    /// The name of a directive, such as `else` for `#else`.
    pub(crate) fn directive(&self) -> Option<&str> {
        let rest = self.text.strip_prefix('#')?.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphabetic());
        Some(&rest[..end.unwrap_or(rest.len())])
    }
}

/// Punctuators, the longest first.
const PUNCTUATORS: [&str; 22] = [
    "...", "<<=", ">>=", "->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "*=",
    "/=", "%=", "+=", "-=", "&=", "^=", "|=",
];

/// Splits a file into tokens. An invalid token, such as an unterminated string, extends to the end
/// of the file.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut is_line_start = true;
    while let Some(first) = text[at..].chars().next() {
        if first == '\n' {
            is_line_start = true;
        }
        if first.is_whitespace() || first == '\\' {
            at += first.len_utf8();
            continue;
        }
        let rest = &text[at..];
        if let Some(length) = comment(rest) {
            at += length;
            continue;
        }
        let length = match first {
            '#' if is_line_start => directive(rest),
            '"' | '\'' => quoted(rest, first),
            _ if first.is_ascii_alphanumeric() || first == '_' => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_.".contains(c)));
                let end = end.unwrap_or(rest.len());
                // A dot is part of a number, but not of a name.
                let dot = rest.find('.').filter(|_| !first.is_ascii_digit());
                dot.map_or(end, |dot| dot.min(end))
            }
            _ => {
                let longest = PUNCTUATORS.iter().find(|sign| rest.starts_with(**sign));
                longest.map_or(first.len_utf8(), |sign| sign.len())
            }
        };
        found.push(Token {
            text: &rest[..length],
            start: at,
        });
        is_line_start = false;
        at += length;
    }
    found
}

/// The length of the comment at the start.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    let inside = rest.strip_prefix("/*")?;
    Some(inside.find("*/").map_or(rest.len(), |end| end + 4))
}

/// The length of a directive with its continuation lines.
fn directive(rest: &str) -> usize {
    let ends = rest.match_indices('\n').map(|(at, _)| at);
    let mut ends = ends.filter(|at| !rest[..*at].trim_end_matches('\r').ends_with('\\'));
    ends.next().unwrap_or(rest.len())
}

/// The length of a string or character constant.
fn quoted(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !is_escaped {
            return at + 1;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[&str]) {
        let found = tokens(text);
        let texts: Vec<&str> = found.iter().map(|token| token.text).collect();
        assert_eq!(texts, expect, "{text}");
        for token in found {
            assert_eq!(&text[token.start..token.end()], token.text);
        }
    }

    #[test]
    fn text_is_split_into_tokens() {
        check("a->b <<= 0x1f;", &["a", "->", "b", "<<=", "0x1f", ";"]);
        check("s.len+1.5", &["s", ".", "len", "+", "1.5"]);
        check("x /* y; */ z // w\nv", &["x", "z", "v"]);
        check(
            r#"f("a\"b", '\'')"#,
            &["f", "(", r#""a\"b""#, ",", r"'\''", ")"],
        );
        check(
            "#define A \\\n 1\nint a;",
            &["#define A \\\n 1", "int", "a", ";"],
        );
        check("a # b", &["a", "#", "b"]);
        check("\"open", &["\"open"]);
        check("é", &["é"]);
    }

    #[test]
    fn directives_have_names() {
        let name = |text| tokens(text)[0].directive().map(str::to_owned);
        assert_eq!(name("#  else"), Some("else".to_owned()));
        assert_eq!(name("#if 1"), Some("if".to_owned()));
        assert_eq!(name("else"), None);
    }
}

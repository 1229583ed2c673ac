//! SPDX licence expressions, as far as a recipe needs them: the grammar and the identifiers in it.
//!
//! It does not know the list of licences: an identifier that SPDX never gave out is accepted.

use std::ops::Range;

/// What is wrong in an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct SpdxError {
    /// Byte range in the expression.
    pub span: Range<usize>,
    /// What is wrong there.
    pub what: String,
}

/// Identifiers of licences and exceptions in an expression, in order, each once.
///
/// Errors when the text is not `id [WITH id]`, joined by `AND` and `OR`, with parentheses.
pub fn identifiers(text: &str) -> Result<Vec<&str>, SpdxError> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut depth = 0usize;
    let mut state = State::WantsLicense;
    for (span, token) in &tokens {
        let error = |what: String| {
            Err(SpdxError {
                span: span.clone(),
                what,
            })
        };
        state = match (state, *token) {
            (State::WantsLicense, "(") => {
                depth += 1;
                State::WantsLicense
            }
            (State::AfterLicense | State::AfterTerm, ")") if depth > 0 => {
                depth -= 1;
                State::AfterTerm
            }
            (State::AfterLicense | State::AfterTerm, "AND" | "OR") => State::WantsLicense,
            (State::AfterLicense, "WITH") => State::WantsException,
            (State::WantsLicense | State::WantsException, word) if is_identifier(word) => {
                if !found.contains(&word) {
                    found.push(word);
                }
                if state == State::WantsLicense {
                    State::AfterLicense
                } else {
                    State::AfterTerm
                }
            }
            (State::WantsLicense, word) => {
                return error(format!("expected a licence, found `{word}`"));
            }
            (State::WantsException, word) => {
                return error(format!("expected an exception, found `{word}`"));
            }
            (_, word) => {
                return error(format!("expected `AND` or `OR`, found `{word}`"));
            }
        };
    }
    let end = text.len()..text.len();
    match state {
        _ if tokens.is_empty() => Err(SpdxError {
            span: 0..text.len(),
            what: "the licence is empty".to_owned(),
        }),
        State::WantsLicense | State::WantsException => Err(SpdxError {
            span: end,
            what: "the expression is incomplete".to_owned(),
        }),
        _ if depth > 0 => Err(SpdxError {
            span: end,
            what: "missing `)`".to_owned(),
        }),
        State::AfterLicense | State::AfterTerm => Ok(found),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    WantsLicense,
    WantsException,
    /// `WITH` may follow.
    AfterLicense,
    /// `WITH` may not follow.
    AfterTerm,
}

fn is_identifier(word: &str) -> bool {
    let word = word.strip_suffix('+').unwrap_or(word);
    !matches!(word, "AND" | "OR" | "WITH")
        && word.starts_with(|first: char| first.is_ascii_alphanumeric())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-.:".contains(c))
}

fn tokens(text: &str) -> Vec<(Range<usize>, &str)> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return tokens;
        };
        let length = if matches!(first, '(' | ')') {
            1
        } else {
            rest.find(|c: char| c.is_whitespace() || c == '(' || c == ')')
                .unwrap_or(rest.len())
        };
        let start = text.len() - rest.len();
        let (token, after) = rest.split_at(length);
        tokens.push((start..start + length, token));
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::identifiers;

    #[test]
    fn expressions_are_read() {
        fn check(text: &str, expect: &[&str]) {
            assert_eq!(identifiers(text).unwrap(), expect, "{text}");
        }
        check("MIT", &["MIT"]);
        check("GPL-2.0-or-later", &["GPL-2.0-or-later"]);
        check("GPL-2.0+", &["GPL-2.0+"]);
        check("LicenseRef-ours", &["LicenseRef-ours"]);
        check("MIT OR MIT", &["MIT"]);
        check(
            "GPL-3.0-or-later WITH GCC-exception-3.1 AND (MIT OR GPL-2.0-only)",
            &[
                "GPL-3.0-or-later",
                "GCC-exception-3.1",
                "MIT",
                "GPL-2.0-only",
            ],
        );
    }

    #[test]
    fn invalid_expression_is_refused_with_place() {
        fn check(text: &str, expect: (usize, usize), what: &str) {
            let error = identifiers(text).unwrap_err();
            assert_eq!((error.span.start, error.span.end), expect, "{text}");
            assert_eq!(error.what, what, "{text}");
        }
        check("", (0, 0), "the licence is empty");
        check("  ", (0, 2), "the licence is empty");
        check("GPL 2", (4, 5), "expected `AND` or `OR`, found `2`");
        check("MIT and ISC", (4, 7), "expected `AND` or `OR`, found `and`");
        check("MIT AND", (7, 7), "the expression is incomplete");
        check("AND MIT", (0, 3), "expected a licence, found `AND`");
        check("MIT WITH (", (9, 10), "expected an exception, found `(`");
        check("(MIT", (4, 4), "missing `)`");
        check("MIT)", (3, 4), "expected `AND` or `OR`, found `)`");
        check(
            "(MIT) WITH x",
            (6, 10),
            "expected `AND` or `OR`, found `WITH`",
        );
        check("GPL_2", (0, 5), "expected a licence, found `GPL_2`");
    }

    proptest! {
        #[test]
        fn any_text_yields_a_place_inside(text in ".{0,40}") {
            if let Err(error) = identifiers(&text) {
                prop_assert!(text.get(error.span).is_some());
            }
        }
    }
}

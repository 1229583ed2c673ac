//! SPDX licence expressions of recipes.
//!
//! An identifier that is not in the SPDX list is an error. Other licences are named `LicenseRef-…`.

use std::ops::Range;

use ::spdx::{Expression, ParseMode};

/// What is wrong in an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct SpdxError {
    /// Byte range in the expression.
    pub span: Range<usize>,
    /// The error.
    pub what: String,
}

/// Identifiers of licences and exceptions in an expression, in order, each once.
pub fn identifiers(text: &str) -> Result<Vec<String>, SpdxError> {
    let expression =
        Expression::parse_mode(text, ParseMode::STRICT).map_err(|error| SpdxError {
            span: error.span,
            what: error.reason.to_string(),
        })?;
    let mut found = Vec::new();
    for required in expression.requirements() {
        let license = required.req.license.to_string();
        let exception = required.req.addition.as_ref().map(ToString::to_string);
        for identifier in [Some(license), exception].into_iter().flatten() {
            if !found.contains(&identifier) {
                found.push(identifier);
            }
        }
    }
    Ok(found)
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
    fn invalid_expression_is_refused_with_location() {
        fn check(text: &str, expect: (usize, usize), what: &str) {
            let error = identifiers(text).unwrap_err();
            assert_eq!(
                (error.span.start, error.span.end, error.what.as_str()),
                (expect.0, expect.1, what),
                "{text}"
            );
        }
        check("", (0, 0), "empty expression");
        check("GPL 2", (0, 3), "unknown term");
        check("MIT AND MTI", (8, 11), "unknown term");
        check(
            "MIT ISC",
            (4, 7),
            "expected one of `AND`, `OR`, `WITH`, `)`, `+` here",
        );
        check("(MIT", (0, 1), "unclosed parens");
        check("MIT)", (3, 4), "unopened parens");
        check("MIT WITH GCC", (9, 12), "unknown term");
        check(
            "GPL-2.0+",
            (0, 7),
            "a deprecated license identifier was used",
        );
    }

    proptest! {
        #[test]
        fn error_location_is_inside_any_expression(text in ".{0,40}") {
            if let Err(error) = identifiers(&text) {
                prop_assert!(text.get(error.span).is_some());
            }
        }
    }
}

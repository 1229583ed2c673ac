//! Parses TOML text into a struct. Every error is a [`Diagnostic`] with its location.
//!
//! serde stops at the first unknown key. This parser records and removes the key and continues, so
//! that a file with three misspelt keys gives three errors.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

use crate::diagnostic::{Diagnostic, Page};
use crate::suggest;

/// Parses a whole document. Errors are added to `found`. A value may be returned nevertheless.
pub fn read<T: DeserializeOwned>(page: Page<'_>, found: &mut Vec<Diagnostic>) -> Option<T> {
    let (mut table, errors) = DeTable::parse_recoverable(page.text);
    if !errors.is_empty() {
        found.extend(errors.iter().map(|error| diagnose(page, error)));
        return None;
    }
    let before = found.len();
    loop {
        let error = match T::deserialize(Deserializer::from(table.clone())) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let diagnostic = diagnose(page, &error);
        if !is_misspelt_above(&error, &found[before..]) {
            found.push(diagnostic);
        }
        let unknown = error.message().starts_with("unknown field");
        let removed = error
            .span()
            .is_some_and(|span| remove(table.get_mut(), &span));
        if !(unknown && removed) {
            return None;
        }
    }
}

/// Whether a missing key was already reported as misspelt.
fn is_misspelt_above(error: &Error, reported: &[Diagnostic]) -> bool {
    let Some(name) = error.message().strip_prefix("missing field ") else {
        return false;
    };
    let start = format!("did you mean {name}?");
    reported.iter().any(|diagnostic| {
        diagnostic
            .help
            .as_ref()
            .is_some_and(|help| help.starts_with(&start))
    })
}

/// Removes the key at `span`.
fn remove(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    let key = table.keys().find(|key| key.span() == *span).cloned();
    match key {
        Some(key) => table.remove(&key).is_some(),
        None => table.iter_mut().any(|(_, value)| remove_below(value, span)),
    }
}

fn remove_below(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> bool {
    match value.get_mut() {
        DeValue::Table(table) => remove(table, span),
        DeValue::Array(array) => array.iter_mut().any(|value| remove_below(value, span)),
        _ => false,
    }
}

/// Converts a message of serde or toml to a diagnostic.
fn diagnose(page: Page<'_>, error: &Error) -> Diagnostic {
    let message = error.message();
    let span = error.span().unwrap_or(0..0);
    let (what, expected) = message.split_once(", expected").unwrap_or((message, ""));
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let named = what.split('`').nth(1).unwrap_or_default();

    if what.starts_with("unknown field") {
        let title = format!("unknown key `{named}`");
        let help = suggest::help(named, "keys here", known);
        page.at(span, title, "not a key of this table")
            .with_help(help)
    } else if what.starts_with("unknown variant") {
        let title = format!("unknown value `{named}`");
        let help = suggest::help(named, "values", known);
        page.at(span, title, "not one of the values")
            .with_help(help)
    } else if what.starts_with("missing field") {
        // The span is that of the whole table, of which the first line is enough.
        let rest = page.text.get(span.start..).unwrap_or_default();
        let first = rest.find('\n').unwrap_or(rest.len());
        page.at(
            span.start..span.start + first,
            format!("missing key `{named}`"),
            "in this table",
        )
        .with_help(format!("add `{named} = …`"))
    } else {
        let mut lines = message.lines();
        let title = lines.next().unwrap_or("not valid TOML").to_owned();
        let rest: Vec<&str> = lines.map(str::trim).collect();
        let diagnostic = page.at(span, title, "here");
        if rest.is_empty() {
            diagnostic
        } else {
            diagnostic.with_help(rest.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::{Page, read};
    use crate::diagnostic::{Diagnostic, show};

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only serde reads it")]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Document {
        name: toml::Spanned<String>,
        boot_timeout: Option<u32>,
        kind: Option<Kind>,
        #[serde(default)]
        part: Vec<toml::Spanned<Part>>,
        #[serde(default)]
        map: BTreeMap<toml::Spanned<String>, toml::Spanned<String>>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only serde reads it")]
    #[serde(deny_unknown_fields)]
    struct Part {
        size: u64,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Common,
        Arch,
    }

    fn read_document(text: &str) -> (Option<Document>, Vec<Diagnostic>) {
        let mut found = Vec::new();
        let page = Page {
            path: "a.toml".into(),
            text,
        };
        (read(page, &mut found), found)
    }

    fn shown(text: &str) -> String {
        let (document, found) = read_document(text);
        format!("value: {}\n{}", document.is_some(), show(&found))
    }

    #[test]
    fn all_unknown_keys_are_reported() {
        insta::assert_snapshot!(shown(
            "name = \"a\"\nboot-timeot = 1\n[[part]]\nsize = 1\nsise = 2\n[map]\nx = \"y\"\n[other]\na = 1\n"
        ));
    }

    #[test]
    fn other_errors_have_location_and_help() {
        insta::assert_snapshot!(shown("name = 5\n"));
        insta::assert_snapshot!(shown("name = \"a\"\nkind = \"comon\"\n"));
        insta::assert_snapshot!(shown("boot-timeout = 1\n"));
        insta::assert_snapshot!(shown("name = \"a\"\n[[part]]\n\n[[part]]\nsize = 1\n"));
        insta::assert_snapshot!(shown("name = \"a\nkind = \n[x\n"));
        insta::assert_snapshot!(shown("name = \"a\"\nname = \"b\"\n"));
    }

    proptest! {
        #[test]
        fn error_location_is_inside_any_text(text in "([a-z\\[\\]\"='{},.\n0-9ä-]|name|part){0,60}") {
            let (document, found) = read_document(&text);
            prop_assert!(document.is_some() || !found.is_empty());
            for fault in found {
                prop_assert!(text.get(fault.span.clone()).is_some(), "{:?}", fault);
            }
        }
    }
}

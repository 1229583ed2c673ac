//! Templates: build scripts of recipes, without escaping, and HTML pages, in which every value is
//! escaped.
//!
//! The language in `template/engine.rs` is a small subset of handlebars. An unknown name is an
//! error. The result depends only on the text and the values.

mod engine;

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::suggest;
use engine::{Kind, TagError};

/// The variables of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    own: Value,
    /// Where a name is looked up that is not in `own`.
    shared: Arc<Value>,
}

impl Context {
    /// A context of these values. `values` is an object.
    #[must_use]
    pub fn new(values: Value) -> Self {
        Self::with_shared(values, Arc::default())
    }

    /// A context of these values and of those that it shares with others. Both are objects.
    pub(crate) fn with_shared(own: Value, shared: Arc<Value>) -> Self {
        Self { own, shared }
    }

    fn scopes(&self) -> [&Value; 2] {
        [&self.own, &self.shared]
    }

    /// The text value of a dotted name. `None` if the name is unknown or its value is not a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        let mut scopes = self.scopes().into_iter();
        scopes.find_map(|scope| engine::get(scope, name))?.as_str()
    }

    /// All names, dotted, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for values in self.scopes().into_iter().filter(|it| it.is_object()) {
            collect_names(values, "", &mut names);
        }
        names.sort();
        names
    }
}

fn collect_names(value: &Value, prefix: &str, names: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let dot = if prefix.is_empty() { "" } else { "." };
                collect_names(value, &format!("{prefix}{dot}{name}"), names);
            }
        }
        _ => names.push(prefix.to_owned()),
    }
}

/// A help for an unknown name: the nearest one, then all but deeply nested names.
pub(crate) fn variables(name: &str, known: &[String]) -> String {
    let mut short: Vec<String> = known
        .iter()
        .map(|name| match name.split('.').collect::<Vec<_>>()[..] {
            [first, _, _, ..] => format!("{first}.…"),
            _ => name.clone(),
        })
        .collect();
    short.dedup();
    let list = suggest::list(short.iter().map(String::as_str));
    match suggest::closest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`? variables: {list}"),
        None => format!("variables: {list}"),
    }
}

/// Why a template could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} in `{name}`, line {line}, column {column}")]
pub struct TemplateError {
    /// The template's name.
    pub name: String,
    /// From 1.
    pub line: usize,
    /// From 1, in bytes.
    pub column: usize,
    /// The error.
    pub kind: TemplateErrorKind,
}

/// The kinds of template errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateErrorKind {
    /// A tag is not closed, or a block is not ended.
    #[error("invalid template syntax")]
    Syntax(String),
    /// The context does not contain the name.
    #[error("unknown variable `{name}`")]
    UnknownVariable {
        /// The name in the template.
        name: String,
        /// The names in the context.
        known: Vec<String>,
    },
    /// An unsupported construct or value.
    #[error("{0}")]
    Other(String),
}

impl TemplateError {
    /// The advice that fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match &self.kind {
            TemplateErrorKind::Syntax(what) => Some(what.clone()),
            TemplateErrorKind::UnknownVariable { name, known } => Some(variables(name, known)),
            TemplateErrorKind::Other(_) => None,
        }
    }

    /// The location of the error in the template's text: the expression in braces, or else the rest
    /// of the line.
    #[must_use]
    pub fn span(&self, text: &str) -> Range<usize> {
        let line_start: usize = text
            .split_inclusive('\n')
            .take(self.line.saturating_sub(1))
            .map(str::len)
            .sum();
        let start = (line_start + self.column.saturating_sub(1)).min(text.len());
        let start = (0..=start)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0);
        let rest = &text[start..];
        let line_end = rest.find('\n').unwrap_or(rest.len());
        let close = rest
            .find("}}")
            .map(|at| at + 2)
            .filter(|at| *at <= line_end);
        start..start + close.unwrap_or(line_end)
    }
}

/// Renders a template. `name` is its name in errors.
pub fn render(name: &str, text: &str, context: &Context) -> Result<String, TemplateError> {
    let rendered = engine::render(text, &context.scopes(), str::to_owned);
    rendered.map_err(|wrong| failure(name, text, wrong, context))
}

/// Renders an HTML page. Escapes values except those in three braces.
pub fn page(name: &str, text: &str, values: &impl Serialize) -> Result<String, TemplateError> {
    let values = serde_json::to_value(values).map_err(|error| TemplateError {
        name: name.to_owned(),
        line: 1,
        column: 1,
        kind: TemplateErrorKind::Other(error.to_string()),
    })?;
    let context = Context::new(values);
    let rendered = engine::render(text, &context.scopes(), escape_html);
    rendered.map_err(|wrong| failure(name, text, wrong, &context))
}

/// Safe between tags and in quoted attributes.
fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            '`' => escaped.push_str("&#x60;"),
            '=' => escaped.push_str("&#x3D;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn failure(
    name: &str,
    text: &str,
    TagError { at, kind }: TagError,
    context: &Context,
) -> TemplateError {
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    TemplateError {
        name: name.to_owned(),
        line: before.matches('\n').count() + 1,
        column: at - line_start + 1,
        kind: match kind {
            Kind::Syntax(what) => TemplateErrorKind::Syntax(what),
            Kind::Other(what) => TemplateErrorKind::Other(what),
            Kind::Unknown(name) => TemplateErrorKind::UnknownVariable {
                name,
                known: context.names(),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{Context, render};

    fn context() -> Context {
        Context::new(json!({
            "arch": "ppc64",
            "version": "1.0",
            "gcc": { "configure": ["--a", "--b=\"<&>\""] },
            "linux": { "arch": "powerpc", "compressed": "" },
            "recipes": { "guest-init": { "version": "1" } },
        }))
    }

    #[test]
    fn variables_lists_and_conditions_are_rendered_unescaped() {
        fn check(text: &str, expect: &str) {
            assert_eq!(render("t", text, &context()).unwrap(), expect, "{text}");
        }
        check("", "");
        check("a\nb\n", "a\nb\n");
        check("{{arch}} {{linux.arch}}", "ppc64 powerpc");
        check(
            "{{#each gcc.configure}}{{this}} {{/each}}",
            "--a --b=\"<&>\" ",
        );
        check("{{recipes.guest-init.version}}", "1");
        check("{{#if linux.compressed}}yes{{else}}no{{/if}}", "no");
        check("{{#if linux.arch}}yes{{else}}no{{/if}}", "yes");
        check("{{#unless linux.compressed}}yes{{/unless}}", "yes");
        check(
            "\\{{arch}} ${arch} $((1 + 2)) 'a' \"b\"",
            "{{arch}} ${arch} $((1 + 2)) 'a' \"b\"",
        );
        check(
            "{{#if arch}}\n  indented\n{{/if}}\nend\n",
            "  indented\nend\n",
        );
    }

    #[test]
    fn pages_escape_values_and_reach_outer_names() {
        let values = json!({
            "title": "<a href='x'>&\"`=",
            "style": "a > b",
            "rows": [{ "name": "one", "cells": [1, 2] }, { "name": "two", "cells": [] }],
            "none": [],
        });
        let check = |text: &str, expect: &str| {
            assert_eq!(super::page("t", text, &values).unwrap(), expect, "{text}");
        };
        check(
            "{{title}}",
            "&lt;a href&#x3D;&#x27;x&#x27;&gt;&amp;&quot;&#x60;&#x3D;",
        );
        check("{{{style}}}", "a > b");
        check(
            "{{#each rows}}{{#each cells}}{{../name}}{{this}} {{else}}-{{/each}}{{../style}};{{/each}}",
            "one1 one2 a &gt; b;-a &gt; b;",
        );
        check("{{#each none}}x{{else}}y{{/each}}", "y");
        check(
            "  {{#each rows}}\n<{{name}}>\n  {{/each}}\nend",
            "<one>\n<two>\nend",
        );
    }

    #[test]
    fn errors_show_location_and_nearest_name() {
        fn check(text: &str, at: &str, place: (usize, usize), message: &str) {
            let error = render("t", text, &context()).unwrap_err();
            assert_eq!(&text[error.span(text)], at, "{text}");
            assert_eq!((error.line, error.column), place, "{text}");
            assert_eq!(error.kind.to_string(), message, "{text}");
        }
        check(
            "a\nb {{ach}} c\n",
            "{{ach}}",
            (2, 3),
            "unknown variable `ach`",
        );
        check(
            "{{linux.arc}}",
            "{{linux.arc}}",
            (1, 1),
            "unknown variable `linux.arc`",
        );
        check(
            "x{{#if ach}}y{{/if}}",
            "{{#if ach}}",
            (1, 2),
            "unknown variable `ach`",
        );
        check(
            "{{#unless ach}}y{{/unless}}",
            "{{#unless ach}}",
            (1, 1),
            "unknown variable `ach`",
        );
        check(
            "{{#each gcc.conf}}y{{/each}}",
            "{{#each gcc.conf}}",
            (1, 1),
            "unknown variable `gcc.conf`",
        );
        check(
            "{{shout arch}}",
            "{{shout arch}}",
            (1, 1),
            "unknown helper `shout`",
        );
        check("{{> other}}", "{{> other}}", (1, 1), "unknown helper `>`");
        check(
            "a\n{{#if arch}}\nb\n",
            "{{#if arch}}",
            (2, 1),
            "invalid template syntax",
        );
        check("a {{arch", "{{arch", (1, 3), "invalid template syntax");
        check("{{else}}", "{{else}}", (1, 1), "invalid template syntax");
        check("x{{/if}}", "{{/if}}", (1, 2), "invalid template syntax");
        check(
            "{{gcc.configure}}",
            "{{gcc.configure}}",
            (1, 1),
            "`gcc.configure` is a list",
        );
        check(
            "{{#each arch}}{{/each}}",
            "{{#each arch}}",
            (1, 1),
            "`arch` is not a list",
        );
    }

    #[test]
    fn hint_contains_nearest_and_all_names() {
        let error = render("t", "{{linux.arc}}", &context()).unwrap_err();
        assert_eq!(
            error.hint().unwrap(),
            "did you mean `linux.arch`? variables: `arch`, `gcc.configure`, `linux.arch`, \
             `linux.compressed`, `recipes.…`, `version`"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_rendering_panic(text in "([a-zä\n ]|\\{\\{|\\}\\}|#if |/if|arch|each){0,20}") {
            if let Err(error) = render("t", &text, &context()) {
                prop_assert!(text.get(error.span(&text)).is_some());
            }
        }
    }
}

//! Handlebars, as recipes use it: nothing is escaped, and a name that is not known is an error.
//!
//! The stock `if` and `unless` take an unknown name for false; the ones here do not. Partials,
//! decorators and files are out of reach: a text and a [`Context`] decide the result.

use std::ops::Range;

use handlebars::{
    Context as Data, Handlebars, Helper, HelperDef, HelperResult, JsonTruthy as _, Output,
    RenderContext, RenderError, RenderErrorReason, Renderable as _, Template,
    TemplateError as Syntax,
};
use serde_json::Value;

use crate::suggest;

/// The names a template may use, and their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context(Value);

impl Context {
    /// A context of these values; `values` is an object.
    #[must_use]
    pub fn new(values: Value) -> Self {
        Self(values)
    }

    /// The text a dotted name stands for; `None` if there is no such name or it is not a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        name.split('.')
            .try_fold(&self.0, |value, part| value.get(part))?
            .as_str()
    }

    /// All names, dotted, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        collect_names(&self.0, "", &mut names);
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

/// A help for a name that is not known: the nearest, then all but those that lie deep.
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

/// A template that cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} in `{name}`, line {line}, column {column}")]
pub struct TemplateError {
    /// What the template is called.
    pub name: String,
    /// From 1.
    pub line: usize,
    /// From 1, in bytes.
    pub column: usize,
    /// What is wrong.
    pub kind: TemplateErrorKind,
}

/// What is wrong in a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateErrorKind {
    /// Not handlebars.
    #[error("invalid template syntax")]
    Syntax(String),
    /// The context has no such name.
    #[error("unknown variable `{name}`")]
    UnknownVariable {
        /// As the template has it; empty where handlebars does not say.
        name: String,
        /// Names the context has.
        known: Vec<String>,
    },
    /// The template calls what is not there, or wrongly.
    #[error("{0}")]
    Other(String),
}

impl TemplateError {
    /// What would be right.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match &self.kind {
            TemplateErrorKind::Syntax(what) if what.starts_with("invalid") => {
                Some("check that each `{{` and each `{{#block}}` is closed".to_owned())
            }
            TemplateErrorKind::Syntax(what) => Some(what.clone()),
            TemplateErrorKind::UnknownVariable { name, known } => Some(variables(name, known)),
            TemplateErrorKind::Other(_) => None,
        }
    }

    /// Where the error is in the template's text: the expression in braces, else to the line's end.
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

/// Renders a template; `name` is what errors call it.
pub fn render(name: &str, text: &str, context: &Context) -> Result<String, TemplateError> {
    let template = Template::compile(text).map_err(|error| syntax(name, &error))?;
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.register_escape_fn(handlebars::no_escape);
    registry.unregister_helper("log");
    registry.register_helper("if", Box::new(Condition { holds: true }));
    registry.register_helper("unless", Box::new(Condition { holds: false }));
    registry.register_template(name, template);
    registry
        .render(name, &context.0)
        .map_err(|error| failure(name, &error, context))
}

fn syntax(name: &str, error: &Syntax) -> TemplateError {
    let (line, column) = error.pos().unwrap_or((1, 1));
    let what = error.reason().to_string();
    TemplateError {
        name: name.to_owned(),
        line,
        column,
        kind: TemplateErrorKind::Syntax(what),
    }
}

fn failure(name: &str, error: &RenderError, context: &Context) -> TemplateError {
    let kind = match error.reason() {
        RenderErrorReason::MissingVariable(variable) => TemplateErrorKind::UnknownVariable {
            name: variable.clone().unwrap_or_default(),
            known: context.names(),
        },
        RenderErrorReason::HelperNotFound(helper) => {
            TemplateErrorKind::Other(format!("unknown helper `{helper}`"))
        }
        reason => TemplateErrorKind::Other(reason.to_string()),
    };
    let line = error.line_no.unwrap_or(1);
    TemplateError {
        name: name.to_owned(),
        line,
        column: error.column_no.unwrap_or(1),
        kind,
    }
}

/// `{{#if name}}` and `{{#unless name}}`, for which an unknown name is an error and not false.
struct Condition {
    holds: bool,
}

impl HelperDef for Condition {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        data: &'rc Data,
        render_context: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let value = helper
            .param(0)
            .ok_or(RenderErrorReason::ParamNotFoundForIndex("if", 0))?;
        if value.is_value_missing() {
            return Err(RenderError::strict_error(value.relative_path()));
        }
        let branch = if value.value().is_truthy(false) == self.holds {
            helper.template()
        } else {
            helper.inverse()
        };
        branch.map_or(Ok(()), |branch| {
            branch.render(registry, data, render_context, out)
        })
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
    fn errors_show_place_and_nearest_name() {
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
        check(
            "{{> other}}",
            "{{> other}}",
            (1, 1),
            "Partial not found other",
        );
        check(
            "a\n{{#if arch}}\nb\n",
            "",
            (4, 1),
            "invalid template syntax",
        );
        check("a {{arch", "", (1, 9), "invalid template syntax");
    }

    #[test]
    fn the_hint_gives_the_nearest_and_all_names() {
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

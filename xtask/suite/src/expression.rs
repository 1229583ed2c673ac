//! Expressions that select tests, in nextest's syntax: `test(virtio) & not arch(ppc64)`.
//!
//! `test`, `group`, `arch`, `machine`, `device` and `kind` take a matcher, `all` and `none` no
//! argument. A matcher is `=exact`, `~part`, `/regex/` or `#glob`. Without a prefix it is a part
//! for `test` and a glob for the others.

use std::ops::Range;

use plan::diagnostic::Diagnostic;
use regex_lite::Regex;

mod parse;

/// A parsed expression.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    root: Node,
}

#[derive(Debug, Clone)]
enum Node {
    All,
    None,
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Is(Field, Matcher),
}

/// A property of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Test,
    Group,
    Arch,
    Machine,
    Device,
    Kind,
}

impl Field {
    /// All properties with their names.
    const ALL: [(&'static str, Self); 6] = [
        ("test", Self::Test),
        ("group", Self::Group),
        ("arch", Self::Arch),
        ("machine", Self::Machine),
        ("device", Self::Device),
        ("kind", Self::Kind),
    ];

    fn name(self) -> &'static str {
        let of = Self::ALL.iter().find(|(_, field)| *field == self);
        of.map_or("", |(name, _)| name)
    }
}

#[derive(Debug, Clone)]
struct Matcher {
    span: Range<usize>,
    text: String,
    how: How,
}

#[derive(Debug, Clone)]
enum How {
    Exact,
    Part,
    /// A regular expression, also used for a glob.
    Regex(Regex),
}

/// The properties of a test that an expression can refer to.
#[derive(Debug, Clone, Default)]
pub struct Subject<'a> {
    /// Full name.
    pub name: &'a str,
    /// Architecture.
    pub arch: &'a str,
    /// Kind, as its label.
    pub kind: &'a str,
    /// Machine of `images/<arch>.toml`.
    pub machine: &'a str,
    /// Groups.
    pub groups: Vec<&'a str>,
    /// Devices in its header.
    pub devices: Vec<&'a str>,
}

impl Subject<'_> {
    fn values(&self, field: Field) -> Vec<&str> {
        match field {
            Field::Test => vec![self.name],
            Field::Arch => vec![self.arch],
            Field::Kind => vec![self.kind],
            Field::Machine => vec![self.machine],
            Field::Group => self.groups.clone(),
            Field::Device => self.devices.clone(),
        }
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

impl Expression {
    /// Parses a text. The error has a location in it.
    pub fn parse(text: &str) -> Result<Self, Box<Diagnostic>> {
        let root = parse::parse(text).map_err(|wrong| {
            Box::new(Diagnostic {
                path: PATH.into(),
                text: text.to_owned(),
                span: wrong.span,
                title: wrong.title,
                label: wrong.label.to_owned(),
                help: wrong.help,
            })
        })?;
        let text = text.to_owned();
        Ok(Self { text, root })
    }

    /// Whether it selects a test.
    #[must_use]
    pub fn admits(&self, subject: &Subject<'_>) -> bool {
        self.root.admits(subject)
    }

    /// Names in it that match no test, which are usually misspelt.
    #[must_use]
    pub fn unknown(&self, subjects: &[Subject<'_>]) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        self.root.each(&mut |field, matcher| {
            let values = || subjects.iter().flat_map(|subject| subject.values(field));
            if field == Field::Test || values().any(|value| matcher.admits(value)) {
                return;
            }
            let mut known: Vec<&str> = values().collect();
            known.sort_unstable();
            known.dedup();
            let near = plan::suggest::closest(&matcher.text, known.iter().copied());
            let (name, text) = (field.name(), &matcher.text);
            found.push(Diagnostic {
                path: PATH.into(),
                text: self.text.clone(),
                span: matcher.span.clone(),
                title: format!("no test has the {name} `{text}`"),
                label: "selects nothing".to_owned(),
                help: Some(match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if known.is_empty() => format!("no test has a {name}"),
                    None => format!("there are {}", known.join(", ")),
                }),
            });
        });
        found
    }
}

/// The path in diagnostics about an expression.
const PATH: &str = "-E";

impl Node {
    fn admits(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Not(node) => !node.admits(subject),
            Self::And(one, other) => one.admits(subject) && other.admits(subject),
            Self::Or(one, other) => one.admits(subject) || other.admits(subject),
            Self::Is(field, matcher) => {
                let mut values = subject.values(*field).into_iter();
                values.any(|value| matcher.admits(value))
            }
        }
    }

    fn each(&self, look: &mut impl FnMut(Field, &Matcher)) {
        match self {
            Self::All | Self::None => {}
            Self::Not(node) => node.each(look),
            Self::And(one, other) | Self::Or(one, other) => {
                one.each(look);
                other.each(look);
            }
            Self::Is(field, matcher) => look(*field, matcher),
        }
    }
}

impl Matcher {
    fn admits(&self, value: &str) -> bool {
        match &self.how {
            How::Exact => value == self.text,
            How::Part => value.contains(&self.text),
            How::Regex(regex) => regex.is_match(value),
        }
    }
}

#[cfg(test)]
#[path = "expression_tests.rs"]
mod tests;

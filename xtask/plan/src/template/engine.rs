//! The template language, a subset of handlebars: `{{name}}`, `{{{name}}}` (never escaped), `{{#if
//! name}}`, `{{#unless name}}` and `{{#each name}}` with `{{else}}`, and `\{{` for two braces.
//!
//! In `each`, names refer to the item, `this` is the item itself, and `../name` is an outer name. A
//! block tag that is alone on its line leaves no empty line. Helpers, partials and expressions are
//! not supported.

use std::fmt::Write as _;

use serde_json::Value;

/// An error, and the offset of its tag in the text in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TagError {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

/// The kinds of errors.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A tag is not closed, or closed by another one.
    Syntax(String),
    /// The values do not contain the name.
    Unknown(String),
    /// An unsupported construct, or a value that cannot be printed.
    Other(String),
}

/// A piece of a template. `at` is the offset of its tag.
#[derive(Debug)]
enum Node<'t> {
    Text(&'t str),
    Value {
        at: usize,
        name: &'t str,
        raw: bool,
    },
    Block {
        at: usize,
        kind: Block,
        name: &'t str,
        body: Vec<Node<'t>>,
        otherwise: Vec<Node<'t>>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    If,
    Unless,
    Each,
}

impl Block {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "if" => Some(Self::If),
            "unless" => Some(Self::Unless),
            "each" => Some(Self::Each),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::Unless => "unless",
            Self::Each => "each",
        }
    }
}

/// Renders `text` with `values`, of which the first that has a name counts. Applies `escape` to each value of
/// `{{name}}`.
pub(super) fn render(
    text: &str,
    values: &[&Value],
    escape: fn(&str) -> String,
) -> Result<String, TagError> {
    let (nodes, _) = Parser { text, place: 0 }.nodes(None)?;
    let mut out = String::new();
    let mut scopes = Scopes {
        outermost: values,
        items: Vec::new(),
    };
    write(&nodes, &mut scopes, escape, &mut out)?;
    Ok(out)
}

/// How a sequence of nodes ended.
enum BlockEnd {
    Text,
    Else,
    Close,
}

struct Parser<'t> {
    text: &'t str,
    place: usize,
}

impl<'t> Parser<'t> {
    /// Parses the nodes up to the end of the text, or of the block that `open` opened.
    fn nodes(
        &mut self,
        open: Option<(usize, Block)>,
    ) -> Result<(Vec<Node<'t>>, BlockEnd), TagError> {
        let mut nodes = Vec::new();
        loop {
            let rest = &self.text[self.place..];
            let Some(found) = rest.find("{{") else {
                nodes.push(Node::Text(rest));
                self.place = self.text.len();
                return match open {
                    None => Ok((nodes, BlockEnd::Text)),
                    Some((at, block)) => {
                        let name = block.name();
                        Err(syntax(at, format!("add `{{{{/{name}}}}}` to end `{name}`")))
                    }
                };
            };
            let at = self.place + found;
            if let Some(before) = self.text[self.place..at].strip_suffix('\\') {
                nodes.push(Node::Text(before));
                nodes.push(Node::Text("{{"));
                self.place = at + 2;
                continue;
            }
            let before = &self.text[self.place..at];
            let raw = self.text[at..].starts_with("{{{");
            let close = if raw { "}}}" } else { "}}" };
            let inside = &self.text[at + close.len()..];
            let end = inside
                .find(close)
                .filter(|end| !inside[..*end].contains('\n'));
            let end = end.ok_or_else(|| syntax(at, format!("close the tag with `{close}`")))?;
            let tag = inside[..end].trim();
            let after = at + close.len() + end + close.len();
            let marker = tag.starts_with(['#', '/']) || tag == "else";
            if raw || !marker {
                nodes.push(Node::Text(before));
                nodes.push(Node::Value {
                    at,
                    name: value_name(tag, at)?,
                    raw,
                });
                self.place = after;
                continue;
            }
            let (before, after) = self.standalone(before, at, after);
            nodes.push(Node::Text(before));
            self.place = after;
            if tag == "else" && open.is_some() {
                return Ok((nodes, BlockEnd::Else));
            }
            if let Some(word) = tag.strip_prefix('/') {
                return match open {
                    Some((_, block)) if block.name() == word.trim() => Ok((nodes, BlockEnd::Close)),
                    _ => Err(syntax(
                        at,
                        format!("no open block `{}` to end", word.trim()),
                    )),
                };
            }
            let Some(tag) = tag.strip_prefix('#') else {
                return Err(syntax(at, "`else` outside of a block".to_owned()));
            };
            nodes.push(self.block(tag.trim(), at)?);
        }
    }

    fn block(&mut self, tag: &'t str, at: usize) -> Result<Node<'t>, TagError> {
        let (word, name) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        let kind = Block::parse(word).ok_or_else(|| unknown_helper(word, at))?;
        let name = value_name(name.trim(), at)?;
        let (body, end) = self.nodes(Some((at, kind)))?;
        let otherwise = match end {
            BlockEnd::Else => match self.nodes(Some((at, kind)))? {
                (_, BlockEnd::Else) => return Err(syntax(at, "a second `else`".to_owned())),
                (nodes, _) => nodes,
            },
            BlockEnd::Text | BlockEnd::Close => Vec::new(),
        };
        Ok(Node::Block {
            at,
            kind,
            name,
            body,
            otherwise,
        })
    }

    /// The text before a block's tag and the offset after it. Removes the line if the tag is alone
    /// on it.
    fn standalone(&self, before: &'t str, at: usize, after: usize) -> (&'t str, usize) {
        let line = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let rest = self.text[after..]
            .split_inclusive('\n')
            .next()
            .unwrap_or("");
        if !self.text[line..at].trim().is_empty() || !rest.trim().is_empty() {
            return (before, after);
        }
        (before.trim_end_matches([' ', '\t']), after + rest.len())
    }
}

fn syntax(at: usize, what: String) -> TagError {
    TagError {
        at,
        kind: Kind::Syntax(what),
    }
}

fn other(at: usize, what: String) -> TagError {
    TagError {
        at,
        kind: Kind::Other(what),
    }
}

fn unknown_helper(word: &str, at: usize) -> TagError {
    other(at, format!("unknown helper `{word}`"))
}

/// Parses a tag that is the name of a value.
fn value_name(tag: &str, at: usize) -> Result<&str, TagError> {
    let word = tag.split_whitespace().next().unwrap_or_default();
    let is_name = |c: char| c.is_alphanumeric() || "_-./".contains(c);
    match tag {
        "" => Err(syntax(at, "write a name between the braces".to_owned())),
        tag if tag.chars().all(is_name) => Ok(tag),
        _ => Err(unknown_helper(word, at)),
    }
}

/// Where names are looked up.
struct Scopes<'v> {
    /// The values outside of every `each`.
    outermost: &'v [&'v Value],
    /// The items of the open `each` blocks. The last is the innermost.
    items: Vec<&'v Value>,
}

impl<'v> Scopes<'v> {
    fn lookup(&self, name: &str, at: usize) -> Result<&'v Value, TagError> {
        let (mut rest, mut depth) = (name, Some(self.items.len()));
        while let Some(outer) = rest.strip_prefix("../") {
            (rest, depth) = (outer, depth.and_then(|depth| depth.checked_sub(1)));
        }
        let values = match depth {
            None => &[],
            Some(0) => self.outermost,
            Some(depth) => &self.items[depth - 1..depth],
        };
        let found = match rest {
            "this" => values.first().copied(),
            name => values.iter().find_map(|value| get(value, name)),
        };
        found.ok_or_else(|| TagError {
            at,
            kind: Kind::Unknown(name.to_owned()),
        })
    }
}

/// The value of a dotted name.
pub(super) fn get<'v>(values: &'v Value, name: &str) -> Option<&'v Value> {
    let mut parts = name.split('.');
    parts.try_fold(values, |value, part| value.get(part))
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn write<'v>(
    nodes: &[Node<'_>],
    scopes: &mut Scopes<'v>,
    escape: fn(&str) -> String,
    out: &mut String,
) -> Result<(), TagError> {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Value { at, name, raw } => match scopes.lookup(name, *at)? {
                Value::Null => {}
                Value::String(text) if *raw => out.push_str(text),
                Value::String(text) => out.push_str(&escape(text)),
                Value::Array(_) => return Err(other(*at, format!("`{name}` is a list"))),
                Value::Object(_) => return Err(other(*at, format!("`{name}` is a table"))),
                // Writing to a `String` cannot fail.
                value => drop(write!(out, "{value}")),
            },
            Node::Block {
                at,
                kind,
                name,
                body,
                otherwise,
            } => {
                let value = scopes.lookup(name, *at)?;
                let items = match (kind, value) {
                    (Block::Each, Value::Array(items)) => items,
                    (Block::Each, _) => return Err(other(*at, format!("`{name}` is not a list"))),
                    (kind, value) => {
                        let holds = is_true(value) == (*kind == Block::If);
                        write(if holds { body } else { otherwise }, scopes, escape, out)?;
                        continue;
                    }
                };
                if items.is_empty() {
                    write(otherwise, scopes, escape, out)?;
                }
                for item in items {
                    scopes.items.push(item);
                    let written = write(body, scopes, escape, out);
                    scopes.items.pop();
                    written?;
                }
            }
        }
    }
    Ok(())
}

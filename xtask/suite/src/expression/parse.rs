//! Parses an expression: `or` binds weakest, then `and` and `-`, then `not`.

use std::ops::Range;

use regex_lite::Regex;

use super::{Field, How, Matcher, Node};

/// An error and its location.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) span: Range<usize>,
    pub(super) title: String,
    pub(super) label: &'static str,
    pub(super) help: Option<String>,
}

/// Maximum nesting depth, which protects the stack.
const DEPTH: usize = 64;

pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    let node = parser.alternatives()?;
    parser.skip_space();
    if parser.at == text.len() {
        return Ok(node);
    }
    let span = parser.token();
    Err(SyntaxError {
        title: format!("`{}` is not an operator", &text[span.clone()]),
        span,
        label: "expected an operator or the end",
        help: Some("the operators are `and`, `or`, `-`, `&`, `|`, `+`".to_owned()),
    })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn alternatives(&mut self) -> Result<Node, SyntaxError> {
        let mut node = self.conjunction()?;
        while self.operator(&["or", "|", "+"]).is_some() {
            node = Node::Or(Box::new(node), Box::new(self.conjunction()?));
        }
        Ok(node)
    }

    fn conjunction(&mut self) -> Result<Node, SyntaxError> {
        let mut node = self.negation()?;
        while let Some(operator) = self.operator(&["and", "&", "-"]) {
            let mut other = self.negation()?;
            if operator == "-" {
                other = Node::Not(Box::new(other));
            }
            node = Node::And(Box::new(node), Box::new(other));
        }
        Ok(node)
    }

    fn negation(&mut self) -> Result<Node, SyntaxError> {
        let mut negated = false;
        while self.operator(&["not", "!"]).is_some() {
            negated = !negated;
        }
        let node = self.primary()?;
        Ok(if negated {
            Node::Not(Box::new(node))
        } else {
            node
        })
    }

    fn primary(&mut self) -> Result<Node, SyntaxError> {
        self.skip_space();
        let start = self.at;
        if self.eat('(') {
            self.depth += 1;
            if self.depth > DEPTH {
                return Err(self.wrong(start..self.at, "the nesting is too deep", "one too many"));
            }
            let node = self.alternatives()?;
            self.depth -= 1;
            self.skip_space();
            if self.eat(')') {
                return Ok(node);
            }
            return Err(self.wrong(start..start + 1, "unclosed parenthesis", "opened here"));
        }
        let name = self.name();
        let span = start..self.at;
        if name.is_empty() {
            return Err(SyntaxError {
                help: Some("such as `test(virtio)` or `not arch(x)`".to_owned()),
                ..self.wrong(self.token(), "missing operand", "expected an operand")
            });
        }
        if !self.eat('(') {
            return Err(SyntaxError {
                help: Some(format!("`test({name})` selects by a part of the name")),
                ..self.wrong(span, "a name needs a predicate", "expected `(` after it")
            });
        }
        if let "all" | "none" = name.as_str() {
            self.skip_space();
            let inner = self.token();
            if !self.eat(')') {
                return Err(self.wrong(inner, "this predicate takes no argument", "expected `)`"));
            }
            let all = name == "all";
            return Ok(if all { Node::All } else { Node::None });
        }
        let field = Field::ALL.iter().find(|(known, _)| *known == name);
        let Some((_, field)) = field else {
            let known = || {
                Field::ALL
                    .iter()
                    .map(|(name, _)| *name)
                    .chain(["all", "none"])
            };
            let help = match plan::suggest::closest(&name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", known().collect::<Vec<_>>().join(", ")),
            };
            return Err(SyntaxError {
                span,
                title: format!("unknown predicate `{name}`"),
                label: "unknown",
                help: Some(help),
            });
        };
        Ok(Node::Is(*field, self.matcher(*field)?))
    }

    /// Parses a matcher up to and including the closing parenthesis.
    fn matcher(&mut self, field: Field) -> Result<Matcher, SyntaxError> {
        let opened = self.at - 1;
        self.skip_space();
        let start = self.at;
        let sign = self.peek().filter(|sign| "=~/#".contains(*sign));
        if let Some(sign) = sign {
            self.eat(sign);
        }
        let end = if sign == Some('/') { '/' } else { ')' };
        let Some(mut text) = self.until(end, sign == Some('/')) else {
            let title = match end {
                '/' => "unclosed regular expression",
                _ => "unclosed parenthesis",
            };
            return Err(self.wrong(opened..opened + 1, title, "opened here"));
        };
        let mut span = start..self.at;
        if end == '/' {
            self.skip_space();
            if !self.eat(')') {
                let at = self.token();
                return Err(self.wrong(at, "a regular expression continues", "expected `)`"));
            }
        } else {
            text.truncate(text.trim_end().len());
            // Without the closing parenthesis.
            span.end -= 1;
        }
        if text.is_empty() {
            let at = if span.is_empty() {
                start..start + 1
            } else {
                span
            };
            return Err(self.wrong(at, "there is nothing to match", "expected a name"));
        }
        let bad = |error: &regex_lite::Error| SyntaxError {
            span: span.clone(),
            title: format!("`{text}` is not a pattern"),
            label: "here",
            help: Some(error.to_string()),
        };
        let how = match (sign, field) {
            (Some('='), _) => How::Exact,
            (Some('~'), _) | (None, Field::Test) => How::Part,
            (Some('/'), _) => How::Regex(Regex::new(&text).map_err(|error| bad(&error))?),
            _ => How::Regex(Regex::new(&glob(&text)).map_err(|error| bad(&error))?),
        };
        Ok(Matcher { span, text, how })
    }

    /// Consumes text up to and including an unescaped `end`. Removes the `\` before `end`, and
    /// other ones except in a regular expression.
    fn until(&mut self, end: char, regex: bool) -> Option<String> {
        let mut text = String::new();
        loop {
            let next = self.take()?;
            if next == end {
                return Some(text);
            }
            if next != '\\' {
                text.push(next);
                continue;
            }
            let escaped = self.take()?;
            if regex && escaped != end {
                text.push('\\');
            }
            text.push(escaped);
        }
    }

    /// Consumes one of these operators. A word must not continue after it.
    fn operator(&mut self, operators: &[&'static str]) -> Option<&'static str> {
        self.skip_space();
        let rest = &self.text[self.at..];
        let found = operators.iter().find(|operator| {
            rest.strip_prefix(**operator).is_some_and(|after| {
                let word = operator.starts_with(char::is_alphabetic);
                !(word && after.starts_with(is_name))
            })
        })?;
        self.at += found.len();
        Some(found)
    }

    fn name(&mut self) -> String {
        let rest = &self.text[self.at..];
        let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        self.at += length;
        rest[..length].to_owned()
    }

    /// The range of the next word or sign for a diagnostic, empty at the end.
    fn token(&self) -> Range<usize> {
        let rest = &self.text[self.at..];
        let word = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let length = match rest.chars().next() {
            Some(sign) if word == 0 => sign.len_utf8(),
            _ => word,
        };
        self.at..self.at + length
    }

    fn wrong(&self, span: Range<usize>, title: &str, label: &'static str) -> SyntaxError {
        let end = span.end.min(self.text.len());
        SyntaxError {
            span: span.start.min(end)..end,
            title: title.to_owned(),
            label,
            help: None,
        }
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.at += wanted.len_utf8();
        }
        there
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == ':'
}

/// Converts a glob to a regular expression for the whole name: `*` matches anything, `?` one
/// character, `[…]` a class.
fn glob(text: &str) -> String {
    let mut regex = "^".to_owned();
    let mut class = false;
    for c in text.chars() {
        match c {
            '*' if !class => regex.push_str(".*"),
            '?' if !class => regex.push('.'),
            '[' if !class => {
                class = true;
                regex.push('[');
            }
            ']' if class => {
                class = false;
                regex.push(']');
            }
            '-' | '!' if class => regex.push(if c == '!' { '^' } else { '-' }),
            c => regex.push_str(&regex_lite::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    regex + "$"
}

//! Evaluates conditions: `[[ … ]]` and `[ … ]` with comparisons of strings and numbers, joined by
//! `&&`, `||`, `!` and parentheses.

use super::{Reader, Scope, ShellError, Stop, Word, arithmetic, malformed, unsupported};

/// Whether a condition holds.
pub fn holds(text: &str, scope: Scope<'_>) -> Result<bool, ShellError> {
    let parse = || {
        let mut tokens = tokens(text, scope)?;
        tokens.reverse();
        let mut parser = Parser { tokens, scope };
        let value = parser.any(Within::List)?;
        match parser.tokens.last() {
            None => Ok(value),
            Some(token) => unsupported(format!("unexpected `{}`", token.text())),
        }
    };
    parse().map_err(|stop: Stop| stop.in_text(text))
}

/// The context of a list of conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Outside brackets: each condition has its own.
    List,
    /// Inside `[[ … ]]`.
    Double,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// `&&`, `||`, `(` or `)`.
    Operator(&'static str),
    Word(Word),
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Operator(text) => text,
            Self::Word(word) => &word.text,
        }
    }
}

fn tokens(text: &str, scope: Scope<'_>) -> Result<Vec<Token>, Stop> {
    let mut reader = Reader::new(text, scope);
    let mut tokens = Vec::new();
    loop {
        reader.skip_blanks();
        let rest = reader.rest();
        if rest.trim().is_empty() {
            return Ok(tokens);
        }
        let operators = ["&&", "||", "(", ")"];
        match operators.into_iter().find(|it| rest.starts_with(it)) {
            Some(operator) => {
                reader.skip(operator.len());
                tokens.push(Token::Operator(operator));
            }
            None if rest.starts_with('\n') => return unsupported("it is more than one command"),
            None => tokens.push(Token::Word(reader.whole_word()?)),
        }
    }
}

struct Parser<'a> {
    /// In reverse order, so that the next one is the last.
    tokens: Vec<Token>,
    scope: Scope<'a>,
}

impl Parser<'_> {
    /// Consumes an operator, or an unquoted word.
    fn take(&mut self, expected: &str) -> bool {
        let is_it = match self.tokens.last() {
            Some(Token::Operator(text)) => *text == expected,
            Some(Token::Word(word)) => !word.quoted && word.text == expected,
            None => false,
        };
        if is_it {
            self.tokens.pop();
        }
        is_it
    }

    fn expect(&mut self, expected: &str) -> Result<(), Stop> {
        if self.take(expected) {
            return Ok(());
        }
        match self.tokens.last() {
            None => malformed(format!("expected `{expected}`")),
            Some(token) => unsupported(format!("unexpected `{}`", token.text())),
        }
    }

    fn any(&mut self, within: Within) -> Result<bool, Stop> {
        let mut value = self.all(within)?;
        while self.take("||") {
            value |= self.all(within)?;
        }
        Ok(value)
    }

    fn all(&mut self, within: Within) -> Result<bool, Stop> {
        let mut value = self.negated(within)?;
        while self.take("&&") {
            value &= self.negated(within)?;
        }
        Ok(value)
    }

    fn negated(&mut self, within: Within) -> Result<bool, Stop> {
        if self.take("!") {
            return Ok(!self.negated(within)?);
        }
        if self.take("(") {
            let value = self.any(within)?;
            self.expect(")")?;
            return Ok(value);
        }
        if within == Within::Double {
            return self.test(None);
        }
        if self.take("[[") {
            let value = self.any(Within::Double)?;
            self.expect("]]")?;
            return Ok(value);
        }
        if self.take("[") {
            let not = self.take("!");
            let value = self.test(Some("]"))?;
            self.expect("]")?;
            return Ok(value != not);
        }
        match self.tokens.last() {
            None => malformed("it ends too early"),
            Some(token) => unsupported(format!("it runs `{}`", token.text())),
        }
    }

    /// A comparison, or a test of one word. `single` is the closing bracket of `[ … ]`.
    fn test(&mut self, single: Option<&str>) -> Result<bool, Stop> {
        let left = self.word(single)?;
        let unary = if left.quoted { "" } else { &left.text };
        match unary {
            "-n" => return Ok(!self.word(single)?.text.is_empty()),
            "-z" => return Ok(self.word(single)?.text.is_empty()),
            unary if unary.len() == 2 && unary.starts_with('-') && !self.ends(single) => {
                return unsupported(format!("`{unary}` in a condition"));
            }
            _ => {}
        }
        if self.ends(single) {
            return Ok(!left.text.is_empty());
        }
        let operator = self.word(single)?.text;
        let right = self.word(single)?;
        let is_pattern = !right.quoted && right.text.contains(['*', '?', '[']);
        match operator.as_str() {
            "=" | "==" | "!=" if is_pattern && single.is_none() => {
                unsupported(format!("the pattern `{}`", right.text))
            }
            "=" | "==" => Ok(left.text == right.text),
            "!=" => Ok(left.text != right.text),
            "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => {
                let left = arithmetic::value(&left.text, self.scope)?;
                let right = arithmetic::value(&right.text, self.scope)?;
                Ok(match operator.as_str() {
                    "-eq" => left == right,
                    "-ne" => left != right,
                    "-lt" => left < right,
                    "-le" => left <= right,
                    "-gt" => left > right,
                    _ => left >= right,
                })
            }
            operator => unsupported(format!("`{operator}` in a condition")),
        }
    }

    /// Whether the test has no further word.
    fn ends(&self, single: Option<&str>) -> bool {
        match self.tokens.last() {
            None | Some(Token::Operator(_)) => true,
            Some(Token::Word(word)) => !word.quoted && word.text == single.unwrap_or("]]"),
        }
    }

    fn word(&mut self, single: Option<&str>) -> Result<Word, Stop> {
        if self.ends(single) {
            return malformed("a condition ends too early");
        }
        match self.tokens.pop() {
            Some(Token::Word(word)) if single.is_some() && !word.quoted && word.text.is_empty() => {
                unsupported("an empty word without quotes in `[ … ]`")
            }
            Some(Token::Word(word)) => Ok(word),
            _ => malformed("a condition ends too early"),
        }
    }
}

//! Shell arithmetic, as in `$(( … ))`: integers, variables, comparisons and `?:`.

use super::{Scope, Stop, malformed, name_length, unsupported};

/// The value of an expression.
pub(super) fn value(text: &str, scope: Scope<'_>) -> Result<i64, Stop> {
    let mut parser = Parser { rest: text, scope };
    let value = parser.choice()?;
    match parser.rest.trim_start() {
        "" => Ok(value),
        rest => unsupported(format!("`{rest}` in arithmetic")),
    }
}

/// Binary operators by precedence, weakest first. A longer operator precedes its prefix.
const LEVELS: [&[&str]; 6] = [
    &["||"],
    &["&&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["+", "-"],
    &["*", "/", "%"],
];

struct Parser<'a> {
    rest: &'a str,
    scope: Scope<'a>,
}

impl Parser<'_> {
    fn take(&mut self, token: &str) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), Stop> {
        if self.take(token) {
            Ok(())
        } else {
            malformed(format!("expected `{token}` in arithmetic"))
        }
    }

    fn choice(&mut self) -> Result<i64, Stop> {
        let condition = self.level(0)?;
        if !self.take("?") {
            return Ok(condition);
        }
        let yes = self.choice()?;
        self.expect(":")?;
        let no = self.choice()?;
        Ok(if condition == 0 { no } else { yes })
    }

    fn level(&mut self, level: usize) -> Result<i64, Stop> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.level(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.take(operator)) {
            let right = self.level(level + 1)?;
            left = apply(operator, left, right)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<i64, Stop> {
        if self.take("!") {
            return Ok(i64::from(self.unary()? == 0));
        }
        if self.take("-") {
            return Ok(self.unary()?.wrapping_neg());
        }
        if self.take("(") {
            let value = self.choice()?;
            self.expect(")")?;
            return Ok(value);
        }
        self.operand()
    }

    /// Parses a number, or a variable with or without `$`. A variable without a value is 0.
    fn operand(&mut self) -> Result<i64, Stop> {
        let rest = self.rest.trim_start();
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        if digits > 0 {
            self.rest = &rest[digits..];
            return number(&rest[..digits]);
        }
        let name = rest.strip_prefix('$').unwrap_or(rest);
        let (name, rest) = match name.strip_prefix('{') {
            Some(name) => match name.split_once('}') {
                Some(split) => split,
                None => return malformed("a `${` is not closed"),
            },
            None => name.split_at(name_length(name)),
        };
        if name.is_empty() {
            return malformed("expected a number in arithmetic");
        }
        self.rest = rest;
        match self.scope.variables.get(name).map(|value| value.trim()) {
            None | Some("") => Ok(0),
            Some(value) => number(value),
        }
    }
}

fn number(text: &str) -> Result<i64, Stop> {
    let is_octal = text.len() > 1 && text.starts_with('0');
    match text.parse() {
        Ok(number) if !is_octal => Ok(number),
        _ => unsupported(format!("the number `{text}`")),
    }
}

fn apply(operator: &str, left: i64, right: i64) -> Result<i64, Stop> {
    let result = match operator {
        "||" => Some(i64::from(left != 0 || right != 0)),
        "&&" => Some(i64::from(left != 0 && right != 0)),
        "==" => Some(i64::from(left == right)),
        "!=" => Some(i64::from(left != right)),
        "<=" => Some(i64::from(left <= right)),
        ">=" => Some(i64::from(left >= right)),
        "<" => Some(i64::from(left < right)),
        ">" => Some(i64::from(left > right)),
        "+" => left.checked_add(right),
        "-" => left.checked_sub(right),
        "*" => left.checked_mul(right),
        "/" => left.checked_div(right),
        _ => left.checked_rem(right),
    };
    match result {
        Some(result) => Ok(result),
        None => malformed(format!("`{left} {operator} {right}` has no value")),
    }
}

//! Formats a difference as one line.

use std::fmt;

use super::{Difference, Leak, Position, Side, leak};
use crate::scan::Tokens;

/// A difference with its probable cause.
pub(super) fn explained(difference: &Difference, leak: Option<Leak>) -> String {
    let path = match difference.path.as_str() {
        "" => String::new(),
        path => format!("{path}: "),
    };
    let leak = leak.map(|leak| format!("; looks like {leak}"));
    let place = position(&difference.place);
    format!("{path}{place}{}", leak.unwrap_or_default())
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.explain(&Tokens::default()))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&position(self))?;
        match leak::of(self, &Tokens::default()) {
            Some(leak) => write!(f, "; looks like {leak}"),
            None => Ok(()),
        }
    }
}

fn position(place: &Position) -> String {
    match place {
        Position::Only(Side::First) => "only the first has it".to_owned(),
        Position::Only(Side::Second) => "only the second has it".to_owned(),
        Position::Property {
            name,
            first,
            second,
        } => format!("{name}: {first} / {second}"),
        Position::Line {
            number,
            first,
            second,
        } => format!("line {number}: {first:?} / {second:?}"),
        Position::Section {
            name,
            offset,
            symbol,
            first,
            second,
            also,
        } => {
            let symbol = symbol.as_ref().map(|symbol| format!(" (symbol {symbol})"));
            let symbol = symbol.unwrap_or_default();
            let also = match &also[..] {
                [] => String::new(),
                names => format!("; also in {}", names.join(", ")),
            };
            format!("section {name} + {offset:#x}{symbol}: {first} / {second}{also}")
        }
        Position::Entry {
            entry,
            place: inner,
        } => format!("entry {entry}: {}", self::position(inner)),
        Position::Byte {
            offset,
            first,
            second,
        } => format!("byte {offset:#x}: {first} / {second}"),
    }
}

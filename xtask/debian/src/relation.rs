//! Relationships between packages (Debian Policy, chapter 7).

use std::cmp::Ordering;
use std::fmt;

use crate::version;

/// A package name, perhaps with a condition on its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relation {
    /// The name, without an architecture qualifier such as `:any`.
    pub(crate) name: String,
    /// Operator and version.
    pub(crate) condition: Option<(Operator, String)>,
}

/// The operator of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `<<`
    Earlier,
    /// `<=`
    UpTo,
    /// `=`
    Exactly,
    /// `>=`
    From,
    /// `>>`
    Later,
}

/// The spellings of operators. Those of two characters come before their first one.
const OPERATORS: [(&str, Operator); 5] = [
    ("<<", Operator::Earlier),
    ("<=", Operator::UpTo),
    (">=", Operator::From),
    (">>", Operator::Later),
    ("=", Operator::Exactly),
];

impl Relation {
    /// Whether a version meets the condition.
    #[must_use]
    pub(crate) fn admits(&self, version: &str) -> bool {
        let Some((operator, bound)) = &self.condition else {
            return true;
        };
        let order = version::compare(version, bound);
        match operator {
            Operator::Earlier => order == Ordering::Less,
            Operator::UpTo => order != Ordering::Greater,
            Operator::Exactly => order == Ordering::Equal,
            Operator::From => order != Ordering::Less,
            Operator::Later => order == Ordering::Greater,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (name, condition) = match text.split_once('(') {
            Some((name, condition)) => (name, Some(condition.strip_suffix(')')?.trim())),
            None => (text, None),
        };
        let name = name.trim();
        let name = name.split_once(':').map_or(name, |(name, _)| name);
        let condition = match condition {
            None => None,
            Some(text) => Some(OPERATORS.iter().find_map(|(spelling, operator)| {
                let version = text.strip_prefix(spelling)?.trim();
                Some((*operator, version.to_owned()))
            })?),
        };
        (!name.is_empty()).then(|| Self {
            name: name.to_owned(),
            condition,
        })
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some((operator, version)) = &self.condition {
            let spelling = OPERATORS.iter().find(|(_, other)| other == operator);
            write!(f, " ({} {version})", spelling.map_or("", |(text, _)| text))?;
        }
        Ok(())
    }
}

/// A field such as `Depends`: all clauses apply, and of each clause one alternative. `None` if it
/// cannot be parsed.
#[must_use]
pub(crate) fn clauses(field: &str) -> Option<Vec<Vec<Relation>>> {
    let clauses = field
        .split(',')
        .map(str::trim)
        .filter(|one| !one.is_empty());
    let alternatives = |clause: &str| {
        clause
            .split('|')
            .map(|one| Relation::parse(one.trim()))
            .collect()
    };
    clauses.map(alternatives).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_and_alternatives_are_read() {
        let read = clauses("libc6 (>= 2.34), perl:any | debconf (=1.5) | x").unwrap();
        let shown: Vec<String> = read.iter().flatten().map(ToString::to_string).collect();
        assert_eq!(shown, ["libc6 (>= 2.34)", "perl", "debconf (= 1.5)", "x"]);
        assert_eq!(read.iter().map(Vec::len).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(clauses("a (~ 1)"), None);
        assert_eq!(clauses("a (>= 1"), None);
        assert_eq!(clauses(""), Some(Vec::new()));
    }

    #[test]
    fn each_operator_admits_its_versions() {
        let table = [
            ("<<", [true, false, false]),
            ("<=", [true, true, false]),
            ("=", [false, true, false]),
            (">=", [false, true, true]),
            (">>", [false, false, true]),
        ];
        for (operator, expected) in table {
            let relation = Relation::parse(&format!("a ({operator} 2)")).unwrap();
            assert_eq!(
                ["1", "2", "3"].map(|version| relation.admits(version)),
                expected,
                "{operator}"
            );
        }
    }
}

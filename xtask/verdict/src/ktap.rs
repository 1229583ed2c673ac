//! Parses the subtests that a test prints in KTAP, the kernel's form of TAP.
//!
//! `Documentation/dev-tools/ktap.rst` of the kernel defines the format. It starts with a version
//! line, anywhere in the output. A prefix on that line, such as a timestamp of the kernel log, is
//! also removed from the following lines. Output without a version line contains no results.
//!
//! Nested results are indented, or are in comments as kselftest prints them (`# ok 1 name`;
//! `tools/testing/selftests/kselftest/prefix.pl`), to any depth. In comments the version line is
//! optional.

use std::collections::BTreeMap;

use crate::event::Subtest;
use crate::outcome::Outcome;

mod line;

use line::{Directive, Indent, Line};

/// Maximum number of results. More are cut.
const MOST: usize = 10_000;
/// Maximum depth of nesting.
const DEEPEST: usize = 16;

/// The results of a test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    /// The innermost results in order, and the outer ones that differ from them.
    pub subtests: Vec<Subtest>,
    /// Errors of the results as a whole, such as an unmet plan.
    pub faults: Vec<String>,
}

impl Results {
    /// Why a test with these results failed, in one line.
    #[must_use]
    pub fn cause(&self) -> Option<String> {
        let failed = self.subtests.iter().filter(|sub| !sub.outcome.is_success());
        let names: Vec<&str> = failed.map(|sub| sub.name.as_str()).collect();
        let total = self.subtests.len();
        match (&names[..], self.faults.first()) {
            ([], None) => None,
            ([], Some(fault)) => Some(fault.clone()),
            ([one], _) if total == 1 => Some(format!("subtest `{one}` failed")),
            ([first, ..], _) => Some(format!(
                "{} of {total} subtests failed, first `{first}`",
                names.len()
            )),
        }
    }
}

/// Parses all output of a test.
#[must_use]
pub fn parse(printed: &[u8]) -> Results {
    let text = String::from_utf8_lossy(printed);
    let mut reader = Reader::default();
    for line in text.lines() {
        reader.take(line.trim_end_matches('\r'));
    }
    reader.close();
    reader.results
}

/// A list of results, of the whole test or of a nested one.
#[derive(Default)]
struct Level {
    /// The column at which its lines begin.
    column: usize,
    /// The announced number of results as text, because it may exceed any integer.
    planned: Option<String>,
    seen: usize,
    /// Index of this level's first result.
    begins: usize,
    /// The last diagnostic since the last result.
    diagnostic: Option<String>,
}

#[derive(Default)]
struct Reader {
    results: Results,
    levels: Vec<Level>,
    /// The number of characters before the version line on its line.
    prefix: usize,
    /// After a bail-out, results are ignored until the next version line.
    over: bool,
}

impl Reader {
    fn take(&mut self, whole: &str) {
        if let Some(prefix) = line::version(whole, self.levels.is_empty()) {
            if self.levels.is_empty() {
                self.prefix = prefix;
                self.over = false;
            }
        } else if self.levels.is_empty() || self.over {
            return;
        }
        let text: String = whole.chars().skip(self.prefix).collect();
        let (indent, text) = Indent::part(&text);
        let line = Line::parse(text);
        match line {
            Some(Line::Version) => {
                // A new list at an outer level completes the open ones.
                while (self.levels.last()).is_some_and(|level| level.column >= indent.column) {
                    self.end_level();
                }
                self.begin_level(indent.column, self.levels.len());
            }
            Some(Line::BailOut(why)) => {
                if let Some(comment) = indent.comment {
                    self.bail_out_of_part(comment, why);
                } else {
                    self.fault(format!("bailed out: {why}"));
                    self.levels.clear();
                    self.over = true;
                }
            }
            Some(ref line) if self.has_level(indent, line) => {
                let is_its = |level: &Level| level.column == indent.column;
                if let Some(depth) = self.levels.iter().position(is_its) {
                    self.result(depth, line);
                }
            }
            _ if indent.comment.is_some() => self.add_diagnostic(indent.comment, text),
            _ => {}
        }
    }

    /// Whether the list of a line is open. A nested list in comments needs no version line, but its
    /// results are numbered, because other comments may begin with `ok`.
    fn has_level(&mut self, indent: Indent, line: &Line<'_>) -> bool {
        if self
            .levels
            .iter()
            .any(|level| level.column == indent.column)
        {
            return true;
        }
        let is_result = match line {
            Line::Plan(_) => true,
            Line::Result { numbered, .. } => *numbered,
            Line::Version | Line::Diagnostic(_) | Line::BailOut(_) => false,
        };
        let is_part = |level: &Level| Some(level.column) == indent.comment;
        let opens = is_result && self.levels.iter().any(is_part);
        if opens {
            // More indented lists are nested inside it.
            let inner = |level: &Level| level.column > indent.column;
            let at = self.levels.iter().position(inner);
            self.begin_level(indent.column, at.unwrap_or(self.levels.len()));
        }
        opens
    }

    /// Records a comment of the list whose lines begin at the `#`, or of the enclosing one.
    fn add_diagnostic(&mut self, column: Option<usize>, text: &str) {
        let mut levels = self.levels.iter_mut().rev();
        if let Some(level) = levels.find(|level| Some(level.column) <= column) {
            level.diagnostic = Some(text.trim().to_owned());
        }
    }

    /// A nested list that bails out has no more results. The result of the outer test follows.
    fn bail_out_of_part(&mut self, comment: usize, why: &str) {
        for level in &mut self.levels {
            if level.column > comment {
                level.planned = None;
            }
        }
        self.add_diagnostic(Some(comment), &format!("bailed out: {why}"));
    }

    fn begin_level(&mut self, column: usize, at: usize) {
        if self.levels.len() >= DEEPEST {
            return;
        }
        let inner = self.levels.get(at).map(|level| level.begins);
        let level = Level {
            column,
            begins: inner.unwrap_or(self.results.subtests.len()),
            ..Level::default()
        };
        self.levels.insert(at, level);
    }

    fn result(&mut self, depth: usize, line: &Line<'_>) {
        match *line {
            Line::Plan(count) => {
                if let Some(level) = self.levels.get_mut(depth) {
                    level.planned = Some(count.to_owned());
                }
            }
            Line::Diagnostic(text) => {
                if let Some(level) = self.levels.get_mut(depth) {
                    level.diagnostic = Some(text.to_owned());
                }
            }
            Line::Result {
                good,
                name,
                directive,
                ..
            } => {
                let mut inner = None;
                while self.levels.len() > depth + 1 {
                    inner = self.end_level();
                }
                let Some(level) = self.levels.get_mut(depth) else {
                    return;
                };
                level.seen += 1;
                let name = match name {
                    "" => format!("{}", level.seen),
                    name => crate::text::short_line(name.as_bytes()),
                };
                let diagnostic = level.diagnostic.take();
                let outcome = outcome(good, directive, diagnostic);
                self.add(inner, name, outcome);
            }
            Line::Version | Line::BailOut(_) => {}
        }
    }

    /// Adds a result. `inner` is the index of its first nested result.
    fn add(&mut self, inner: Option<usize>, name: String, outcome: Outcome) {
        let begins = inner.unwrap_or(self.results.subtests.len());
        let mut failed = false;
        for sub in &mut self.results.subtests[begins..] {
            failed |= !sub.outcome.is_success();
            sub.name = format!("{name}::{}", sub.name);
        }
        let empty = begins == self.results.subtests.len();
        if self.results.subtests.len() >= MOST {
            if self.results.subtests.len() == MOST {
                self.fault(format!("more than {MOST} subtests"));
            }
        } else if empty || failed == outcome.is_success() {
            self.results.subtests.push(Subtest { name, outcome });
        }
    }

    /// Closes the innermost list and returns the index of its first result.
    fn end_level(&mut self) -> Option<usize> {
        let level = self.levels.pop()?;
        let is_kept = |planned: &str| planned.parse() == Ok(level.seen);
        if let Some(planned) = level.planned.filter(|planned| !is_kept(planned)) {
            let planned = crate::text::short_line(planned.as_bytes());
            self.fault(format!(
                "{planned} subtests were planned, {} reported",
                level.seen
            ));
        }
        Some(level.begins)
    }

    fn close(&mut self) {
        while self.end_level().is_some() {}
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for sub in &mut self.results.subtests {
            let count = seen.entry(sub.name.clone()).or_default();
            *count += 1;
            // Reports and comparisons identify a result by its name.
            if *count > 1 {
                sub.name = format!("{} ({count})", sub.name);
            }
        }
    }

    fn fault(&mut self, fault: String) {
        if !self.results.faults.contains(&fault) && self.results.faults.len() < DEEPEST {
            self.results.faults.push(fault);
        }
    }
}

/// The outcome of a result line. An expected failure is not a failure.
fn outcome(good: bool, directive: Directive<'_>, diagnostic: Option<String>) -> Outcome {
    let line = |text: &str| crate::text::short_line(text.as_bytes());
    let failed = |cause: String| Outcome::Failed { cause };
    match (good, directive) {
        (_, Directive::Skip(reason)) => Outcome::Skipped {
            reason: line(reason),
        },
        (true, _) => Outcome::Passed,
        (false, Directive::Expected(reason)) => Outcome::Skipped {
            reason: format!("known to fail: {}", line(reason)),
        },
        (false, Directive::Other(word, text)) => failed(line(format!("{word} {text}").trim())),
        (false, Directive::None) => {
            failed(diagnostic.map_or("not ok".to_owned(), |text| line(&text)))
        }
    }
}

#[cfg(test)]
#[path = "ktap_tests.rs"]
mod tests;

//! Results that a test prints in KTAP, the kernel's form of TAP, as subtests.
//!
//! The form is `Documentation/dev-tools/ktap.rst` of the kernel. A version line begins it, wherever in
//! the output it stands; what stands before that on its line, such as a time of the kernel's log, is
//! cut from the following lines too. Output without a version line holds no results, whatever it
//! looks like.
//!
//! A part's own results are indented, or are in comments as kselftest prints them (`# ok 1 name`;
//! `tools/testing/selftests/kselftest/prefix.pl`), to any depth. In comments a part may leave out its
//! version line.

use std::collections::BTreeMap;

use crate::event::Subtest;
use crate::outcome::Outcome;

mod line;

use line::{Directive, Indent, Line};

/// More than this is a flood.
const MOST: usize = 10_000;
/// Deeper than any test nests.
const DEEPEST: usize = 16;

/// What a test said about its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    /// The innermost results in their order, and the outer ones that say something else.
    pub subtests: Vec<Subtest>,
    /// What is wrong with them as a whole, such as a plan that was not kept.
    pub faults: Vec<String>,
}

impl Results {
    /// Why a test with these results has failed, in one line.
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

/// Reads all that was printed.
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

/// A list of results, of the whole test or of one of its parts.
#[derive(Default)]
struct Level {
    /// Where its lines begin.
    column: usize,
    /// How many results are announced, as it was printed: the number may exceed any integer.
    planned: Option<String>,
    seen: usize,
    /// Where in the results this level's begin.
    begins: usize,
    /// The last diagnostic since the last result.
    said: Option<String>,
}

#[derive(Default)]
struct Reader {
    results: Results,
    levels: Vec<Level>,
    /// Characters before the version line on its line.
    prefix: usize,
    /// After a bail-out nothing counts until another version line.
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
                // Another list where one is open: what was open is complete.
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
            _ if indent.comment.is_some() => self.say(indent.comment, text),
            _ => {}
        }
    }

    /// Whether the list of a line is open. A part in comments needs no version line, but its results are
    /// numbered: other comments may begin with `ok`.
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
            Line::Version | Line::Said(_) | Line::BailOut(_) => false,
        };
        let is_part = |level: &Level| Some(level.column) == indent.comment;
        let opens = is_result && self.levels.iter().any(is_part);
        if opens {
            // Lists that are indented more are inside of it.
            let inner = |level: &Level| level.column > indent.column;
            let at = self.levels.iter().position(inner);
            self.begin_level(indent.column, at.unwrap_or(self.levels.len()));
        }
        opens
    }

    /// A comment of the list whose lines begin where the `#` is, or of the one around it.
    fn say(&mut self, column: Option<usize>, text: &str) {
        let mut levels = self.levels.iter_mut().rev();
        if let Some(level) = levels.find(|level| Some(level.column) <= column) {
            level.said = Some(text.trim().to_owned());
        }
    }

    /// A part that gives up reports nothing more; the result of the whole part follows.
    fn bail_out_of_part(&mut self, comment: usize, why: &str) {
        for level in &mut self.levels {
            if level.column > comment {
                level.planned = None;
            }
        }
        self.say(Some(comment), &format!("bailed out: {why}"));
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
            Line::Said(text) => {
                if let Some(level) = self.levels.get_mut(depth) {
                    level.said = Some(text.to_owned());
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
                let said = level.said.take();
                let outcome = outcome(good, directive, said);
                self.add(inner, name, outcome);
            }
            Line::Version | Line::BailOut(_) => {}
        }
    }

    /// Adds a result; `inner` is where the results inside of it begin.
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

    /// Closes the innermost list, and gives where its results begin.
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
            // Reports and comparisons know a result by its name.
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

/// What a result line comes to. A failure that was expected is not a failure.
fn outcome(good: bool, directive: Directive<'_>, said: Option<String>) -> Outcome {
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
        (false, Directive::None) => failed(said.map_or("not ok".to_owned(), |text| line(&text))),
    }
}

#[cfg(test)]
#[path = "ktap_tests.rs"]
mod tests;

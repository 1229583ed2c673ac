//! Writes mutants into the text of a C file: each edited function gets an additional body per
//! mutant, and `switch.c` selects the one that runs. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::function;
use crate::set::Mutant;
use crate::token::{Token, tokens};

/// The code that selects a mutant, inserted after the first include of a file.
const SWITCH: &str = include_str!("switch.c");
/// Every C file of QEMU includes this file first. It declares what the switch uses.
const FIRST_INCLUDE: &str = "qemu/osdep.h";
/// The file name that the compiler reports for the code of a mutant.
pub const MARK: &str = "mutant:";

/// Why an edit cannot be made in this version of QEMU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The file is missing.
    #[error("`{0}` does not exist")]
    File(String),
    /// The switch needs the declarations of this include.
    #[error("the file does not include `{FIRST_INCLUDE}`")]
    Include,
    /// The function is missing.
    #[error("the file does not define `{0}`")]
    Function(String),
    /// The tokens are missing.
    #[error("`{function}` does not contain `{find}`")]
    Missing {
        /// The function.
        function: String,
        /// The tokens.
        find: String,
    },
    /// The tokens are not unique.
    #[error("`{function}` contains `{find}` {count} times, expected once")]
    Ambiguous {
        /// The function.
        function: String,
        /// The tokens.
        find: String,
        /// How often.
        count: usize,
    },
}

/// The result of editing a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The text, unchanged if no mutant applies.
    pub text: String,
    /// The mutants that do not apply, by name.
    pub misfits: BTreeMap<String, Misfit>,
}

/// Writes the mutants of the file at `path` into its text.
#[must_use]
pub fn edit(path: &str, text: &str, mutants: &[&Mutant]) -> Edited {
    let all = tokens(text);
    let mut misfits = BTreeMap::new();
    let Some(include) = first_include(&all) else {
        let all = mutants.iter();
        let misfits = all.map(|mutant| (mutant.name.clone(), Misfit::Include));
        return Edited {
            text: text.to_owned(),
            misfits: misfits.collect(),
        };
    };
    let mut names = Vec::new();
    let mut bodies: BTreeMap<usize, Body> = BTreeMap::new();
    for mutant in mutants {
        match Edit::find(&all, mutant) {
            Ok(found) => {
                names.push(format!("\"{}\"", mutant.name));
                let number = names.len();
                let body = found.mutated(text, mutant);
                let entry = bodies.entry(found.body.start);
                let own = entry.or_insert_with(|| Body::at(found.body));
                let branch = format!("if (kiln_mutant == {number}) {body} else ");
                own.chain += &branch;
                own.marks.push((found.statement, number));
            }
            Err(misfit) => {
                misfits.insert(mutant.name.clone(), misfit);
            }
        }
    }
    if names.is_empty() {
        let text = text.to_owned();
        return Edited { text, misfits };
    }
    let mut edited = text[..include].to_owned();
    edited.push_str(&SWITCH.replace("@NAMES@", &names.join(", ")));
    edited.push_str(&line(text, include, path));
    let mut from = include;
    for body in bodies.into_values() {
        let Body { range, chain, .. } = &body;
        edited.push_str(&text[from..range.start]);
        let number = line(text, range.start, path);
        edited.extend(["{ ", chain, "\n", &number, &body.marked(text), " }"]);
        from = range.end;
    }
    edited.push_str(&text[from..]);
    Edited {
        text: edited,
        misfits,
    }
}

/// The offset after the line of the first include, if it is the expected one.
fn first_include(all: &[Token<'_>]) -> Option<usize> {
    let mut includes = all.iter();
    let first = includes.find(|token| token.directive() == Some("include"))?;
    first.text.contains(FIRST_INCLUDE).then(|| first.end())
}

/// A `#line` directive for the text from `at`. The caller's newline drops the text before it on its
/// line.
fn line(text: &str, at: usize, path: &str) -> String {
    let number = text[..at].matches('\n').count() + 1;
    format!("#line {number} \"{path}\"\n")
}

/// The body of an edited function.
struct Body {
    range: Range<usize>,
    /// The bodies of its mutants, each with its condition.
    chain: String,
    /// Where the statements of its mutants begin, with their numbers.
    marks: Vec<(usize, usize)>,
}

impl Body {
    fn at(range: Range<usize>) -> Self {
        Self {
            range,
            chain: String::new(),
            marks: Vec::new(),
        }
    }

    /// The original, which notes whose statements it reaches.
    fn marked(&self, text: &str) -> String {
        let mut marks = self.marks.clone();
        marks.sort_unstable();
        let (mut marked, mut from) = (String::new(), self.range.start);
        for (at, number) in marks {
            marked += &text[from..at];
            let mark = format!("kiln_mutant_reached({number}); ");
            marked += &mark;
            from = at;
        }
        marked + &text[from..self.range.end]
    }
}

/// Where an edit is, in bytes of the text.
struct Edit {
    /// The body of the function.
    body: Range<usize>,
    /// The begin of the statement with the edit.
    statement: usize,
    /// The tokens that are replaced.
    tokens: Range<usize>,
    /// The labels of the function.
    labels: Vec<String>,
}

impl Edit {
    fn find(all: &[Token<'_>], mutant: &Mutant) -> Result<Self, Misfit> {
        let function = &mutant.function;
        let range = function::body(all, function).ok_or(Misfit::Function(function.clone()))?;
        let body = &all[range];
        let find: Vec<&str> = tokens(&mutant.find)
            .iter()
            .map(|token| token.text)
            .collect();
        let fits = |window: &&[Token<'_>]| {
            window
                .iter()
                .map(|token| token.text)
                .eq(find.iter().copied())
        };
        let places: Vec<usize> = body
            .windows(find.len())
            .enumerate()
            .filter(|(_, window)| fits(window))
            .map(|(at, _)| at)
            .collect();
        let [at] = places[..] else {
            let (function, find) = (function.clone(), mutant.find.clone());
            return Err(match places.len() {
                0 => Misfit::Missing { function, find },
                count => Misfit::Ambiguous {
                    function,
                    find,
                    count,
                },
            });
        };
        let labels = function::labels(body);
        Ok(Self {
            body: body[0].start..body[body.len() - 1].end(),
            statement: body[function::statement(body, at)].start,
            tokens: body[at].start..body[at + find.len() - 1].end(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        })
    }

    /// The body with the edit.
    fn mutated(&self, text: &str, mutant: &Mutant) -> String {
        let labels = self.labels.iter();
        let labels: Vec<String> = labels.map(|label| format!("__label__ {label}; ")).collect();
        let labels = labels.concat();
        format!(
            "{{ {labels}\n#line 1 \"{MARK}{}\"\n{}{}{}",
            mutant.name,
            &text[self.body.start + 1..self.tokens.start],
            mutant.replace,
            &text[self.tokens.end..self.body.end],
        )
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::set::tests::mutant;

    const FILE: &str = r#"#include "qemu/osdep.h"
#include "hw/disk.h"

static int flush(Disk *disk)
{
    int status = 0;

    if (disk->is_read_only) {
        goto out;
    }
    status = sync_disk(disk, 0);
out:
    return status;
}
"#;

    fn of(find: &str, replace: &str) -> Mutant {
        Mutant {
            find: find.to_owned(),
            replace: replace.to_owned(),
            ..mutant("one")
        }
    }

    #[test]
    fn each_mutant_is_another_body() {
        let other = Mutant {
            name: "two".to_owned(),
            ..of("return status", "return 0")
        };
        let edited = edit("hw/disk.c", FILE, &[&of("sync_disk(disk, 0)", "0"), &other]);
        assert!(edited.misfits.is_empty());
        let (_, functions) = edited.text.split_once("#line 1 \"hw/disk.c\"\n").unwrap();
        assert_snapshot!(functions);
    }

    #[test]
    fn edit_that_does_not_fit_says_why() {
        let check = |mutant: &Mutant, text: &str, expect: &str| {
            let edited = edit("hw/disk.c", text, &[mutant]);
            assert_eq!(edited.text, text);
            assert_eq!(edited.misfits["one"].to_string(), expect);
        };
        check(
            &of("sync()", "0"),
            FILE,
            "`flush` does not contain `sync()`",
        );
        check(
            &of("status", "0"),
            FILE,
            "`flush` contains `status` 3 times, expected once",
        );
        check(
            &of("status", "0"),
            "int flush(void) { return status; }",
            "the file does not include `qemu/osdep.h`",
        );
        let other = Mutant {
            function: "sync".to_owned(),
            ..of("status", "0")
        };
        check(&other, FILE, "the file does not define `sync`");
    }
}

//! Marks the statements of a test script, so that an early end can be reported with its line.
//!
//! A shell does not pass the line of the failed command to an `EXIT` trap. Therefore `case` gives
//! both shells a copy of the script in which a call of `_at LINE [WORD]…` (in `guest-tests/lib`)
//! precedes each statement, on the same line. `_at` keeps the exit status, so the copy behaves and
//! prints like the script. Each `test` is run by `_with LINE test …`, which records the values that
//! it compares. Constructs that this parser does not know are left unmarked.

use std::fmt::Write as _;
use std::ops::Range;

mod reader;
#[cfg(test)]
mod tests;

use reader::{Reader, Token};

/// The result of parsing a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statements {
    /// The script with marks, or unchanged if it could not be parsed.
    pub marked: String,
    /// The first words of statements that run in the background.
    pub in_background: Vec<String>,
    /// Commands that only other shells have.
    pub foreign: Vec<Range<usize>>,
}

/// Words of the bash language that a POSIX shell takes for commands.
const FOREIGN: [&str; 6] = ["[[", "function", "source", "declare", "shopt", "let"];
/// Commands whose words do not help to understand a failure.
const SILENT: [&str; 4] = ["echo", "printf", ":", "true"];

/// Commands that compare values.
const CHECKS: [&str; 2] = ["test", "["];

/// Parses a script.
#[must_use]
pub fn read(script: &str) -> Statements {
    let mut walk = Marker {
        reader: Reader::new(script),
        marks: Vec::new(),
        in_background: Vec::new(),
        foreign: Vec::new(),
        frames: Vec::new(),
        first: None,
    };
    let is_read = walk.read().is_some();
    // A trace would show the marks.
    let is_traced = ["set -x", "set -ex", "set -eux", "sh -x"];
    let is_markable = is_read && !is_traced.iter().any(|trace| script.contains(trace));
    let marked = if is_markable {
        inserted(script, &walk.marks)
    } else {
        script.to_owned()
    };
    Statements {
        marked,
        in_background: walk.in_background,
        foreign: walk.foreign,
    }
}

fn inserted(script: &str, marks: &[Mark]) -> String {
    let mut text = String::with_capacity(script.len() * 2);
    let (mut done, mut line) = (0, 1);
    for mark in marks {
        let before = &script[done..mark.at];
        line += before.matches('\n').count();
        done = mark.at;
        text.push_str(before);
        let words = &script[mark.words.clone()];
        // An unset variable ends the script while the words are expanded, so the line is recorded
        // first.
        if mark.is_statement && (words.is_empty() || words.contains('$')) {
            let _ = write!(text, "_at {line} && :; ");
        }
        if mark.is_check {
            let _ = write!(text, "_with {line} ");
        } else if !words.is_empty() {
            let _ = write!(text, "_at {line} {words} && :; ");
        }
    }
    text.push_str(&script[done..]);
    text
}

/// The position of a mark, with the words of its statement.
struct Mark {
    at: usize,
    words: Range<usize>,
    is_statement: bool,
    /// Whether a `test` begins here.
    is_check: bool,
}

/// The construct that a `)` or `;;` belongs to.
enum Frame {
    Subshell,
    Case { in_pattern: bool },
}

struct Marker<'a> {
    reader: Reader<'a>,
    marks: Vec<Mark>,
    in_background: Vec<String>,
    foreign: Vec<Range<usize>>,
    frames: Vec<Frame>,
    /// The first word of the current statement.
    first: Option<String>,
}

/// Whether a command, and a mark before it, may follow.
#[derive(Clone, Copy, PartialEq)]
enum Expect {
    /// A new statement.
    Statement,
    /// A command as part of a statement.
    Command,
    /// The words of a command.
    Words,
}

impl Marker<'_> {
    /// `None` if the script is not understood.
    fn read(&mut self) -> Option<()> {
        let mut expect = Expect::Statement;
        loop {
            let token = self.reader.token()?;
            expect = match token {
                Token::End => return self.frames.is_empty().then_some(()),
                // A line that ends in an operator continues.
                Token::Newline if expect == Expect::Command => Expect::Command,
                Token::Newline => Expect::Statement,
                Token::Word(_) if expect == Expect::Words => Expect::Words,
                Token::Word(word) => self.command(word, expect)?,
                Token::Operator(operator) => self.operator(operator, expect)?,
            };
            if expect == Expect::Statement
                && matches!(self.frames.last(), Some(Frame::Case { in_pattern: true }))
            {
                expect = self.pattern()?;
            }
        }
    }

    fn operator(&mut self, operator: &str, expect: Expect) -> Option<Expect> {
        match operator {
            "&&" | "||" | "|" => Some(Expect::Command),
            "&" => {
                self.in_background.extend(self.first.take());
                Some(Expect::Statement)
            }
            ";" => Some(Expect::Statement),
            ";;" => {
                let Some(Frame::Case { in_pattern }) = self.frames.last_mut() else {
                    return None;
                };
                *in_pattern = true;
                Some(Expect::Statement)
            }
            "(" if expect != Expect::Words => {
                if expect == Expect::Statement {
                    self.mark(self.reader.start);
                }
                self.frames.push(Frame::Subshell);
                Some(Expect::Statement)
            }
            ")" => matches!(self.frames.pop(), Some(Frame::Subshell)).then_some(Expect::Words),
            "(" => None,
            // A redirection and its file.
            _ => match self.reader.token()? {
                Token::Word(_) if expect == Expect::Statement => {
                    // The command may follow, unmarked.
                    Some(Expect::Command)
                }
                Token::Word(_) => Some(expect),
                _ => None,
            },
        }
    }

    /// Parses the pattern of a `case`, or its end.
    fn pattern(&mut self) -> Option<Expect> {
        loop {
            match self.reader.token()? {
                Token::Word(word) if self.reader.text(&word) == "esac" => {
                    self.frames.pop();
                    return Some(Expect::Words);
                }
                Token::Word(_) | Token::Newline | Token::Operator("(" | "|") => {}
                Token::Operator(")") => {
                    if let Some(Frame::Case { in_pattern }) = self.frames.last_mut() {
                        *in_pattern = false;
                    }
                    return Some(Expect::Statement);
                }
                Token::Operator(_) | Token::End => return None,
            }
        }
    }

    /// Parses the first word of a command.
    fn command(&mut self, word: Range<usize>, expect: Expect) -> Option<Expect> {
        let is_statement = expect == Expect::Statement;
        let text = self.reader.text(&word).to_owned();
        match text.as_str() {
            "then" | "do" | "else" | "{" => return Some(Expect::Statement),
            "elif" => return Some(Expect::Command),
            "if" | "while" | "until" | "!" => {
                if is_statement {
                    self.mark(word.start);
                }
                return Some(Expect::Command);
            }
            "done" | "fi" | "}" => return Some(Expect::Words),
            "esac" => {
                return matches!(self.frames.pop(), Some(Frame::Case { .. }))
                    .then_some(Expect::Words);
            }
            "case" => {
                if is_statement {
                    self.mark(word.start);
                }
                self.case()?;
                return Some(Expect::Statement);
            }
            _ => {}
        }
        if FOREIGN.contains(&text.as_str()) {
            self.foreign.push(word.clone());
        }
        if self.reader.take_parentheses() {
            // A function's body is not a separate statement, and a mark before it would become its
            // body.
            return Some(self.body());
        }
        let is_check = CHECKS.contains(&text.as_str());
        if is_statement {
            self.first = Some(text.clone());
        }
        if is_statement || is_check {
            let words = if is_check {
                0..0
            } else {
                self.words(&word, &text)
            };
            self.marks.push(Mark {
                at: word.start,
                words,
                is_statement,
                is_check,
            });
        }
        Some(Expect::Words)
    }

    /// Skips the newline between the parentheses of a function's name and its `{`.
    fn body(&mut self) -> Expect {
        self.reader.skip_newlines();
        Expect::Command
    }

    /// Parses from the word of a `case` to its `in`.
    fn case(&mut self) -> Option<()> {
        let Token::Word(_) = self.reader.token()? else {
            return None;
        };
        self.reader.skip_newlines();
        match self.reader.token()? {
            Token::Word(word) if self.reader.text(&word) == "in" => {}
            _ => return None,
        }
        self.frames.push(Frame::Case { in_pattern: true });
        Some(())
    }

    /// The words of a simple command, if a second expansion has no effect.
    fn words(&mut self, first: &Range<usize>, name: &str) -> Range<usize> {
        let none = 0..0;
        let is_assignment = name.split_once('=').is_some_and(|(variable, _)| {
            variable
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        if is_assignment || name == "for" || SILENT.contains(&name) {
            return none;
        }
        let kept = self.reader.clone();
        let mut end = first.end;
        let is_simple = loop {
            match self.reader.token() {
                Some(Token::Word(word)) => end = word.end,
                Some(Token::Newline | Token::End | Token::Operator(";" | ";;")) => break true,
                Some(Token::Operator(_)) | None => break false,
            }
        };
        self.reader = kept;
        let text = self.reader.text(&(first.start..end));
        if is_simple && is_pure(text) {
            first.start..end
        } else {
            none
        }
    }

    /// Marks a statement whose words are not recorded.
    fn mark(&mut self, at: usize) {
        self.marks.push(Mark {
            at,
            words: 0..0,
            is_statement: true,
            is_check: false,
        });
    }
}

/// Whether words can be expanded a second time: no command runs, nothing is assigned, no line ends.
fn is_pure(words: &str) -> bool {
    let parameters = words.split("${").skip(1);
    let mut parameters = parameters.map(|rest| rest.split('}').next().unwrap_or(rest));
    !words.contains(['`', '\n'])
        && !words.contains("$(")
        && !parameters.any(|inside| inside.contains(['=', '?']))
}

//! Splits a shell script into words, operators and newlines (POSIX.1-2024, Shell Command Language
//! 2.3).

use std::ops::Range;

/// A token of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A word with its quotes.
    Word(Range<usize>),
    /// A control or redirection operator.
    Operator(&'a str),
    Newline,
    End,
}

/// Operators, the longest first.
const OPERATORS: [&str; 17] = [
    "<<-", "&&", "||", ";;", ">>", "<<", "<&", ">&", "<>", ">|", ";", "&", "|", "(", ")", "<", ">",
];

/// A position in a script.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    script: &'a str,
    at: usize,
    /// The start of the last token.
    pub(super) start: usize,
    /// Whether the last token is `<<` or `<<-`.
    expects_delimiter: Option<bool>,
    /// Delimiters of here-documents whose text follows the line, and whether leading tabs are
    /// ignored.
    documents: Vec<(String, bool)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(script: &'a str) -> Self {
        Self {
            script,
            at: 0,
            start: 0,
            expects_delimiter: None,
            documents: Vec::new(),
        }
    }

    pub(super) fn text(&self, word: &Range<usize>) -> &'a str {
        &self.script[word.clone()]
    }

    fn rest(&self) -> &'a str {
        &self.script[self.at..]
    }

    /// The next token. `None` for an unclosed quote or an unknown construct.
    pub(super) fn token(&mut self) -> Option<Token<'a>> {
        self.skip_blanks();
        self.start = self.at;
        let Some(first) = self.rest().chars().next() else {
            return self.documents.is_empty().then_some(Token::End);
        };
        if first == '\n' {
            self.at += 1;
            self.skip_documents()?;
            return Some(Token::Newline);
        }
        if let Some(operator) = OPERATORS
            .iter()
            .find(|text| self.rest().starts_with(**text))
        {
            self.at += operator.len();
            let tabs = match *operator {
                "<<" => Some(false),
                "<<-" => Some(true),
                _ => None,
            };
            self.expects_delimiter = tabs;
            return Some(Token::Operator(operator));
        }
        let word = self.word()?;
        if let Some(tabs) = self.expects_delimiter.take() {
            let delimiter = self.text(&word).replace(['\'', '"', '\\'], "");
            self.documents.push((delimiter, tabs));
        }
        Some(Token::Word(word))
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            if rest.starts_with([' ', '\t']) {
                self.at += 1;
            } else if rest.starts_with("\\\n") {
                self.at += 2;
            } else if rest.starts_with('#') {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else {
                return;
            }
        }
    }

    /// Skips newlines and the comments before them.
    pub(super) fn skip_newlines(&mut self) {
        loop {
            self.skip_blanks();
            if !self.documents.is_empty() || !self.rest().starts_with('\n') {
                return;
            }
            self.at += 1;
        }
    }

    /// Skips `()`.
    pub(super) fn take_parentheses(&mut self) -> bool {
        let mut ahead = self.clone();
        let open = ahead.token() == Some(Token::Operator("("));
        let is_there = open && ahead.token() == Some(Token::Operator(")"));
        if is_there {
            *self = ahead;
        }
        is_there
    }

    fn skip_documents(&mut self) -> Option<()> {
        for (delimiter, tabs) in std::mem::take(&mut self.documents) {
            loop {
                let rest = self.rest();
                if rest.is_empty() {
                    return None;
                }
                let line = rest.split('\n').next().unwrap_or(rest);
                self.at += (line.len() + 1).min(rest.len());
                let line = if tabs {
                    line.trim_start_matches('\t')
                } else {
                    line
                };
                if line == delimiter {
                    break;
                }
            }
        }
        Some(())
    }

    fn word(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        while let Some(next) = self.rest().chars().next() {
            if " \t\n|&;()<>".contains(next) {
                break;
            }
            self.piece(next)?;
        }
        Some(start..self.at)
    }

    /// Consumes a character of a word, or the quoted text or expansion that it starts.
    fn piece(&mut self, next: char) -> Option<()> {
        let rest = self.rest();
        self.at += match next {
            '\\' => 1 + rest[1..].chars().next()?.len_utf8(),
            '\'' => 2 + rest[1..].find('\'')?,
            '"' => return self.double_quotes(),
            '`' => return self.backquotes(),
            '$' if rest.starts_with("$((") => return self.balanced(3, "))"),
            '$' if rest.starts_with("$(") => return self.substitution(),
            '$' if rest.starts_with("${") => return self.balanced(2, "}"),
            other => other.len_utf8(),
        };
        Some(())
    }

    fn double_quotes(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.rest().chars().next()? {
                '"' => {
                    self.at += 1;
                    return Some(());
                }
                '\'' => self.at += 1,
                other => self.piece(other)?,
            }
        }
    }

    fn backquotes(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.rest().chars().next()? {
                '`' => {
                    self.at += 1;
                    return Some(());
                }
                '\\' => self.at += 1 + self.rest()[1..].chars().next()?.len_utf8(),
                other => self.at += other.len_utf8(),
            }
        }
    }

    /// Skips `${…}` or `$((…))`.
    fn balanced(&mut self, open: usize, close: &str) -> Option<()> {
        self.at += open;
        let mut depth = 0_usize;
        loop {
            if depth == 0 && self.rest().starts_with(close) {
                self.at += close.len();
                return Some(());
            }
            match self.rest().chars().next()? {
                '(' if close == "))" => {
                    depth += 1;
                    self.at += 1;
                }
                ')' if close == "))" => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                '\'' if close == "}" => self.at += 1,
                other => self.piece(other)?,
            }
        }
    }

    /// Skips `$(…)`: only the end of its commands is searched for. A `case` in it could contain an
    /// unmatched `)`.
    fn substitution(&mut self) -> Option<()> {
        let mut inside = self.clone();
        inside.at += 2;
        let mut depth = 0_usize;
        loop {
            match inside.token()? {
                Token::Operator("(") => depth += 1,
                Token::Operator(")") if depth == 0 => break,
                Token::Operator(")") => depth -= 1,
                Token::Word(word) if inside.text(&word) == "case" => return None,
                Token::End => return None,
                Token::Word(_) | Token::Operator(_) | Token::Newline => {}
            }
        }
        // A here-document that begins inside and ends outside is not understood.
        if !inside.documents.is_empty() {
            return None;
        }
        self.at = inside.at;
        Some(())
    }
}

//! Finds the `choose NAME WORD…` lines of a script without running it, to count combinations in
//! advance. Used for exhaustive runs only. An ordinary run handles each `choose` when it is called.

use std::ops::Range;

/// A `choose` in a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The name of the choice, such as `nic`.
    pub name: String,
    /// The values, empty if the header has them.
    pub words: Vec<String>,
    /// From `choose` to its last word.
    pub span: Range<usize>,
}

/// A `choose` whose name or values only the shell can compute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unclear {
    /// The computed word.
    pub span: Range<usize>,
}

/// The syntax of `choose` in a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `choose NAME WORD…`.
    Kiln,
    /// `choose WORD…`, and `named_choose NAME WORD…`.
    QemuTest,
}

/// Finds every `choose` and `named_choose` in a command position.
///
/// Unnamed choices of qemu-test are named `choice1`, `choice2`, … in the order of the script. The
/// same values again are the same choice.
#[must_use]
pub fn scan(text: &str, dialect: Dialect) -> Vec<Result<Found, Unclear>> {
    let mut unnamed: Vec<Vec<String>> = Vec::new();
    let calls = text.match_indices(WORD).filter_map(|(at, _)| {
        let named = text[..at].ends_with(PREFIX);
        let start = if named { at - PREFIX.len() } else { at };
        let end = at + WORD.len();
        let called = text[end..].starts_with([' ', '\t', '\\']) && is_command(text, start);
        let found = called.then(|| read(text, start, end))??;
        Some((named || dialect == Dialect::Kiln, found))
    });
    calls
        .map(|(named, found)| {
            let mut found = found?;
            if !named {
                found.words.insert(0, found.name);
                found.name = name(&mut unnamed, &found.words);
            }
            Ok(found)
        })
        .collect()
}

/// The name of an unnamed choice between these values, possibly a new one.
pub fn name(unnamed: &mut Vec<Vec<String>>, words: &[String]) -> String {
    let known = unnamed.iter().position(|known| known == words);
    let index = known.unwrap_or_else(|| {
        unnamed.push(words.to_vec());
        unnamed.len() - 1
    });
    format!("choice{}", index + 1)
}

/// The values of each unnamed choice, in the order of their names.
#[must_use]
pub fn unnamed(text: &str) -> Vec<Vec<String>> {
    let mut unnamed = Vec::new();
    for found in scan(text, Dialect::QemuTest).into_iter().flatten() {
        if !text[found.span].starts_with(PREFIX) {
            name(&mut unnamed, &found.words);
        }
    }
    unnamed
}

const WORD: &str = "choose";
/// The prefix of qemu-test's named form.
const PREFIX: &str = "named_";

/// Words of the shell that precede a command.
const BEFORE: [&str; 8] = ["then", "do", "else", "elif", "if", "while", "until", "!"];

fn is_command(text: &str, start: usize) -> bool {
    let line = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let before = &text[line..start];
    if before.trim_start().starts_with('#') || before.contains(" #") {
        return false;
    }
    let trimmed = before.trim_end();
    if trimmed.is_empty() || trimmed.ends_with(['(', '`', ';', '&', '|', '{']) {
        return true;
    }
    trimmed.len() < before.len()
        && trimmed
            .split_whitespace()
            .next_back()
            .is_some_and(|word| BEFORE.contains(&word))
}

/// Reads the words from `at`. `None` for a `choose` without a name, which fails when it is run.
fn read(text: &str, start: usize, at: usize) -> Option<Result<Found, Unclear>> {
    let mut reader = Reader { text, at };
    let mut words = Vec::new();
    let mut end = at;
    while let Some(word) = reader.word() {
        match word {
            Ok(word) => words.push(word),
            Err(unclear) => return Some(Err(unclear)),
        }
        end = reader.at;
    }
    let mut words = words.into_iter();
    let name = words.next()?;
    Some(Ok(Found {
        name,
        words: words.collect(),
        span: start..end,
    }))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// The next word of the command, or `None` at its end.
    fn word(&mut self) -> Option<Result<String, Unclear>> {
        loop {
            let rest = &self.text[self.at..];
            match rest.strip_prefix("\\\n") {
                Some(_) => self.at += 2,
                None if rest.starts_with([' ', '\t']) => self.at += 1,
                None => break,
            }
        }
        let start = self.at;
        let mut word = String::new();
        let mut clear = true;
        while let Some(next) = self.peek() {
            if next.is_whitespace() || ");`|&<>".contains(next) || (next == '#' && self.at == start)
            {
                break;
            }
            self.take();
            match next {
                '\\' => word.extend(self.take()),
                '\'' | '"' => {
                    while let Some(inner) = self.take().filter(|inner| *inner != next) {
                        clear &= next == '\'' || !"$`\\".contains(inner);
                        word.push(inner);
                    }
                }
                '$' | '*' | '?' | '[' => clear = false,
                other => word.push(other),
            }
        }
        let span = start..self.at;
        let redirected = self.peek().is_some_and(|next| "<>".contains(next));
        let number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        if span.is_empty() || (redirected && number) {
            return None;
        }
        Some(if clear {
            Ok(word)
        } else {
            Err(Unclear { span })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let show = |found: Result<Found, Unclear>| match found {
            Ok(found) => format!("{}: {}", found.name, found.words.join(",")),
            Err(unclear) => format!("unclear {}", &text[unclear.span]),
        };
        scan(text, Dialect::Kiln).into_iter().map(show).collect()
    }

    #[test]
    fn choices_without_a_name_are_numbered() {
        let script = "\
x=`choose \"-device a\" '-device b' none`
nic=`named_choose nic e1000 virtio`
y=$(choose nic block)
z=$(choose nic block)
choose $unclear b
v=$(choose c d)
";
        let found = scan(script, Dialect::QemuTest).into_iter().map(|found| {
            let found = found.map_err(|unclear| script[unclear.span].to_owned())?;
            Ok(format!("{}: {}", found.name, found.words.join(",")))
        });
        let found: Vec<Result<String, String>> = found.collect();
        let clear = |text: &str| Ok(text.to_owned());
        let expect = [
            clear("choice1: -device a,-device b,none"),
            clear("nic: e1000,virtio"),
            clear("choice2: nic,block"),
            clear("choice2: nic,block"),
            Err("$unclear".to_owned()),
            clear("choice3: c,d"),
        ];
        assert_eq!(found, expect);
        let words = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let expect = [
            words("-device a,-device b,none"),
            words("nic,block"),
            words("c,d"),
        ];
        assert_eq!(unnamed(script), expect);
    }

    #[test]
    fn choice_is_found_in_command_position() {
        let check = |text: &str, expect: &[&str]| assert_eq!(shown(text), expect, "{text}");
        check("nic=$(choose nic e1000 virtio)\n", &["nic: e1000,virtio"]);
        check("nic=`named_choose nic tier2 e1000`", &["nic: tier2,e1000"]);
        check("x=\"$(choose a 'b c' \"d e\" f\\ g)\"", &["a: b c,d e,f g"]);
        check("choose a b c; choose d e | cat 2>&1", &["a: b,c", "d: e"]);
        check("choose a b 2>/dev/null && choose c d", &["a: b", "c: d"]);
        check("if test x; then choose a b; fi", &["a: b"]);
        check("choose a b \\\n    c # choose d e\n", &["a: b,c"]);
        check("choose nic", &["nic: "]);
        check("    nic=$(choose nic)\n", &["nic: "]);
    }

    #[test]
    fn text_resembling_a_choice_is_ignored() {
        for text in [
            "# choose nic a b",
            "echo choose nic a",
            "echo \"choose nic a\"",
            "choose() {\n    true\n}",
            "named_choose() {",
            "we_choose a b",
            "chooses a b",
            "choose",
            "true # then choose a b",
            "",
        ] {
            assert_eq!(shown(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn shell_computed_values_are_reported() {
        let check = |text: &str, expect: &str| {
            assert_eq!(shown(text), [format!("unclear {expect}")], "{text}");
        };
        check("choose nic $nics", "$nics");
        check("choose \"$name\" a b", "\"$name\"");
        check("choose disk *.img", "*.img");
    }

    proptest::proptest! {
        #[test]
        fn choices_are_located_inside_any_script(
            text in "(choose|named_|[ \\\\\n$'\"`#()a-zé2>;]){0,40}"
        ) {
            for found in scan(&text, Dialect::Kiln) {
                let span = found.map_or_else(|unclear| unclear.span, |found| found.span);
                proptest::prop_assert!(text.get(span.clone()).is_some(), "{:?}", span);
            }
            let _ = unnamed(&text);
        }
    }
}

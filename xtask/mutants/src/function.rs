//! Finds a function in a C file, and the start of its statements.

use std::ops::Range;

use crate::token::Token;

/// The tokens of the body of a function, from `{` to `}`.
pub(crate) fn body(tokens: &[Token<'_>], name: &str) -> Option<Range<usize>> {
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].text == "{" {
            at = closing(tokens, at)? + 1;
            continue;
        }
        if tokens[at].text == name
            && tokens.get(at + 1).is_some_and(|token| token.text == "(")
            && let Some(end) = closing(tokens, at + 1)
            && tokens.get(end + 1).is_some_and(|token| token.text == "{")
        {
            return Some(end + 1..closing(tokens, end + 1)? + 1);
        }
        at += 1;
    }
    None
}

/// The token that closes the bracket at `open`. Of the branches of an `#if`, the first counts.
fn closing(tokens: &[Token<'_>], open: usize) -> Option<usize> {
    let (opens, closes) = match tokens[open].text {
        "(" => ("(", ")"),
        _ => ("{", "}"),
    };
    let mut depth = 0_usize;
    let mut outer = Vec::new();
    let mut is_other_branch = Vec::new();
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.directive() {
            Some("if" | "ifdef" | "ifndef") => {
                outer.push(depth);
                is_other_branch.push(false);
            }
            Some("else" | "elif") => {
                if let Some(is_other) = is_other_branch.last_mut() {
                    *is_other = true;
                }
            }
            Some("endif") => {
                outer.pop();
                is_other_branch.pop();
            }
            _ if is_other_branch.contains(&true) => {}
            _ if token.text == opens => depth += 1,
            _ if token.text == closes => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// The first token of the statement that contains the token at `edit`, both counted from the `{` of
/// the body. Returns the first statement of the body if nothing can be inserted before the
/// statement, as in `else if`.
pub(crate) fn statement(body: &[Token<'_>], edit: usize) -> usize {
    let mut parentheses = 0_usize;
    // For each open brace, whether it opens a block.
    let mut blocks: Vec<bool> = Vec::new();
    let mut start = 1;
    for (at, token) in body.iter().enumerate().take(edit) {
        let is_boundary = match token.text {
            "(" | "[" => {
                parentheses += 1;
                false
            }
            ")" | "]" => {
                parentheses = parentheses.saturating_sub(1);
                false
            }
            "{" => {
                blocks.push(at == 0 || is_block(body, at, blocks.last() == Some(&true)));
                true
            }
            "}" => blocks.pop() == Some(true),
            ";" => true,
            _ => false,
        };
        if is_boundary && parentheses == 0 && blocks.iter().all(|is_block| *is_block) {
            start = at + 1;
        }
    }
    let start = after_labels(body, start);
    let text = body.get(start).map_or("", |token| token.text);
    let follows_block = start > 0 && body[start - 1].text == "}";
    if start > edit || text == "else" || (text == "while" && follows_block) {
        return 1;
    }
    start
}

/// Whether the brace at `at` opens a block instead of an initializer.
fn is_block(body: &[Token<'_>], at: usize, is_in_block: bool) -> bool {
    match body[at - 1].text {
        "else" | "do" | ";" | "}" | ":" => true,
        "{" => is_in_block,
        ")" => {
            let mut depth = 0_usize;
            for open in (0..at).rev() {
                match body[open].text {
                    ")" => depth += 1,
                    "(" => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    // `if (…) {` or `QTAILQ_FOREACH(…) {`, but not `= (Type){`.
                    return open > 0 && body[open - 1].is_name() && body[open - 1].text != "return";
                }
            }
            false
        }
        _ => false,
    }
}

/// Skips `case …:`, `default:` and `label:`.
fn after_labels(body: &[Token<'_>], mut at: usize) -> usize {
    loop {
        let text = |at: usize| body.get(at).map_or("", |token| token.text);
        if text(at) == "case" {
            let colon = body[at..].iter().position(|token| token.text == ":");
            let Some(colon) = colon else { return at };
            at += colon + 1;
        } else if body.get(at).is_some_and(Token::is_name) && text(at + 1) == ":" {
            at += 2;
        } else {
            return at;
        }
    }
}

/// The labels that a body jumps to.
pub(crate) fn labels<'a>(body: &[Token<'a>]) -> Vec<&'a str> {
    let jumps = body.windows(2).filter(|pair| pair[0].text == "goto");
    let mut names: Vec<&str> = jumps.map(|pair| pair[1].text).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::tokens;

    #[test]
    fn function_is_found_by_its_definition() {
        let text = "int f(int);\nstatic int g(void) { return f(1); }\nint f(int a)\n{\n if (a) { a--; }\n}\n";
        let all = tokens(text);
        let range = body(&all, "f").unwrap();
        assert!(text[all[range.start].start..].starts_with("{\n if"));
        assert_eq!(range.end, all.len());
        assert_eq!(body(&all, "h"), None);
    }

    #[test]
    fn branches_of_a_condition_count_once() {
        let text =
            "void f(void)\n{\n#ifdef A\n if (a) {\n#else\n if (b) {\n#endif\n  c();\n }\n}\nint d;";
        let all = tokens(text);
        let range = body(&all, "f").unwrap();
        assert_eq!(all[range.end].text, "int");
    }

    fn check(text: &str, edit: &str, expect: &str) {
        let all = tokens(text);
        let at = all.iter().position(|token| token.text == edit).unwrap();
        let found = &text[all[statement(&all, at)].start..];
        assert!(found.starts_with(expect), "{text}: {found}");
    }

    #[test]
    fn statement_of_an_edit_is_found() {
        check("{ a(); b(X); }", "X", "b(X)");
        check("{ a(); if (b && X) { c(); } }", "X", "if");
        check("{ for (i = 0; i < X; i++) { c(); } }", "X", "for");
        check("{ switch (a) { case 1: b(); case 2: c(X); } }", "X", "c(X)");
        check("{ out: c(X); }", "X", "c(X)");
        check("{ a(); if (b) { } else if (X) { } }", "X", "a()");
        check("{ a(); do { } while (X); }", "X", "a()");
        check("{ a(); T t = { .b = 1, .c = X }; }", "X", "T t");
        check("{ a(); T t[] = { { 1 }, { X } }; }", "X", "T t");
        check("{ a(); f(&(T){ 1 }, X); }", "X", "f(&");
        check("{ a(); EACH(b, c) { d(X); } }", "X", "d(X)");
        check("{ a(); switch (b) { case X: c(); } }", "X", "a()");
    }

    #[test]
    fn targets_of_jumps_are_listed_once() {
        assert_eq!(labels(&tokens("{ goto b; goto a; goto b; }")), ["a", "b"]);
    }
}

//! Rejects phrases that readers could not understand at first reading.
//!
//! Checks the guides, the notes in workflows, every string literal of production code, and all
//! comments.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "looks at the repository from outside"
)]

use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use regex_lite::Regex;

/// A phrase to avoid, as a regular expression, and what to write.
const PHRASES: &[(&str, &str)] = &[
    (r"\bis no [a-z]", "is not a …; better: what was expected"),
    (r"\b(goes|go|went|going) on\b", "continues, resumes"),
    (r"\bmend(s|ed|ing)?\b", "fixes, repairs"),
    (r"\bheld against\b", "compared with"),
    (r"\b(beside|besides)\b", "next to, in addition to"),
    (
        r"\b(nobody|somebody|whoever)\b",
        "the caller, the reader, the process",
    ),
    (r"\bfor ever\b", "forever"),
    (r"\btold\b", "reported, printed, sent"),
    (r"\bsaid\b", "printed, reported, requested"),
    (r"\b(is|are) there\b", "exists, is available"),
    (r"\b(lies|lay) (in|at|on|below|behind|next)\b", "is"),
    (r"\bstands? (at|on|below|behind|next)\b", "is"),
    (r"\b(spot|standing)s?\b", "location, state"),
    (r"\bsays? so\b", "reports it"),
    (r"\bwhy there (is|are)\b", "why … is missing, the reason"),
    (r"\banew\b", "again"),
    (r"\b(be|been|is to be) had\b", "arrive, be available"),
    (
        r"\b(a line a|one file a|an hour a|a folder an|a job an)\b",
        "one … per …",
    ),
    (r"\b(host|guest) hal(f|ves)\b", "host script, guest script"),
    (r"\bwhich word\b", "expected a …"),
    (r"\bput away\b", "moved to quarantine"),
    (r"\bdrawn? (as|with) rustc\b", "shown"),
];

/// Further phrases to avoid in comments.
const COMMENT_PHRASES: &[(&str, &str)] = &[
    (r"^of (all|the|a|each|some|its)\b", "the noun before `of`"),
    (r"^(where|what) it is\b", "the path, the type"),
    (r"\bsays? of\b", "reports, prints, describes"),
    (r"\bwhat (became|came) of\b", "the result, the outcome"),
    (r"\bwhat (there is|is there)\b", "the existing ones"),
    (
        r"\b(is|are|was|were) not there\b",
        "does not exist, is missing",
    ),
    (r"\b(that|which|it|they) (is|are) none\b", "is not a …"),
    (
        r"\bas (it|they) (comes?|came)\b",
        "unchanged, in order of arrival",
    ),
    (r"\bcomes? to its (turn|end)\b", "runs, ends"),
    (r"\b(passes|passed|pass) over\b", "skips"),
    (r"\blooks? closer\b", "debugs"),
    (r"\b(gives?|gave) back\b", "returns"),
    (r"\bfar end\b", "peer"),
    (r"\bin which case\b", "then; or a sentence with `if`"),
    (r"\bof a sort\b", "fake"),
];

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap().to_owned()
}

/// Every file below a directory of the repository with one of these extensions.
fn files(directory: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            let ours = !name.starts_with('.') || name == ".github";
            // The tree in `published` is an old release, which never changes.
            let skipped = ["target", "tests", "snapshots", "published"];
            if ours && !skipped.contains(&name.as_str()) {
                files(&path, extensions, found);
            }
        } else if extensions.iter().any(|e| name.ends_with(&format!(".{e}"))) {
            found.push(path);
        }
    }
}

/// The compiled phrases.
fn phrases() -> Vec<(Regex, &'static str)> {
    let compile = |(phrase, advice): &(&str, &'static str)| (Regex::new(phrase).unwrap(), *advice);
    PHRASES.iter().map(compile).collect()
}

/// The compiled phrases for comments.
fn comment_phrases() -> Vec<(Regex, &'static str)> {
    let compile = |(phrase, advice): &(&str, &'static str)| (Regex::new(phrase).unwrap(), *advice);
    let all = PHRASES.iter().chain(COMMENT_PHRASES);
    all.map(compile).collect()
}

/// The comments of a Rust file that begin a line. Adjacent lines are joined. Each comment has the
/// number of its first line, from 1.
fn comments(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut continues = false;
    for (number, line) in text.lines().enumerate() {
        let comment = line.trim_start().strip_prefix("//");
        let comment = comment.map(|text| text.trim_start_matches(['/', '!']).trim());
        match (comment, found.last_mut()) {
            (Some(more), Some((_, all))) if continues => {
                all.push(' ');
                all.push_str(more);
            }
            (Some(first), _) => found.push((number + 1, first.to_owned())),
            (None, _) => {}
        }
        continues = comment.is_some();
    }
    found
}

/// The phrases to avoid in a text, each with the advice.
fn findings(phrases: &[(Regex, &str)], text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    // These two are plain English.
    let lower = lower
        .replace("is no longer", "")
        .replace("there is no ", "");
    let found = phrases.iter().filter_map(|(phrase, advice)| {
        let hit = phrase.find(&lower)?;
        Some(format!("`{}` (write: {advice})", hit.as_str()))
    });
    found.collect()
}

/// Text of the string literals and doc comments of production code, with their lines.
fn strings(tokens: TokenStream, found: &mut Vec<(usize, String)>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if let Some(TokenTree::Group(attribute)) = tokens.peek()
                    && is_test_only(attribute)
                {
                    skip_item(&mut tokens);
                }
            }
            TokenTree::Group(group) => strings(group.stream(), found),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                if text.starts_with(['"', 'r']) && text.ends_with(['"', '#']) {
                    found.push((literal.span().start().line, text));
                }
            }
            _ => {}
        }
    }
}

/// Whether an attribute is `[cfg(test)]` or `[test]`.
fn is_test_only(attribute: &Group) -> bool {
    let text = attribute.to_string().replace(' ', "");
    text == "[cfg(test)]" || text == "[test]"
}

/// Skips the item that an attribute belongs to, up to its body or its semicolon.
fn skip_item(tokens: &mut impl Iterator<Item = TokenTree>) {
    for token in tokens {
        let body = |group: &Group| group.delimiter() == Delimiter::Brace;
        match &token {
            TokenTree::Group(group) if body(group) => return,
            TokenTree::Punct(punct) if punct.as_char() == ';' => return,
            _ => {}
        }
    }
}

#[test]
fn documents_use_plain_language() {
    let root = root();
    let mut pages = Vec::new();
    files(&root, &["md", "yml", "yaml"], &mut pages);
    assert!(pages.len() > 8, "only {} pages were found", pages.len());
    let phrases = phrases();
    let quoted = Regex::new(r"`[^`]*`").unwrap();
    let mut wrong = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for (number, line) in text.lines().enumerate() {
            // Another test checks the names of tests.
            let prose = quoted.replace_all(line, "");
            for finding in findings(&phrases, &prose) {
                let page = page.strip_prefix(&root).unwrap().display();
                wrong.push(format!("{page}:{}: {finding}", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn strings_and_doc_comments_use_plain_language() {
    let root = root();
    let mut sources = Vec::new();
    files(&root.join("xtask"), &["rs"], &mut sources);
    let is_test = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name == "tests.rs" || name.ends_with("_tests.rs")
    };
    sources.retain(|path| !is_test(path));
    assert!(sources.len() > 200, "only {} files", sources.len());
    let phrases = phrases();
    let mut wrong = Vec::new();
    for source in sources {
        let tokens: TokenStream = std::fs::read_to_string(&source).unwrap().parse().unwrap();
        let mut found = Vec::new();
        strings(tokens, &mut found);
        for (line, text) in found {
            for finding in findings(&phrases, &text) {
                let source = source.strip_prefix(&root).unwrap().display();
                wrong.push(format!("{source}:{line}: {finding}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn comments_use_plain_language() {
    let root = root();
    let mut sources = Vec::new();
    for directory in ["xtask", "tests"] {
        collect_sources(&root.join(directory), &mut sources);
    }
    let phrases = comment_phrases();
    let quoted = Regex::new(r"`[^`]*`").unwrap();
    let mut count = 0;
    let mut wrong = Vec::new();
    for source in sources {
        let shown = source.strip_prefix(&root).unwrap().display();
        // This file quotes the phrases.
        if shown.to_string() == "tests/language.rs" {
            continue;
        }
        for (line, text) in comments(&std::fs::read_to_string(&source).unwrap()) {
            count += 1;
            for finding in findings(&phrases, &quoted.replace_all(&text, "")) {
                wrong.push(format!("{shown}:{line}: {finding}"));
            }
        }
    }
    assert!(count > 5000, "only {count} comments were found");
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn names_of_tests_have_at_most_eight_words() {
    let root = root();
    let mut sources = Vec::new();
    for directory in ["xtask", "tests"] {
        collect_sources(&root.join(directory), &mut sources);
    }
    let attribute = Regex::new(r"#\[test\]\s*(?:#\[[^\]]*\]\s*)*fn ([a-z0-9_]+)").unwrap();
    let mut names = 0;
    let mut long = Vec::new();
    for source in sources {
        let text = std::fs::read_to_string(&source).unwrap();
        for found in attribute.captures_iter(&text) {
            names += 1;
            if found[1].split('_').count() > 8 {
                long.push(found[1].to_owned());
            }
        }
    }
    assert!(names > 700, "only {names} tests were found");
    assert!(long.is_empty(), "{}\n{}", long.len(), long.join("\n"));
}

/// Every Rust file below a directory, tests included.
fn collect_sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn avoided_phrases_are_found_in_text_and_code() {
    let cases: &[(&str, usize)] = &[
        ("`x` is no partition", 1),
        ("The download goes on.", 1),
        ("printed beside it, nobody was told", 3),
        ("expected a partition, found `x`", 0),
        ("there is nothing left", 0),
    ];
    let phrases = phrases();
    for (text, count) in cases {
        assert_eq!(findings(&phrases, text).len(), *count, "{text}");
    }
    let code = r#"
        /// This goes on.
        fn f() { g("a is no b"); }
        #[cfg(test)]
        mod tests { const X: &str = "nobody"; }
        #[test]
        fn t() { g("nobody"); }
    "#;
    let mut found = Vec::new();
    strings(code.parse().unwrap(), &mut found);
    let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains("goes on") && texts[1].contains("is no b"));
}

#[test]
fn avoided_phrases_are_found_in_comments() {
    let cases: &[(&str, usize)] = &[
        ("/// Of all choices.", 1),
        ("//! Reads a file that is not\n//! there, and says so.", 2),
        (
            "    // What became of it.\n    let x = 1;\n    // A result.",
            1,
        ),
        ("/// The seed of all choices.\nfn f() {}", 0),
        ("let text = \"// nobody\";", 0),
    ];
    let phrases = comment_phrases();
    for (code, count) in cases {
        let found = comments(code);
        let found = found.iter().flat_map(|(_, text)| findings(&phrases, text));
        assert_eq!(found.count(), *count, "{code}");
    }
    let lines: Vec<usize> = comments("// a\n// b\n\nlet x;\n  // c")
        .into_iter()
        .map(|(line, _)| line)
        .collect();
    assert_eq!(lines, [1, 5]);
}

//! Runs the commands of README.md and docs/ that have no lasting effect, and lists the tests that
//! `test` commands select. `xtask/src/cli/examples.rs` tests that every command line parses.

use std::collections::BTreeSet;
use std::path::Path;

use harness::{Output, root, xtask};

/// The `cargo xtask` commands in the console blocks of a page, without comments.
fn commands(page: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("$ cargo xtask "));
    lines.map(words).collect()
}

/// Splits a command like a shell. A comment ends it.
fn words(line: &str) -> Vec<String> {
    let line = line.split(" #").next().unwrap();
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(at, part)| match at % 2 {
        1 => vec![part.to_owned()],
        _ => part.split_whitespace().map(str::to_owned).collect(),
    });
    words.collect()
}

/// The pages whose commands are run.
const PAGES: [&str; 4] = [
    "README.md",
    "docs/configuration.md",
    "docs/images.md",
    "docs/publishing.md",
];

/// Commands that need no network, image or argument of the reader, with their exit codes.
const RUNNABLE: [(&str, &[i32]); 6] = [
    ("config --profile ci", &[0]),
    ("images --plan", &[0]),
    ("legal", &[0]),
    ("setup", &[0, 96]),
    ("store gc", &[0]),
    ("store list", &[0]),
];

/// The pages whose `test` commands must select tests.
const TEST_PAGES: [&str; 5] = [
    "README.md",
    "docs/bare-tests.md",
    "docs/device-tests.md",
    "docs/kernel.md",
    "guest-tests/README.md",
];

/// Words of commands that need an earlier run, or a tree or a test of the reader, or that cannot be
/// combined with `--list`.
const FOREIGN: [&str; 9] = [
    "--image",
    "--kernel",
    "--ktest",
    "--list",
    "--rerun",
    "--shell",
    "--standalone",
    "--suite",
    "hotplug::mine",
];

fn run(store: &Path, words: &[String], extra: &[&str]) -> Output {
    let mut command = xtask();
    command
        .env("CARGO_MANIFEST_DIR", root().join("xtask"))
        .env("KILN_STORE", store)
        .args(words)
        .args(extra);
    Output::of(&mut command)
}

#[test]
fn tests_named_by_pages_exist() {
    let store = tempfile::tempdir().unwrap();
    let mut listed = 0;
    let all: BTreeSet<_> = TEST_PAGES.into_iter().flat_map(commands).collect();
    for words in all {
        if words[0] != "test" || words.iter().any(|word| FOREIGN.contains(&word.as_str())) {
            continue;
        }
        let output = run(store.path(), &words, &["--list"]);
        assert_eq!(output.code, 0, "{words:?}: {}", output.stderr);
        assert!(output.stdout.contains("::"), "{words:?}");
        listed += 1;
    }
    assert!(listed > 10, "{listed} commands");
}

#[test]
fn commands_of_the_pages_succeed() {
    let store = tempfile::tempdir().unwrap();
    let pages = PAGES.map(|page| std::fs::read_to_string(root().join(page)).unwrap());
    let pages = pages.concat();
    for (line, codes) in RUNNABLE {
        let command = format!("cargo xtask {line}");
        assert!(pages.contains(&command), "no page has `{command}`");
        let output = run(store.path(), &words(line), &[]);
        assert!(codes.contains(&output.code), "{line}: {}", output.stderr);
    }
}

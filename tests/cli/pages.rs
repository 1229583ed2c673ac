//! The commands of README.md: the tests that they select are listed in place of being run. That every
//! command line parses is a test of the parser itself (`xtask/src/cli/examples.rs`).

use harness::{Output, root, xtask};

/// The `cargo xtask` commands in the console blocks of a page, without comments.
fn commands(page: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("$ cargo xtask "));
    lines.map(words).collect()
}

/// The words of a command as a shell splits them; a comment ends it.
fn words(line: &str) -> Vec<String> {
    let line = line.split(" #").next().unwrap();
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(at, part)| match at % 2 {
        1 => vec![part.to_owned()],
        _ => part.split_whitespace().map(str::to_owned).collect(),
    });
    words.collect()
}

#[test]
fn tests_that_the_readme_names_exist() {
    let store = tempfile::tempdir().unwrap();
    let mut listed = 0;
    for words in commands("README.md") {
        let is_rerun = words.contains(&"--rerun".to_owned());
        if words[0] != "test" || is_rerun {
            continue;
        }
        let mut command = xtask();
        command
            .env("CARGO_MANIFEST_DIR", root().join("xtask"))
            .env("KILN_STORE", store.path())
            .args(&words)
            .arg("--list");
        let output = Output::of(&mut command);
        assert_eq!(output.code, 0, "{words:?}: {}", output.stderr);
        assert!(output.stdout.contains("::"), "{words:?}");
        listed += 1;
    }
    assert!(listed > 4, "{listed} commands");
}

use camino::Utf8PathBuf;
use proptest::prelude::*;

use super::*;

fn check(script: &str, expect: &str) {
    assert_eq!(read(script).marked, expect, "{script}");
}

#[test]
fn statements_are_marked_with_their_line_and_words() {
    check("a 1 = 2\n", "_at 1 a 1 = 2 && :; a 1 = 2\n");
    check(
        "in_guest() {\n    x=5\n    a \"$x\" = 6 # why\n}\n",
        "in_guest() {\n    _at 2 && :; x=5\n    _at 3 && :; _at 3 a \"$x\" = 6 && :; a \"$x\" = 6 # why\n}\n",
    );
    check("f()\n{\n a\n}\n", "f()\n{\n _at 3 a && :; a\n}\n");
    check("f() { a; b; }", "f() { _at 1 a && :; a; _at 1 b && :; b; }");
    check("a b; c", "_at 1 a b && :; a b; _at 1 c && :; c");
    check("a <<X\nb\nX\nc", "_at 1 && :; a <<X\nb\nX\n_at 4 c && :; c");
    check("a \\\n  b\nc", "_at 1 && :; a \\\n  b\n_at 3 c && :; c");
    check("a 'x\ny'\nc", "_at 1 && :; a 'x\ny'\n_at 3 c && :; c");
}

#[test]
fn compared_values_are_recorded() {
    check("test $(a) = 2\n", "_at 1 && :; _with 1 test $(a) = 2\n");
    check("a\n[ x ]", "_at 1 a && :; a\n_at 2 && :; _with 2 [ x ]");
    check(
        "a &&\n test \"$(b)\" = c || d\n",
        "_at 1 && :; a &&\n _with 2 test \"$(b)\" = c || d\n",
    );
    check("! test x\n", "_at 1 && :; ! _with 1 test x\n");
    check(
        "while test x; do\n :; done",
        "_at 1 && :; while _with 1 test x; do\n _at 2 && :; :; done",
    );
    check("echo test x", "_at 1 && :; echo test x");
}

#[test]
fn statement_parts_get_no_coverage_mark() {
    check("a &&\n b ||\n c\n", "_at 1 && :; a &&\n b ||\n c\n");
    check("a |\n b\n", "_at 1 && :; a |\n b\n");
    check("! a\n", "_at 1 && :; ! a\n");
    check(
        "if a; then\n b\nelif c; then d\nelse\n e\nfi\n",
        "_at 1 && :; if a; then\n _at 2 b && :; b\nelif c; then _at 3 d && :; d\nelse\n _at 5 e && :; e\nfi\n",
    );
    check(
        "while a\ndo b; done < f\n",
        "_at 1 && :; while a\ndo _at 2 b && :; b; done < f\n",
    );
    check(
        "for x in 1 2\ndo b; done",
        "_at 1 && :; for x in 1 2\ndo _at 2 b && :; b; done",
    );
    check("( a )\n", "_at 1 && :; ( _at 1 && :; a )\n");
}

#[test]
fn patterns_of_a_case_are_not_marked() {
    check(
        "case $x in\n    a | b) c ;;\n    (*) d\nesac\ne\n",
        "_at 1 && :; case $x in\n    a | b) _at 2 c && :; c ;;\n    (*) _at 3 d && :; d\nesac\n_at 5 e && :; e\n",
    );
    check(
        "case x in a) b;; esac | c",
        "_at 1 && :; case x in a) _at 1 b && :; b;; esac | c",
    );
}

#[test]
fn words_with_effects_are_not_expanded_twice() {
    for command in [
        "cmp $(date) = x",
        "cmp `date` = x",
        "cmp $((i += 1)) = 2",
        "cmp ${x:=5} = 5",
        "cmp ${x?unset} = 5",
        "a > file",
        "echo \"$x\"",
        "x=5 env",
    ] {
        check(command, &format!("_at 1 && :; {command}"));
    }
}

#[test]
fn unparsable_script_stays_unchanged() {
    for script in [
        "echo 'x",
        "a $(case x in x) echo y;; esac)\n",
        "set -x\ncmp 1 2\n",
        "a <<X\nnever ends\n",
        "a )\n",
        "a ;; b\n",
    ] {
        check(script, script);
    }
}

#[test]
fn background_and_foreign_commands_are_listed() {
    let found = read("in_host() {\n    qemu -m 1 &\n    a && b &\n    wait\n}\n");
    assert_eq!(found.in_background, ["qemu", "a"]);
    let script = "if [[ a == b ]]; then source x; fi\necho [[\n";
    let words: Vec<&str> = read(script)
        .foreign
        .into_iter()
        .map(|word| &script[word])
        .collect();
    assert_eq!(words, ["[[", "source"]);
}

#[expect(clippy::disallowed_methods, reason = "a shell is the judge")]
fn shell() -> std::process::Command {
    std::process::Command::new("/bin/sh")
}

/// Runs a text in the host's shell: output, messages and status.
fn run(script: &str) -> (Option<i32>, String) {
    let library = "_at() { _status=$?; _place=$*; return $_status; }\n_with() { _place=$*; shift; \"$@\"; }\nset -e\n";
    let output = shell()
        .arg("-c")
        .arg(format!("{library}. \"$0\""))
        .arg(script)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[test]
fn marks_change_neither_output_nor_status() {
    let dir = tempfile::tempdir().unwrap();
    for (number, script) in [
        "false || echo $?\n(exit 3) || x=$?\necho $x\n",
        "f() { return 4; }\nf || { echo $?\necho $?\n}\n",
        "set +e\nfalse\necho $?\n(exit 7)\ntest $? = 7 && echo seven\n",
        "for i in 1 2 3; do test $i = 2 || continue\necho $i; done\n",
        "x=5\ntest $x = 6\necho never\n",
        "false && true\necho $?\nif false; then :; fi\necho $?\n",
        "test -n \"$(echo a; echo b)\"\necho $?\ncat <<X\ntext $?\nX\n",
        "i=0\nwhile test $i -lt 3\ndo i=$((i + 1)); done\necho $i\nset -- a b\nshift\necho \"$1\"\n",
        "case a in\n a) false || echo $? ;;\nesac\n",
        "f() { test \"$1\" = \"$(echo \"$2\")\" || return 5; [ \"$#\" = 2 ] && echo two; }\nf a a\nf a b || echo $?\n",
        "(exit 3) || test $? = 3 && echo three\n! test a = b\necho $?\ntest '' || test \"$(exit 2)$?\" = 2\n",
        "if test -n \"$(false)\"; then :; elif test -z ''; then echo empty; fi\ntest \"$(echo a; false)\" = b\n",
    ]
    .into_iter()
    .enumerate()
    {
        let path = |name: &str| dir.path().join(format!("{name}{number}")).display().to_string();
        let (plain, marked) = (path("plain"), path("marked"));
        fs_err::write(&plain, script).unwrap();
        let text = read(script).marked;
        assert_ne!(text, script);
        fs_err::write(&marked, text).unwrap();
        assert_eq!(run(&plain), run(&marked), "{script}");
    }
}

/// Each script of the suite can be marked, and a shell can parse the result.
#[test]
fn every_test_of_the_suite_is_marked() {
    let suite = Utf8PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest-tests"));
    let dir = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for area in suite.read_dir_utf8().unwrap().map(Result::unwrap) {
        if !area.path().is_dir() || area.file_name() == "lib" {
            continue;
        }
        for file in area.path().read_dir_utf8().unwrap().map(Result::unwrap) {
            if file.path().extension() != Some("sh") {
                continue;
            }
            let script = fs_err::read_to_string(file.path()).unwrap();
            let found = read(&script);
            assert_ne!(found.marked, script, "{}", file.path());
            assert_eq!(found.marked.lines().count(), script.lines().count());
            assert_eq!(found.foreign, [], "{}", file.path());
            let copy = dir
                .path()
                .join(format!("{}-{}", area.file_name(), file.file_name()));
            fs_err::write(&copy, found.marked).unwrap();
            files.push(copy);
        }
    }
    assert!(files.len() > 100);
    let output = shell()
        .args(["-c", "for file; do sh -n \"$file\" || exit; done", "sh"])
        .args(files)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

proptest! {
    #[test]
    fn any_script_is_parsed_without_panic(script in "([a-z$(){};&|<>'\"`#\\\\ \n=é]|case |esac|in |then |<<X){0,40}") {
        let found = read(&script);
        prop_assert_eq!(found.marked.matches('\n').count(), script.matches('\n').count());
    }
}

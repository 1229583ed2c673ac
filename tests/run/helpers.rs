//! Tests wrong calls of helper commands, and the environment of a host script.

use harness::Output;
use harness::qemu::arch;
use harness::repo::{TestRepo, expected, outcomes};

/// Each call fails immediately.
const WRONG_CALLS: &str = r#"# Calls helper commands that do not exist.
in_guest() {
    for helper in '' ' ' no-such-helper; do
        if answer=$(kiln-call "$helper" 2>&1); then
            fail "'$helper' succeeded: $answer"
        fi
        test -n "$answer" || fail "'$helper' has no message"
    done
    kiln-call && fail "no helper succeeded"
    true
}
"#;

#[test]
fn unknown_and_empty_helper_commands_are_answered() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/wrong-calls", WRONG_CALLS)]);
    let mut test = repo.test(&arch, &["--message-format=json"]);
    let output = test.output().unwrap();
    assert_eq!(outcomes(&output), expected(&[("wrong-calls", "passed")]));
}

/// Variables with secrets of Kiln and of other programs.
const SECRETS: &[&str] = &[
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "GITHUB_TOKEN",
    "KILN_REGISTRY_PASSWORD",
    "KILN_SIGN_PASSWORD",
];

const ENVIRONMENT: &str = "# Prints its environment.\nin_host() {\n    env\n}\n";

#[test]
fn host_script_has_no_variables_with_secrets() {
    let Some(arch) = arch() else { return };
    let repo = TestRepo::with(&[("a/environment", ENVIRONMENT)]);
    let mut test = repo.test(&arch, &["--message-format=json"]);
    test.env("ORDINARY_SETTING", "kept-value");
    for name in SECRETS {
        test.env(name, "hidden-value");
    }
    let output = Output::of(&mut test);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let log = repo
        .runs()
        .join("1")
        .join(&arch)
        .join("a/environment/output.log");
    let printed = std::fs::read_to_string(&log).unwrap();
    assert!(printed.contains("ORDINARY_SETTING=kept-value"), "{printed}");
    assert!(!printed.contains("hidden-value"), "{printed}");
    for name in SECRETS {
        assert!(!printed.contains(&format!("{name}=")), "{name}: {printed}");
    }
}

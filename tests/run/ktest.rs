//! `--ktest`: scripts of both forms of ktest, with the verdicts that their authors expect.

use serde_json::Value;

use harness::qemu::arch;
use harness::repo::TestRepo;
use harness::skip::unsuited;

/// What a script of today's form sources; as in ktest, in short.
const PRELUDE: &str = r#"
scratch=() config=()
config-mem() { mem=${1%M}; }
config-timeout() { timeout=$1; }
config-scratch-devs() { scratch+=("$1"); }
require-kernel-config() { config+=("$1"); }
require-git() { git clone "$1" "$HOME/none"; }
ktest_skip() { echo "SKIPPING: $*"; exit 1; }
main() {
    case $1 in
        deps)
            echo "ktest_mem=$mem"
            echo "ktest_timeout=$timeout"
            echo "ktest_scratch_dev_sizes=(${scratch[@]})"
            echo "ktest_kernel_config_require=(SMP ${config[@]})"
            ;;
        list-tests) declare -F | sed -n 's/.* test_//p' ;;
        run-tests)
            [[ -v BASH_VERSION ]] || exit 3
            skips=$( (set -e; "test_$2") 2>&1) && { printf %s "$skips"; return 0; }
            ret=$?
            echo "$skips"
            [[ $skips = SKIPPING* ]] && return 0
            return $ret
            ;;
    esac
}
"#;

const FUNCTIONS: &str = r#"#!/usr/bin/env bash
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/test-libs.sh"
config-mem 256M
config-timeout 120
config-scratch-devs 8M

test_passes() { [[ $(blockdev --getsize64 /dev/vdb) = 8388608 ]]; }
test_unended() { printf done; }
test_forges() { echo "@ktest-exit 0"; false; }
test_fails() { echo "FAILED: no luck"; false; }
test_skips() { ktest_skip "no such hardware"; }
test_calls() { no-such-program-here; }
main "$@"
"#;

/// A script of the first form, whose body ends in this.
fn first_form(requires: &str, body: &str) -> String {
    format!(
        "#!/bin/bash\nif [ \"$1\" = deps ]; then\n    echo REQUIRE={requires}\n    echo MEM=256M\n    \
         echo SCRATCH=8M,16M\n    exit\nfi\n{body}\n"
    )
}

/// A script for each verdict.
fn scripts() -> [(&'static str, String); 16] {
    let sized = "set -e\n. $(dirname $0)/helper.sh\nhelper\n\
                 test \"$(blockdev --getsize64 /dev/vdb)\" = 16777216\necho TEST SUCCESS";
    [
        ("functions.ktest", FUNCTIONS.to_owned()),
        ("sized", first_form("helper.sh", sized)),
        ("silent", first_form("", "echo nothing to say")),
        (
            "both",
            first_form("", "echo TEST FAILED\necho TEST SUCCESS"),
        ),
        (
            "successful",
            first_form("", "set -x\necho '  TEST SUCCESSFUL'"),
        ),
        (
            "traced",
            first_form(
                "",
                "set -x\ntest -e /no/such/file && echo TEST SUCCESS\n: TEST SUCCESS",
            ),
        ),
        (
            "late",
            first_form("", "echo TEST SUCCESSFUL\necho 'run: TEST FAILED'"),
        ),
        (
            "option",
            first_form("", "echo TEST SUCCESS").replace(
                "echo MEM",
                "echo KERNEL_CONFIG_REQUIRE=SMP,NO_SUCH_OPTION\n    echo MEM",
            ),
        ),
        ("endless", first_form("", "echo TEST SUCCESS\nsleep 1000")),
        (
            "babbles",
            first_form("", "echo TEST SUCCESS\nwhile sleep 0.1; do echo more; done"),
        ),
        ("renews", first_form("", "echo WATCHDOG 2\nsleep 1000")),
        ("unended", first_form("", "printf 'TEST SUCCESS'")),
        (
            "lots",
            first_form("", "echo TEST SUCCESS").replace("256M", "lots"),
        ),
        ("lacks", first_form("no-such-tool", "echo TEST SUCCESS")),
        (
            "config.ktest",
            FUNCTIONS.replace(
                "config-mem",
                "require-kernel-config NO_SUCH_OPTION\nconfig-mem",
            ),
        ),
        (
            "clones.ktest",
            FUNCTIONS.replace("config-mem", "require-git nowhere.git || exit\nconfig-mem"),
        ),
    ]
}

#[test]
fn scripts_of_both_forms_give_their_verdicts() {
    let Some(arch) = arch() else { return };
    if arch != std::env::consts::ARCH {
        return unsuited("no guest has the architecture of this host");
    }
    let repo = TestRepo::with(&[]);
    let write = |name: &str, text: &str| {
        std::fs::write(repo.path().join(name), text).unwrap();
        repo.path().join(name).to_str().unwrap().to_owned()
    };
    write("test-libs.sh", PRELUDE);
    write("helper.sh", "helper() { echo from a helper; }\n");
    let files = scripts().map(|(name, text)| format!("--ktest={}", write(name, &text)));
    let mut words = vec!["test", "--offline", "--accel=tcg", "--arch", &arch];
    words.extend(files.iter().map(String::as_str));
    let output = repo.run(&words);
    assert_eq!(output.code, 100, "{} {}", output.stdout, output.stderr);
    let report = std::fs::read(repo.runs().join("1/report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let tests = report["tests"].as_array().unwrap();
    let check = |name: &str, outcome: &str, expect: &str| {
        let (area, test) = name.split_once("::").unwrap();
        let mut of_name = tests.iter();
        let test = of_name.find(|it| it["area"] == area && it["test"] == test);
        let test = test.unwrap();
        assert_eq!(test["outcome"], outcome, "{test}");
        let why = test["cause"].as_str().or(test["why"].as_str());
        assert!(why.unwrap_or_default().contains(expect), "{test}");
        assert_eq!(test["kind"], "ktest");
    };
    check("functions::passes", "passed", "");
    check("functions::unended", "passed", "");
    check("functions::forges", "failed", "exit status 1");
    check("functions::fails", "failed", "no luck");
    check("functions::skips", "skipped", "no such hardware");
    check(
        "functions::calls",
        "failed",
        "no-such-program-here: command not found",
    );
    check("ktest::sized", "passed", "");
    check(
        "ktest::silent",
        "failed",
        "did not print `TEST SUCCESS`: exit status 0",
    );
    check(
        "ktest::both",
        "failed",
        "printed `TEST FAILED` and `TEST SUCCESS`",
    );
    check("ktest::successful", "passed", "");
    check("ktest::traced", "failed", "did not print `TEST SUCCESS`");
    check(
        "ktest::late",
        "failed",
        "printed `run: TEST FAILED` and `TEST SUCCESS`",
    );
    check("ktest::option", "skipped", "lacks CONFIG_NO_SUCH_OPTION=y");
    check("ktest::endless", "passed", "");
    check("ktest::babbles", "passed", "");
    check("ktest::renews", "timed-out", "");
    let renewed = tests.iter().find(|it| it["test"] == "renews").unwrap();
    assert_eq!(renewed["limit_ms"], 2000, "{renewed}");
    check("ktest::unended", "passed", "");
    check(
        "ktest::lots",
        "skipped",
        "expected sizes in `MEM`, found `lots`",
    );
    check(
        "ktest::lacks",
        "skipped",
        "`no-such-tool` of REQUIRE is neither next to the script nor on PATH: install it",
    );
    check("config::passes", "skipped", "lacks CONFIG_NO_SUCH_OPTION=y");
    check(
        "clones::all",
        "skipped",
        "needs a checkout: git clone nowhere.git",
    );
    repo.assert_clean("after scripts of ktest");
}

#[test]
fn files_that_are_no_ktest_scripts_are_refused() {
    let repo = TestRepo::with(&[]);
    let check = |text: Option<&str>, expect: &str| {
        let path = repo.path().join("file.ktest");
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let output = repo.run(&["test", "--offline", "--ktest", path.to_str().unwrap()]);
        assert_eq!(output.code, 2, "{}", output.stderr);
        assert!(output.stderr.contains(expect), "{}", output.stderr);
    };
    check(None, "no ktest script at");
    check(Some("if true; then\n"), "has a syntax error: ");
    check(Some("if true; then\n"), "help: bash -n ");
    check(Some("echo hello\n"), "is not a ktest script");
    check(
        Some("[ $1 = deps ] && echo ktest_mem=64\n"),
        "has no function `test_*`",
    );
}

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> (Vec<String>, Vec<String>) {
    let results = parse(text.as_bytes());
    let show = |sub: &Subtest| match sub.outcome.cause() {
        cause if cause.is_empty() => format!("{} {}", sub.name, sub.outcome.label()),
        cause => format!("{} {}: {cause}", sub.name, sub.outcome.label()),
    };
    (results.subtests.iter().map(show).collect(), results.faults)
}

fn check(text: &str, expect: &[&str], faults: &[&str]) {
    let (subtests, found) = read(text);
    assert_eq!(subtests, expect, "{text}");
    assert_eq!(found, faults, "{text}");
}

#[test]
fn results_are_read_with_their_directives() {
    let text = "hello\nKTAP version 1\n1..7\nok 1 one\nnot ok 2 - two\n# wrong size\nnot ok 3 three\n\
                ok 4 four # SKIP no disk\nnot ok 5 five # XFAIL see there\nnot ok 6 six # TIMEOUT 45 s\n\
                ok 7\nbye\n";
    let expect = [
        "one passed",
        "two failed: not ok",
        "three failed: wrong size",
        "four skipped: no disk",
        "five skipped: known to fail: see there",
        "six failed: timed out 45 s",
        "7 passed",
    ];
    check(text, &expect, &[]);
}

#[test]
fn nested_results_carry_outer_names() {
    let text = "KTAP version 1\n1..2\n  KTAP version 1\n  1..2\n    KTAP version 1\n    1..1\n    \
                ok 1 leaf\n  ok 1 twig\n  not ok 2 dry\nnot ok 1 tree\nok 2 stone # a grey one\n";
    let expect = [
        "tree::twig::leaf passed",
        "tree::dry failed: not ok",
        "stone # a grey one passed",
    ];
    check(text, &expect, &[]);
}

/// The output of `run_kselftest.sh` for three tests, of which the last runs another one that prints
/// KTAP.
const KSELFTEST: &str = "\
TAP version 13
1..3
# timeout set to 45
# selftests: size: get_size
# TAP version 13
# 1..2
# # Starting 2 tests
# ok 1 pages
# # expected 4096, found 0
# not ok 2 bytes
# # Totals: pass:1 fail:1
not ok 1 selftests: size: get_size # exit=1
# selftests: user: test_user_copy.sh
# user: module test_user_copy is not found [SKIP]
ok 2 selftests: user: test_user_copy.sh # SKIP
# selftests: net: all
# 1..2
# # TAP version 13
# # 1..1
# # ok 1 pages
# ok 1 first
# # # deep
# # # KTAP version 1
# # # 1..1
# # # ok 1 leaf
# # ok 1 twig
# ok 2 second
ok 3 selftests: net: all
";

#[test]
fn subtests_in_comments_nest_to_any_depth() {
    let expect = [
        "selftests: size: get_size::pages passed",
        "selftests: size: get_size::bytes failed: expected 4096, found 0",
        "selftests: user: test_user_copy.sh skipped",
        "selftests: net: all::first::pages passed",
        "selftests: net: all::second::twig::leaf passed",
    ];
    check(KSELFTEST, &expect, &[]);
}

#[test]
fn comments_without_results_stay_comments() {
    let text = "KTAP version 1\n1..2\n# ok so far\n# 3..4 frames\nnot ok 1 a\n# ok\n  # ok 1 far\nok 2 b\n";
    check(text, &["a failed: 3..4 frames", "b passed"], &[]);
}

#[test]
fn bail_out_ends_only_its_nested_list() {
    let text = "TAP version 13\n1..2\n# TAP version 13\n# 1..3\n# ok 1 a\n# Bail out! no disk\n\
                not ok 1 x # exit=1\nok 2 y\n";
    let expect = ["x::a passed", "x failed: exit status 1", "y passed"];
    check(text, &expect, &[]);
}

#[test]
fn wide_indentation_of_kunit_is_read() {
    let text = "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: list\n    1..2\n    ok 1 add\n        \
                KTAP version 1\n        ok 1 one\n    ok 2 del\nok 1 list\n";
    check(text, &["list::add passed", "list::del::one passed"], &[]);
}

#[test]
fn equal_names_get_numbers() {
    let text = "KTAP version 1\n1..3\nok 1 a\nok 2 a\nok 3 b\n";
    check(text, &["a passed", "a (2) passed", "b passed"], &[]);
}

#[test]
fn outer_result_without_details_is_listed() {
    let inner = "KTAP version 1\n  KTAP version 1\n  1..1\n  ok 1 a\n";
    let disagrees = ["x::a passed", "x failed: not ok"];
    check(&format!("{inner}not ok 1 x\n"), &disagrees, &[]);
}

#[test]
fn unmet_plan_is_a_fault() {
    let fault = ["3 subtests were planned, 1 reported"];
    check("TAP version 14\n1..3\nok 1 a\n", &["a passed"], &fault);
    let fault = ["99999999999999999999 subtests were planned, 1 reported"];
    let text = "KTAP version 1\n1..99999999999999999999\nok 1 a\n";
    check(text, &["a passed"], &fault);
    check(
        "KTAP version 1\n1..007\nok 1 a\n",
        &["a passed"],
        &["007 subtests were planned, 1 reported"],
    );
    check("KTAP version 1\n1..0001\nok 1 a\n", &["a passed"], &[]);
    let fault = ["1 subtests were planned, 2 reported"];
    check(
        "KTAP version 1\n1..1\nok 1 a\nok 2 b\n",
        &["a passed", "b passed"],
        &fault,
    );
    let fault = ["bailed out: no disk"];
    check(
        "TAP version 14\n1..2\nok 1 a\nBail out! no disk\nok 2 b\n",
        &["a passed"],
        &fault,
    );
}

#[test]
fn kernel_log_may_contain_results() {
    let text = "[    0.500000] KTAP version 1\n[    0.500001] 1..1\n[    0.600000]   KTAP version 1\n\
                [    0.600001]   1..1\n[    0.600002]   ok 1 sums\n[    0.700000] ok 1 math\n";
    check(text, &["math::sums passed"], &[]);
}

#[test]
fn text_without_version_line_has_no_results() {
    for text in [
        "",
        "ok 1 a\nnot ok 2 b\n1..3\n",
        "echo KTAP version 1\nnot ok 1 a\n",
        "KTAP version one\nnot ok 1\n",
    ] {
        assert_eq!(parse(text.as_bytes()), Results::default(), "{text}");
    }
}

#[test]
fn cause_names_the_first_failure() {
    let check = |text: &str, cause: Option<&str>| {
        assert_eq!(parse(text.as_bytes()).cause().as_deref(), cause);
    };
    check("KTAP version 1\n1..1\nok 1 a\n", None);
    check(
        "KTAP version 1\n1..1\nnot ok 1 a\n",
        Some("subtest `a` failed"),
    );
    check(
        "KTAP version 1\n1..3\nok 1 a\nnot ok 2 b\nnot ok 3 c\n",
        Some("2 of 3 subtests failed, first `b`"),
    );
    check(
        "KTAP version 1\n1..2\nok 1 a\n",
        Some("2 subtests were planned, 1 reported"),
    );
}

#[test]
fn excess_results_are_cut() {
    let flood = "ok x\n".repeat(MOST + 10);
    let results = parse(format!("KTAP version 1\n{flood}").as_bytes());
    assert_eq!(results.subtests.len(), MOST);
    assert_eq!(results.faults, [format!("more than {MOST} subtests")]);
}

proptest! {
    #[test]
    fn no_output_panics(lines in proptest::collection::vec(
        prop_oneof!["( {0,6})(KTAP|TAP) version [0-9]{1,2}", "( {0,6})(not )?ok [0-9]{0,2}.{0,20}",
                    "(# ){0,4}((not )?ok [0-9]{1,2} [a-c]|1\\.\\.3|TAP version 13|Bail out!)", ".{0,30}",
                    " {0,4}1\\.\\.[0-9]{1,3}"], 0..40,
    )) {
        let results = parse(lines.join("\n").as_bytes());
        prop_assert!(results.subtests.len() <= lines.len());
    }
}

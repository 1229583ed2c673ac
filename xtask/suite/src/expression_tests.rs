use std::fmt::Write as _;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

fn nvme() -> Subject<'static> {
    Subject {
        kind: "guest",
        name: "ppc64::block::nvme",
        arch: "ppc64",
        machine: "pseries",
        groups: vec!["hotplug", "slow"],
        devices: vec!["nvme", "virtio-blk-pci"],
    }
}

#[test]
fn expression_selects_matching_tests() {
    let check = |text: &str, expect| {
        let expression = Expression::parse(text).unwrap();
        assert_eq!(expression.admits(&nvme()), expect, "{text}");
    };
    check("all()", true);
    check(" none( ) ", false);
    check("test(block)", true);
    check("test(~nv)", true);
    check("test(=nvme)", false);
    check("test(=ppc64::block::nvme)", true);
    check("test(/::nv.e$/)", true);
    check(r"test(/a\/b|nvm/)", true);
    check("test(#*::block::*)", true);
    check("test(#block*)", false);
    check("group(hotplug)", true);
    check("group(hot)", false);
    check("group(#hot*)", true);
    check("group(~hot)", true);
    check("arch(ppc64)", true);
    check("arch(ppc*)", true);
    check("machine(powernv)", false);
    check("device(virtio-blk-*)", true);
    check("device(virtio-blk-[a-p]ci)", true);
    check("device(virtio-blk-[!p]ci)", false);
    check("device(.vme)", false);
    check("not none()", true);
    check("!!none()", false);
    check("none() and all() or all()", true);
    check("none() & (all() | all())", false);
    check("all() - arch(ppc64)", false);
    check("all() - arch(x86_64) + none()", true);
    // `not` binds tighter than `and`.
    check("not none() and none()", false);
    check(r"test(a\)b) | all()", true);
}

#[test]
fn error_is_shown_at_its_location() {
    let mut drawn = String::new();
    for text in [
        "",
        "tets(x)",
        "virtio",
        "test(x",
        "test()",
        "test(=)",
        "test(/x)",
        "test(/[/)",
        "test(/x/ y)",
        "(all()",
        "all() all()",
        "all() and",
        "all(x)",
        "not",
        "arch(x) xor arch(y)",
        "é",
    ] {
        let wrong = Expression::parse(text).unwrap_err();
        let marks = "^".repeat(text[wrong.span.clone()].chars().count().max(1));
        let column = text[..wrong.span.start].chars().count();
        let _ = writeln!(
            drawn,
            "{}\n|{text}\n|{:column$}{marks} {}",
            wrong.title, "", wrong.label
        );
        let _ = writeln!(drawn, "{}\n", wrong.help.unwrap_or_default());
    }
    assert_snapshot!(drawn);
}

#[test]
fn unknown_test_name_gets_a_suggestion() {
    let check = |text: &str, expect: &[&str]| {
        let unknown = Expression::parse(text).unwrap().unknown(&[nvme()]);
        let message: Vec<String> = unknown
            .iter()
            .map(|wrong| format!("{}: {}", wrong.title, wrong.help.as_deref().unwrap_or("")))
            .collect();
        assert_eq!(message, expect, "{text}");
    };
    check("group(hotplug) & test(nothing)", &[]);
    check(
        "group(hotplgu) or not arch(z80)",
        &[
            "no test has the group `hotplgu`: did you mean `hotplug`?",
            "no test has the arch `z80`: there are ppc64",
        ],
    );
}

proptest! {
    #[test]
    fn parser_never_panics(
        text in "(test|not |and|or|all|arch|[-()/#=~!|&+\\\\ a*\\[\\]é]){0,40}"
    ) {
        if let Err(wrong) = Expression::parse(&text) {
            prop_assert!(text.get(wrong.span.clone()).is_some(), "{:?}", wrong.span);
        }
    }

    #[test]
    fn nesting_that_is_too_deep_is_refused(depth in 60usize..5000) {
        let text = "(".repeat(depth) + "all()" + &")".repeat(depth);
        prop_assert_eq!(Expression::parse(&text).is_ok(), depth <= 64);
    }
}

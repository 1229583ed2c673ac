use super::*;
use crate::event::Subtest;
use crate::event::tests::test_report;

fn pair(old: Outcome, new: Outcome) -> Pair {
    Pair {
        old: test_report("a::b::c", old),
        new: test_report("a::b::c", new),
    }
}

fn failed() -> Outcome {
    let cause = "x".to_owned();
    Outcome::Failed { cause }
}

fn skipped() -> Outcome {
    let reason = "x".to_owned();
    Outcome::Skipped { reason }
}

fn comparison(pairs: Vec<Pair>) -> Comparison {
    Comparison {
        pairs,
        run_dir: "runs/1".into(),
        duration_ms: 1,
        interrupted: None,
    }
}

#[test]
fn new_failures_and_skips_are_regressions() {
    let crashed = || Outcome::QemuCrashed {
        signal: 11,
        message: None,
    };
    for (old, new, expect) in [
        (Outcome::Passed, Outcome::Passed, Verdict::Same),
        (Outcome::Passed, failed(), Verdict::Worse),
        (Outcome::Passed, skipped(), Verdict::Worse),
        (skipped(), failed(), Verdict::Worse),
        (skipped(), skipped(), Verdict::Same),
        (skipped(), Outcome::Passed, Verdict::Better),
        (failed(), Outcome::Passed, Verdict::Better),
        (failed(), failed(), Verdict::Same),
        (failed(), crashed(), Verdict::Changed),
        (failed(), skipped(), Verdict::Changed),
    ] {
        let pair = pair(old, new);
        assert_eq!(pair.verdict(), expect, "{pair:?}");
    }
}

#[test]
fn results_and_output_are_compared_too() {
    let subtest = |name: &str, outcome| Subtest {
        name: name.to_owned(),
        outcome,
    };
    let mut both = pair(failed(), failed());
    both.old.evidence.subtests = vec![subtest("one", Outcome::Passed), subtest("two", failed())];
    both.new.evidence.subtests = vec![subtest("two", failed())];
    assert_eq!(both.verdict(), Verdict::Worse);
    let absent = SubtestChange {
        name: "one".to_owned(),
        old: "passed",
        new: "absent",
    };
    assert_eq!(both.subtests(), [absent]);
    both.new.evidence.subtests = vec![subtest("one", failed()), subtest("two", Outcome::Passed)];
    assert_eq!(both.verdict(), Verdict::Changed);

    let mut both = pair(Outcome::Passed, Outcome::Passed);
    both.new.setup.choices.clear();
    assert_eq!(both.verdict(), Verdict::Changed);
    let mut both = pair(failed(), failed());
    both.new.evidence.diff = vec!["+line".to_owned()];
    assert_eq!(both.verdict(), Verdict::Changed);
}

#[test]
fn unsteady_test_is_not_a_regression() {
    let worse = || pair(Outcome::Passed, failed());
    let better = || pair(failed(), Outcome::Passed);
    let same = || pair(Outcome::Passed, Outcome::Passed);
    let check = |pairs: Vec<Pair>, expect, code| {
        let comparison = comparison(pairs);
        assert_eq!(comparison.verdicts()["a::b::c"], expect);
        assert_eq!(comparison.exit_code(), code);
    };
    check(vec![same(), worse()], Verdict::Worse, 100);
    check(vec![same(), better()], Verdict::Better, 0);
    check(vec![worse(), better()], Verdict::Changed, 0);
    check(vec![same(), same()], Verdict::Same, 0);
    let mut unstable = worse();
    unstable.new.unstable = Some("see https://example.org/1".to_owned());
    check(vec![unstable], Verdict::Worse, 0);
    assert_eq!(comparison(Vec::new()).exit_code(), 4);
}

#[test]
fn time_is_reported_only_beyond_noise() {
    let check = |old: &[u64], new: &[u64], expect: Option<(u64, u64)>| {
        let pairs = old.iter().zip(new).map(|(old, new)| {
            let mut pair = pair(Outcome::Passed, Outcome::Passed);
            (pair.old.times.duration_ms, pair.new.times.duration_ms) = (*old, *new);
            pair
        });
        let comparison = comparison(pairs.collect());
        let found = comparison.timings();
        let found = found.first().map(|it| (it.old_ms, it.new_ms));
        assert_eq!(found, expect, "{old:?} {new:?}");
        assert_eq!(comparison.exit_code(), 0, "time decides nothing");
    };
    check(&[100; 5], &[200; 5], Some((100, 200)));
    check(&[200; 5], &[100; 5], Some((200, 100)));
    // Too few rounds; one time on the other side; less than a tenth.
    check(&[100; 4], &[200; 4], None);
    check(&[100, 100, 100, 100, 250], &[200; 5], None);
    check(&[100; 5], &[109; 5], None);
}

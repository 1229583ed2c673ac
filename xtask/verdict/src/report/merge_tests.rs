use super::*;
use crate::event::tests::{run_report, test_report};
use crate::outcome::Outcome;

/// A part with these tests, with the path `name`.
fn part(name: &str, partition: Option<&str>, tests: &[&str]) -> RunReport {
    let tests = tests.iter().map(|test| test_report(test, Outcome::Passed));
    let mut run = run_report(tests.collect());
    run.run_dir = name.into();
    run.origin.partition = partition.map(str::to_owned);
    run
}

fn on(arch: &str, mut run: RunReport) -> RunReport {
    arch.clone_into(&mut run.platforms[0].arch);
    run
}

fn refused(parts: &[RunReport]) -> String {
    merge(parts, &[], &[]).unwrap_err().to_string()
}

#[test]
fn merged_parts_equal_the_whole_run() {
    let mut one = part("one", Some("slice:1/2"), &["x86_64::a::a", "x86_64::b::c"]);
    let two = part("two", Some("slice:2/2"), &["x86_64::a::b"]);
    let other = on("ppc64", part("other", None, &["ppc64::a::a"]));
    one.duration_ms = 7000;
    one.origin.started = "2026-11-21T04:41:00Z".to_owned();
    let arches = ["ppc64".to_owned()];
    let argv = ["report".to_owned(), "--merge".to_owned()];
    let run = merge(&[two, one, other], &arches, &argv).unwrap();
    let names: Vec<&str> = run.tests.iter().map(|test| test.name.as_str()).collect();
    let expect = [
        "x86_64::a::a",
        "x86_64::a::b",
        "x86_64::b::c",
        "ppc64::a::a",
    ];
    assert_eq!(names, expect);
    assert_eq!((run.duration_ms, run.platforms.len()), (7000, 2));
    assert_eq!(run.origin.partition, None);
    assert_eq!(run.origin.started, "2026-11-21T04:41:00Z");
    assert_eq!(run.origin.argv, argv);
}

#[test]
fn missing_part_is_reported() {
    let parts = ["slice:1/3", "slice:3/3"].map(|text| part(text, Some(text), &[]));
    let error = merge(&parts, &[], &[]).unwrap_err();
    assert_eq!(error.to_string(), "x86_64: missing report of slice:2/3");
    let hint = error.hint().unwrap();
    assert_eq!(hint, "cargo xtask test --partition slice:2/3");
    let asked = ["s390x".to_owned()];
    let error = merge(&[part("one", None, &[])], &asked, &[]).unwrap_err();
    assert_eq!(error.to_string(), "missing report of s390x");
    assert_eq!(refused(&[]), "no reports to merge");
}

#[test]
fn duplicate_parts_are_refused() {
    let test = &["x86_64::a::b"][..];
    let twice = [part("one", None, test), part("two", None, test)];
    assert_eq!(refused(&twice), "`one` and `two` both have slice:1/1");
    let hashed = |name, text| part(name, Some(text), test);
    let same_test = [hashed("one", "hash:1/2"), hashed("two", "hash:2/2")];
    assert_eq!(
        refused(&same_test),
        "`one` and `two` both have x86_64::a::b"
    );
    // A part may contain a test several times, in different rounds.
    let rounds = part("one", None, &["x86_64::a::b", "x86_64::a::b"]);
    assert_eq!(merge(&[rounds], &[], &[]).unwrap().tests.len(), 2);
}

#[test]
fn parts_of_different_runs_are_refused() {
    let check = |change: fn(&mut RunReport), expect: &str| {
        let mut two = part("two", Some("slice:2/2"), &[]);
        change(&mut two);
        let error = refused(&[part("one", Some("slice:1/2"), &[]), two]);
        assert_eq!(
            error,
            format!("`one` and `two` are from different runs: {expect}")
        );
    };
    check(|run| run.seed = 8, "the seed is `7` and `8`");
    check(
        |run| run.origin.commit = None,
        "the commit is `0123456789ab` and `none`",
    );
    check(
        |run| run.platforms[0].image = "image-4567".to_owned(),
        "the image of x86_64 is `image-0123` and `image-4567`",
    );
    check(
        |run| run.origin.partition = Some("slice:2/3".to_owned()),
        "the last part is `slice:2/2` and `slice:3/3`",
    );
}

#[test]
fn merged_coverage_is_a_union() {
    let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect();
    let mut parts = ["slice:1/2", "slice:2/2"].map(|text| part(text, Some(text), &[]));
    let devices = ["nvme", "edu"];
    for (run, covered) in parts.iter_mut().zip([0, 1]) {
        run.coverage = Some(vec![Coverage {
            arch: "x86_64".to_owned(),
            covered: names(&devices[covered..=covered]),
            not_covered: names(&[devices[1 - covered], "rocker"]),
        }]);
    }
    let joined = merge(&parts, &[], &[]).unwrap().coverage.unwrap();
    assert_eq!(joined[0].covered, names(&["edu", "nvme"]));
    assert_eq!(joined[0].not_covered, names(&["rocker"]));
}

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::event::tests::{run_report, test_report};
use crate::report::samples;

/// The outermost test points as a TAP 14 reader sees them: whether it is ok, its name, and its
/// directive.
fn points(tap: &str) -> Vec<(bool, String, Option<String>)> {
    let read = |line: &str| {
        let (ok, rest) = match line.strip_prefix("not ok ") {
            Some(rest) => (false, rest),
            None => (true, line.strip_prefix("ok ")?),
        };
        let (_, rest) = rest.split_once(" - ")?;
        let mut parts = [String::new(), String::new()];
        let (mut at, mut chars) = (0, rest.chars());
        while let Some(c) = chars.next() {
            match c {
                '\\' => parts[at].extend(chars.next()),
                '#' if at == 0 => at = 1,
                c => parts[at].push(c),
            }
        }
        let [name, directive] = parts.map(|part| part.trim().to_owned());
        Some((ok, name, (at == 1).then_some(directive)))
    };
    tap.lines().filter_map(read).collect()
}

#[test]
fn every_outcome_is_in_the_report() {
    assert_snapshot!(render(&samples::run(), Version::V14));
}

#[test]
fn interrupted_run_bails_out() {
    let mut run = run_report(vec![]);
    run.interrupted = Some(2);
    assert!(render(&run, Version::V14).ends_with("Bail out! interrupted by signal 2\n"));
}

proptest! {
    #[test]
    fn guest_output_keeps_one_point_per_test(printed in "\\PC*|[\\x00-\\x7f]*|\nok 1 - .*") {
        let reason = printed.clone();
        let mut forged = test_report("x::a::b", Outcome::Failed { cause: printed.clone() });
        forged.evidence.console_tail = vec![printed.clone()];
        forged.unstable = Some(printed.clone());
        forged.evidence.subtests = vec![Subtest { name: printed.clone(), outcome: Outcome::Passed }];
        let run = run_report(vec![
            forged,
            test_report("x::a::c", Outcome::Skipped { reason }),
        ]);
        let tap = render(&run, Version::V14);
        let line = text::line(printed.as_bytes());
        let printed = line.trim();
        let directive = |word: &str| Some(format!("{word} {printed}").trim().to_owned());
        prop_assert_eq!(points(&tap), vec![
            (false, "x::a::b".to_owned(), directive("TODO")),
            (true, "x::a::c".to_owned(), directive("SKIP")),
        ]);
        // The quoting of YAML is the same as that of JSON here.
        let message = tap.lines().find_map(|line| line.strip_prefix("  message: ")).unwrap();
        let read: String = serde_json::from_str(message).unwrap();
        prop_assert_eq!(&read, &run.tests[0].outcome.cause());
    }
}

#[test]
fn version_13_differs_in_its_first_line() {
    let run = samples::run();
    let [old, new] = [Version::V13, Version::V14].map(|version| render(&run, version));
    let rest = |text: &str| text.split_once('\n').map(|(_, rest)| rest.to_owned());
    assert!(old.starts_with("TAP version 13\n"));
    assert_eq!(rest(&old), rest(&new));
}

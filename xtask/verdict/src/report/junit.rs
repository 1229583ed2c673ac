//! A run as `JUnit` XML: a suite for each architecture and area, skips with their reasons, tries and
//! circumstances where Surefire and nextest have them.
//!
//! A harness error is an `error`, everything else that is not a success a `failure`; but a failure that
//! is known and fails no run is `skipped`, as readers of `JUnit` know no other word that is not red.

use quick_junit::{
    NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestRerun, TestSuite,
};

use crate::event::{RunReport, TestReport, Try};
use crate::outcome::Outcome;

/// Renders a finished run.
pub fn render(run: &RunReport) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("kiln");
    report.set_time(std::time::Duration::from_millis(run.duration_ms));
    let mut suites: Vec<(String, TestSuite)> = Vec::new();
    for test in &run.tests {
        let name = class(test);
        let at = suites
            .iter()
            .position(|(known, _)| *known == name)
            .unwrap_or_else(|| {
                suites.push((name.clone(), suite(&name, &test.arch, run)));
                suites.len() - 1
            });
        suites[at].1.add_test_case(case(test));
    }
    report.add_test_suites(suites.into_iter().map(|(_, suite)| suite));
    report.to_string()
}

fn class(test: &TestReport) -> String {
    format!("{}::{}", test.arch, test.area)
}

/// An empty suite with what all its tests have in common.
fn suite(name: &str, arch: &str, run: &RunReport) -> TestSuite {
    let mut suite = TestSuite::new(name);
    let mut add = |name: &str, value: &str| {
        suite.add_property(Property::new(name, value));
    };
    add("seed", &run.seed.to_string());
    add("started", &run.origin.started);
    add("kiln", &run.origin.kiln);
    if let Some(commit) = &run.origin.commit {
        add("commit", commit);
    }
    if let Some(platform) = run.platforms.iter().find(|one| one.arch == arch) {
        add("image", &platform.image);
        add("qemu", &platform.qemu);
        add("accel", &platform.accel);
    }
    suite
}

fn case(test: &TestReport) -> TestCase {
    let mut case = TestCase::new(test.name.as_str(), status(test));
    case.set_classname(class(test)).set_time(test.duration());
    let mut add = |name: &str, value: &str| {
        case.add_property(Property::new(name, value));
    };
    add("machine", &test.machine);
    if test.round > 0 {
        add("round", &test.round.to_string());
    }
    if !test.choices.is_empty() {
        add("seed", &test.seed.to_string());
    }
    for choice in &test.choices {
        add(&format!("choice.{}", choice.name), &choice.value);
    }
    for subtest in &test.subtests {
        add(
            &format!("subtest.{}", subtest.name),
            subtest.outcome.label(),
        );
    }
    if !test.outcome.is_success() {
        let printed = if test.diff.is_empty() {
            &test.output_tail
        } else {
            &test.diff
        };
        case.set_system_out(printed.join("\n"));
        case.set_system_err(test.console_tail.join("\n"));
    }
    case
}

fn status(test: &TestReport) -> TestCaseStatus {
    let known = test
        .unstable
        .as_ref()
        .filter(|_| !test.outcome.is_success());
    let mut status = match &test.outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Skipped { .. } | Outcome::NotRun { .. } => TestCaseStatus::skipped(),
        _ if known.is_some() => TestCaseStatus::skipped(),
        outcome => TestCaseStatus::non_success(kind(outcome)),
    };
    let said = test.outcome.cause();
    let (message, word) = match known {
        Some(reason) => {
            let word = test.outcome.label();
            (format!("{reason} ({word}: {said})"), "unstable")
        }
        None => (said, test.outcome.label()),
    };
    status.set_message(message).set_type(word);
    if !test.outcome.is_success() {
        status.set_description(test.reproduce.as_str());
    }
    status.add_reruns(test.failed_tries.iter().map(rerun));
    status
}

fn rerun(failed: &Try) -> TestRerun {
    let mut rerun = TestRerun::new(kind(&failed.outcome));
    rerun
        .set_time(std::time::Duration::from_millis(failed.duration_ms))
        .set_message(failed.outcome.cause())
        .set_type(failed.outcome.label());
    rerun
}

fn kind(outcome: &Outcome) -> NonSuccessKind {
    match outcome {
        Outcome::HarnessError { .. } => NonSuccessKind::Error,
        _ => NonSuccessKind::Failure,
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;
    use quick_junit::XmlString;

    use super::*;
    use crate::event::tests::{run_report, test_report};
    use crate::report::samples;

    #[test]
    fn every_outcome_is_in_the_report() {
        assert_snapshot!(render(&samples::run()).unwrap());
    }

    proptest! {
        #[test]
        fn guest_text_survives_a_round_trip(said in "\\PC*|[\\x00-\\x7f]*|\\]\\]>.*") {
            let outcome = Outcome::Failed { cause: said.clone() };
            let mut test = test_report("x::a::b", outcome);
            test.output_tail = vec![said.clone()];
            test.choices[0].value.clone_from(&said);
            let text = render(&run_report(vec![test])).unwrap();
            let read = Report::deserialize_from_str(&text).unwrap();
            let case = &read.test_suites[0].test_cases[0];
            prop_assert_eq!(&case.name.as_str(), &"x::a::b");
            let TestCaseStatus::NonSuccess { message, .. } = &case.status else {
                return Err(TestCaseError::fail("it failed"));
            };
            // XML has no way to say control characters, and a terminal's colours mean nothing in it.
            let kept = |text: &str| -> String {
                text.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect()
            };
            let message = message.as_ref().map(|text| kept(text.as_str()));
            prop_assert_eq!(message.unwrap_or_default(), kept(XmlString::new(&said).as_str()));
        }
    }
}

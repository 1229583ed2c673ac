//! A run as `JUnit` XML: a suite for each architecture and area, skips with their reasons.
//!
//! A harness error is an `error`, everything else that is no success a `failure`.

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use crate::event::{RunReport, TestReport};
use crate::outcome::Outcome;

/// Renders a finished run.
pub fn render(run: &RunReport) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("kiln");
    report.set_time(std::time::Duration::from_millis(run.duration_ms));
    let mut suites: Vec<(String, TestSuite)> = Vec::new();
    for test in &run.tests {
        let name = format!("{}::{}", test.arch, test.area);
        let at = suites
            .iter()
            .position(|(known, _)| *known == name)
            .unwrap_or_else(|| {
                let mut suite = TestSuite::new(name.as_str());
                suite.add_property(Property::new("seed", run.seed.to_string()));
                suites.push((name, suite));
                suites.len() - 1
            });
        suites[at].1.add_test_case(case(test));
    }
    report.add_test_suites(suites.into_iter().map(|(_, suite)| suite));
    report.to_string()
}

fn case(test: &TestReport) -> TestCase {
    let mut status = match &test.outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Skipped { .. } | Outcome::NotRun { .. } => TestCaseStatus::skipped(),
        Outcome::HarnessError { .. } => TestCaseStatus::non_success(NonSuccessKind::Error),
        _ => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    if test.outcome != Outcome::Passed {
        status
            .set_message(test.outcome.cause())
            .set_type(test.outcome.word());
    }
    if !test.outcome.is_success() {
        status.set_description(test.reproduce.as_str());
    }
    let mut case = TestCase::new(test.name.as_str(), status);
    case.set_classname(format!("{}::{}", test.arch, test.area))
        .set_time(test.duration());
    for choice in &test.choices {
        case.add_property(Property::new(
            format!("choice.{}", choice.name),
            choice.word.as_str(),
        ));
    }
    if !test.outcome.is_success() {
        case.set_system_out(test.output_tail.join("\n"));
        case.set_system_err(test.console_tail.join("\n"));
    }
    case
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::event::tests::{run_report, test_report};

    #[test]
    fn every_outcome_is_in_the_report() {
        let mut nasty = test_report(
            "ppc64::net::nic",
            Outcome::Failed {
                cause: "a < b & \"c\"".to_owned(),
            },
        );
        nasty.output_tail = vec!["\u{1b}]0;x\u{7} <![CDATA[ ]]> \0".to_owned()];
        let run = run_report(vec![
            test_report("x86_64::boot::true", Outcome::Passed),
            test_report(
                "x86_64::boot::uname",
                Outcome::Skipped {
                    reason: "QEMU lacks it".to_owned(),
                },
            ),
            test_report("x86_64::net::nic", Outcome::QemuCrashed { signal: 11 }),
            test_report(
                "x86_64::boot::x",
                Outcome::HarnessError {
                    message: "no disk".to_owned(),
                },
            ),
            nasty,
        ]);
        assert_snapshot!(render(&run).unwrap());
    }
}

//! A run as workflow commands of GitHub Actions: an error for each test that fails the run and a
//! warning for flaky and unstable ones, each at the test's file.

use std::fmt::Write as _;

use crate::event::{RunReport, TestReport};
use crate::report::labels::is_notable;

/// Renders a finished run with one annotation per line.
#[must_use]
pub fn annotations(run: &RunReport) -> String {
    let mut text = String::new();
    for test in run.tests.iter().filter(|test| is_notable(test)) {
        let level = if test.is_fatal() { "error" } else { "warning" };
        let line = test.evidence.line.unwrap_or(1);
        let place = test.file();
        let place = place.map(|file| format!("file={},line={line},", property(&file)));
        let place = place.unwrap_or_default();
        let title = property(&format!("{} {}", test.name, test.label()));
        let message = data(&message(test));
        let _ = writeln!(text, "::{level} {place}title={title}::{message}");
    }
    text
}

fn message(test: &TestReport) -> String {
    let mut lines = Vec::new();
    if !test.outcome.is_success() {
        lines.push(format!(
            "{}: {}",
            test.outcome.label(),
            test.outcome.cause()
        ));
    }
    let tries = test.failed_tries.iter();
    lines.extend(tries.map(|tried| format!("an earlier try: {}", tried.outcome.cause())));
    if let Some(reason) = test
        .unstable
        .as_ref()
        .filter(|_| !test.outcome.is_success())
    {
        lines.push(format!("known to be unstable: {reason}"));
    }
    lines.push(test.reproduce.clone());
    lines.join("\n")
}

/// Escapes the text after `::` like `@actions/toolkit`.
fn data(text: &str) -> String {
    let text = text.replace('%', "%25");
    text.replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property value before `::` like `@actions/toolkit`.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::event::tests::{run_report, test_report};
    use crate::kind::TestKind;
    use crate::outcome::Outcome;
    use crate::report::samples;

    #[test]
    fn noteworthy_results_are_annotated_at_their_file() {
        assert_snapshot!(annotations(&samples::run()));
    }

    #[test]
    fn the_line_that_failed_is_annotated() {
        let cause = "exit status 1".to_owned();
        let mut test = test_report("x::a::b", Outcome::Failed { cause });
        test.evidence.line = Some(12);
        let command = annotations(&run_report(vec![test]));
        let place = "::error file=guest-tests/a/b.sh,line=12,title=";
        assert!(command.starts_with(place), "{command}");
    }

    #[test]
    fn test_of_another_suite_has_no_file() {
        let check = |kind, expect: &str| {
            let cause = "exit status 1".to_owned();
            let mut test = test_report("x::a-b::c", Outcome::Failed { cause });
            test.kind = Some(kind);
            let command = annotations(&run_report(vec![test]));
            assert!(command.starts_with(expect), "{command}");
        };
        check(TestKind::Suite, "::error title=");
        check(
            TestKind::Device,
            "::error file=tests/device/src/a_b.rs,line=1,title=",
        );
        check(
            TestKind::Host,
            "::error file=guest-tests/a-b/c.sh,line=1,title=",
        );
    }

    proptest! {
        #[test]
        fn guest_text_adds_no_command(printed in "\\PC*|[\\x00-\\x7f]*|(\r|\n|\r\n)::error::.*|%0A.*") {
            let test = test_report("x::a::b", Outcome::Failed { cause: printed.clone() });
            let expect = message(&test);
            let text = annotations(&run_report(vec![test]));
            prop_assert_eq!(text.matches(['\n', '\r']).count(), 1);
            let (_, message) = text.trim_end_matches('\n').split_once("title=x%3A%3Aa%3A%3Ab failed::").unwrap();
            let read = message.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%");
            prop_assert_eq!(read, expect);
        }
    }
}

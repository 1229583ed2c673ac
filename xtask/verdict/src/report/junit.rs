//! A run as `JUnit` XML: a suite per architecture and area, skips with reasons, and retries and
//! properties in the form of Surefire and nextest.
//!
//! A harness error is an `error` and any other failure a `failure`. A failure of a test marked
//! unstable is `skipped`, because `JUnit` has no other status that does not fail a run.

use std::fmt::Write as _;
use std::time::Duration;

use crate::event::{RunReport, TestReport};
use crate::outcome::Outcome;
use crate::text;

/// Renders a finished run.
#[must_use]
pub fn render(run: &RunReport) -> String {
    let mut suites: Vec<(String, Vec<&TestReport>)> = Vec::new();
    for test in &run.tests {
        let name = class(test);
        match suites.iter_mut().find(|(known, _)| *known == name) {
            Some((_, tests)) => tests.push(test),
            None => suites.push((name, vec![test])),
        }
    }
    let mut xml = Xml::default();
    let time = seconds(run.duration_ms);
    let all: Vec<&TestReport> = run.tests.iter().collect();
    let [tests, skipped, errors, failures] = counts(&all);
    let totals = [
        ("name", "kiln".to_owned()),
        ("tests", tests),
        ("skipped", skipped),
        ("failures", failures),
        ("errors", errors),
        ("time", time),
    ];
    xml.open("testsuites", &totals);
    for (name, tests) in suites {
        suite(&mut xml, &name, &tests, run);
    }
    xml.close("testsuites");
    xml.text
}

fn class(test: &TestReport) -> String {
    format!("{}::{}", test.arch, test.area)
}

/// The numbers of tests, skipped tests, errors and failures.
fn counts(tests: &[&TestReport]) -> [String; 4] {
    let count = |tag: &str| {
        tests
            .iter()
            .filter(|test| status(test) == Some(tag))
            .count()
    };
    [
        tests.len(),
        count("skipped"),
        count("error"),
        count("failure"),
    ]
    .map(|count| count.to_string())
}

fn suite(xml: &mut Xml, name: &str, tests: &[&TestReport], run: &RunReport) {
    let [count, skipped, errors, failures] = counts(tests);
    let attributes = [
        ("name", name.to_owned()),
        ("tests", count),
        ("skipped", skipped),
        ("errors", errors),
        ("failures", failures),
    ];
    xml.open("testsuite", &attributes);
    let mut properties = vec![
        ("seed".to_owned(), run.seed.to_string()),
        ("started".to_owned(), run.origin.started.clone()),
        ("kiln".to_owned(), run.origin.kiln.clone()),
    ];
    let mut add = |name: &str, value: &str| properties.push((name.to_owned(), value.to_owned()));
    if let Some(commit) = &run.origin.commit {
        add("commit", commit);
    }
    let arch = tests.first().map(|test| &test.arch);
    if let Some(platform) = run.platforms.iter().find(|one| Some(&one.arch) == arch) {
        // Without guests, a run has neither image nor accelerator.
        let facts = [
            ("image", &platform.image),
            ("qemu", &platform.qemu),
            ("accel", &platform.accel),
        ];
        for (name, value) in facts {
            if !value.is_empty() {
                add(name, value);
            }
        }
    }
    xml.properties(&properties);
    for test in tests {
        case(xml, test);
    }
    xml.close("testsuite");
}

fn case(xml: &mut Xml, test: &TestReport) {
    let attributes = [
        ("name", test.name.clone()),
        ("classname", class(test)),
        ("time", seconds(test.times.duration_ms)),
    ];
    xml.open("testcase", &attributes);
    let mut properties = Vec::new();
    let mut add = |name: String, value: &str| properties.push((name, value.to_owned()));
    if let Some(kind) = test.kind {
        add("kind".to_owned(), kind.label());
    }
    if !test.setup.machine.is_empty() {
        add("machine".to_owned(), &test.setup.machine);
    }
    if test.setup.round > 0 {
        add("round".to_owned(), &test.setup.round.to_string());
    }
    if !test.setup.choices.is_empty() {
        add("seed".to_owned(), &test.setup.seed.to_string());
    }
    for choice in &test.setup.choices {
        add(format!("choice.{}", choice.name), &choice.value);
    }
    for start in &test.setup.starts {
        add("start".to_owned(), &start.to_string());
    }
    for subtest in &test.evidence.subtests {
        add(format!("subtest.{}", subtest.name), subtest.outcome.label());
    }
    xml.properties(&properties);
    if let Some(tag) = status(test) {
        let (cause, label) = (test.outcome.cause(), test.outcome.label());
        let known = test
            .unstable
            .as_ref()
            .filter(|_| !test.outcome.is_success());
        let (message, label) = match known {
            Some(reason) => (format!("{reason} ({label}: {cause})"), "unstable"),
            None => (cause, label),
        };
        let attributes = [("message", message), ("type", label.to_owned())];
        let reproduce = (!test.outcome.is_success()).then_some(test.reproduce.as_str());
        xml.element(tag, &attributes, reproduce);
    }
    let tag = match status(test) {
        None => "flakyFailure",
        // The format has no element for retries of a skipped test.
        Some("skipped") => "",
        Some(_) => "rerunFailure",
    };
    for failed in test.failed_tries.iter().filter(|_| !tag.is_empty()) {
        let attributes = [
            ("time", seconds(failed.duration_ms)),
            ("message", failed.outcome.cause()),
            ("type", failed.outcome.label().to_owned()),
        ];
        xml.element(tag, &attributes, None);
    }
    if !test.outcome.is_success() {
        let printed = if test.evidence.diff.is_empty() {
            &test.evidence.output_tail
        } else {
            &test.evidence.diff
        };
        xml.element("system-out", &[], Some(&printed.join("\n")));
        xml.element(
            "system-err",
            &[],
            Some(&test.evidence.console_tail.join("\n")),
        );
    }
    xml.close("testcase");
}

/// The element for the outcome of a test, or none for a pass.
fn status(test: &TestReport) -> Option<&'static str> {
    match &test.outcome {
        Outcome::Passed => None,
        Outcome::Skipped { .. } | Outcome::NotRun { .. } => Some("skipped"),
        outcome if !outcome.is_success() && test.unstable.is_some() => Some("skipped"),
        Outcome::HarnessError { .. } => Some("error"),
        _ => Some("failure"),
    }
}

fn seconds(milliseconds: u64) -> String {
    format!("{:.3}", Duration::from_millis(milliseconds).as_secs_f64())
}

/// A growing document with one element per line.
struct Xml {
    text: String,
    depth: usize,
}

impl Default for Xml {
    fn default() -> Self {
        Self {
            text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(),
            depth: 0,
        }
    }
}

impl Xml {
    fn tag(&mut self, name: &str, attributes: &[(&str, String)]) {
        let indent = " ".repeat(4 * self.depth);
        // Writing to a `String` cannot fail.
        let _ = write!(self.text, "{indent}<{name}");
        for (name, value) in attributes {
            let _ = write!(self.text, " {name}=\"{}\"", escaped(value));
        }
    }

    fn open(&mut self, name: &str, attributes: &[(&str, String)]) {
        self.tag(name, attributes);
        self.text.push_str(">\n");
        self.depth += 1;
    }

    fn close(&mut self, name: &str) {
        self.depth -= 1;
        let indent = " ".repeat(4 * self.depth);
        let _ = writeln!(self.text, "{indent}</{name}>");
    }

    fn element(&mut self, name: &str, attributes: &[(&str, String)], text: Option<&str>) {
        self.tag(name, attributes);
        let _ = match text {
            Some(text) => writeln!(self.text, ">{}</{name}>", escaped(text)),
            None => writeln!(self.text, "/>"),
        };
    }

    fn properties(&mut self, properties: &[(String, String)]) {
        self.open("properties", &[]);
        for (name, value) in properties {
            self.element(
                "property",
                &[("name", name.clone()), ("value", value.clone())],
                None,
            );
        }
        self.close("properties");
    }
}

/// Escapes text for XML 1.0 and removes terminal sequences and characters that XML forbids.
fn escaped(text: &str) -> String {
    let plain = text::plain(text.as_bytes());
    let mut escaped = String::with_capacity(plain.len());
    for character in plain.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\t' | '\n' => escaped.push(character),
            '\u{fffe}' | '\u{ffff}' => {}
            other if other.is_control() => {}
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::event::tests::{run_report, test_report};
    use crate::report::samples;

    #[test]
    fn every_outcome_is_in_the_report() {
        assert_snapshot!(render(&samples::run()));
    }

    #[test]
    fn markup_and_control_characters_are_escaped() {
        for (text, expect) in [
            ("a<b>&\"'", "a&lt;b&gt;&amp;&quot;&apos;"),
            ("\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("]]>\u{ffff}", "]]&gt;"),
        ] {
            assert_eq!(escaped(text), expect, "{text:?}");
        }
    }

    /// The tags of a document in order, without attributes.
    fn tags(xml: &str) -> Vec<&str> {
        let tags = xml.split('<').skip(1);
        tags.map(|tag| tag.split([' ', '>']).next().unwrap_or_default())
            .collect()
    }

    proptest! {
        #[test]
        fn guest_text_adds_no_element(printed in "\\PC*|[\\x00-\\x7f]*|\\]\\]>.*") {
            let report = |printed: &str| {
                let outcome = Outcome::Failed { cause: printed.to_owned() };
                let mut test = test_report("x::a::b", outcome);
                test.evidence.output_tail = vec![printed.to_owned()];
                test.setup.choices[0].value = printed.to_owned();
                render(&run_report(vec![test]))
            };
            let xml = report(&printed);
            let plain_xml = report("nothing");
            prop_assert_eq!(tags(&xml), tags(&plain_xml));
        }
    }
}

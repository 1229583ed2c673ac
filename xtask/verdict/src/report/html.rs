//! A run as one self-contained HTML page: the failures with their causes, then every test by
//! architecture. The page is complete without scripts, which only search, filter and copy.
//!
//! `html/page.rs` prepares the content, and the template and style are next to it. The template
//! escapes all text, because a guest controls parts of it.

use plan::template::{self, TemplateError};

use crate::event::RunReport;

mod page;

const TEMPLATE: &str = include_str!("html/page.html.hbs");
/// The template of one test with all details, used in two places of the page.
const DETAIL: &str = include_str!("html/detail.html.hbs");
const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// Renders a finished run.
pub fn render(run: &RunReport) -> Result<String, TemplateError> {
    let text = TEMPLATE.replace("{{> detail}}", DETAIL);
    template::page("report", &text, &page::Page::new(run, STYLE, SCRIPT))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::event::tests::{run_report, test_report};
    use crate::event::{Attempt, Subtest};
    use crate::outcome::Outcome;
    use crate::report::samples;

    /// The page without its constant parts.
    fn body(run: &RunReport) -> String {
        let page = render(run).unwrap();
        let (_, body) = page.split_once("</style>").unwrap();
        let (body, _) = body.rsplit_once("<script>").unwrap();
        body.to_owned()
    }

    /// The names of the tags in order, which is the structure of the page without its text.
    fn tags(page: &str) -> Vec<String> {
        let tag = |text: &str| {
            let (inside, _) = text.split_once('>')?;
            Some(inside.split(' ').next()?.to_owned())
        };
        page.split('<').skip(1).filter_map(tag).collect()
    }

    #[test]
    fn every_outcome_is_on_the_page() {
        assert_snapshot!(body(&samples::run()));
    }

    #[test]
    fn a_page_of_many_tests_is_small() {
        let arches = ["x86_64", "aarch64", "ppc64"];
        let names = (0..83).flat_map(|n| arches.map(|arch| format!("{arch}::block::test-{n}")));
        let tests = names.map(|name| test_report(&name, Outcome::Passed));
        let page = render(&run_report(tests.collect())).unwrap();
        assert!(page.len() < 100_000, "{} bytes", page.len());
    }

    fn saying(printed: &str) -> RunReport {
        let own = || printed.to_owned();
        let mut test = test_report("x::a::b", Outcome::Failed { cause: own() });
        test.evidence.output_tail = vec![own()];
        test.evidence.console_tail = vec![own()];
        test.evidence.diff = vec![format!("+{printed}")];
        test.evidence.notes = vec![own()];
        test.setup.choices[0].value = own();
        test.reproduce = own();
        test.evidence.subtests = vec![Subtest {
            name: own(),
            outcome: Outcome::Passed,
        }];
        let outcome = Outcome::Failed { cause: own() };
        test.failed_tries = vec![Attempt {
            outcome,
            duration_ms: 1,
            log_dir: Some(own().into()),
        }];
        let skipped = test_report("x::a::c", Outcome::Skipped { reason: own() });
        run_report(vec![test, skipped])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn guest_text_adds_no_element(printed in "\\PC{1,40}|[ -~]{1,40}|</?[a-z]+( on=\"x\")?>.{1,9}") {
            prop_assert_eq!(tags(&body(&saying(&printed))), tags(&body(&saying("nothing"))));
        }
    }
}

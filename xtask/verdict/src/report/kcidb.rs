//! A run for `KernelCI`'s database: the JSON of `kcidb_io`, schema version 5.3.
//!
//! A run becomes a checkout, each platform a build, and each test and subtest a test. Ids derive
//! from the content of the run, so the same run gives the same ids.

use plan::digest::Digest;
use serde_json::{Map, Value, json};

use crate::event::{RunReport, TestReport};
use crate::outcome::Outcome;
use crate::report::labels;
use crate::text;

/// The origin of the report. A submitter replaces it by the name that `KernelCI` assigned.
const ORIGIN: &str = "kiln";
/// Maximum number of characters in a log excerpt.
const EXCERPT: usize = 16_384;
/// Maximum number of lines in a log excerpt.
const LINES: usize = 50;

/// Renders a finished run.
pub fn render(run: &RunReport) -> serde_json::Result<String> {
    let run_id = id(run)?;
    let build_id = |arch: &str| format!("{run_id}:{arch}");
    let builds = run.platforms.iter().map(|platform| {
        json!({
            "id": build_id(&platform.arch),
            "origin": ORIGIN,
            "checkout_id": run_id,
            "architecture": platform.arch,
            "start_time": run.origin.started,
            "comment": platform.to_string(),
            "misc": platform,
        })
    });
    let tests = run.tests.iter().enumerate().flat_map(|(index, test)| {
        let build = build_id(&test.arch);
        let whole = whole(run, test, &build, index);
        let parts = test
            .evidence
            .subtests
            .iter()
            .enumerate()
            .map(move |(part, subtest)| {
                let parts = subtest.name.split("::").map(node);
                let path = parts.fold(path(test), |path, part| format!("{path}.{part}"));
                json!({
                    "id": format!("{build}:{index}.{part}"),
                    "origin": ORIGIN,
                    "build_id": build,
                    "path": path,
                    "comment": line(&subtest.name),
                    "status": status(&subtest.outcome),
                    "misc": { "cause": subtest.outcome.cause() },
                })
            });
        std::iter::once(whole).chain(parts).collect::<Vec<_>>()
    });
    let value = json!({
        "version": { "major": 5, "minor": 3 },
        "checkouts": [{
            "id": run_id,
            "origin": ORIGIN,
            "start_time": run.origin.started,
            "misc": { "kiln": run.origin.kiln, "commit": run.origin.commit, "argv": run.origin.argv },
        }],
        "builds": builds.collect::<Vec<_>>(),
        "tests": tests.collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

fn id(run: &RunReport) -> serde_json::Result<String> {
    let digest = Digest::of(serde_json::to_string(run)?.as_bytes());
    Ok(format!("{ORIGIN}:{digest}"))
}

/// The object of a test without its subtests.
fn whole(run: &RunReport, test: &TestReport, build: &str, index: usize) -> Value {
    let mut value = json!({
        "id": format!("{build}:{index}"),
        "origin": ORIGIN,
        "build_id": build,
        "path": path(test),
        "comment": line(&test.name),
        "status": status(&test.outcome),
        "start_time": run.origin.started,
        "environment": {
            "comment": line(&format!("QEMU {}, machine {}", test.setup.qemu, test.setup.machine)),
            "misc": { "machine": test.setup.machine, "accel": test.setup.accel, "qemu": test.setup.qemu },
        },
        "misc": {
            "outcome": test.outcome.label(),
            "cause": test.outcome.cause(),
            "seed": test.setup.seed,
            "round": test.setup.round,
            "choices": test.setup.choices,
            "starts": test.setup.starts,
            "reproduce": test.reproduce,
        },
    });
    let fields = value.as_object_mut();
    let mut fields = fields.map_or_else(Map::new, std::mem::take);
    // A test that did not run has no duration.
    if !matches!(test.outcome, Outcome::NotRun { .. }) {
        fields.insert("duration".to_owned(), json!(test.duration().as_secs_f64()));
    }
    if let Some(excerpt) = excerpt(test) {
        fields.insert("log_excerpt".to_owned(), excerpt.into());
    }
    Value::Object(fields)
}

/// The end of a failed test's output, or else of its console.
fn excerpt(test: &TestReport) -> Option<String> {
    let logs = [&test.evidence.output_tail, &test.evidence.console_tail];
    let log = logs.into_iter().find(|log| !log.is_empty());
    let log = log.filter(|_| !test.outcome.is_success())?;
    let mut excerpt: String = labels::excerpt(log, LINES)
        .iter()
        .flat_map(|log| [line(log), "\n".to_owned()])
        .collect();
    if let Some((cut, _)) = excerpt.char_indices().nth(EXCERPT) {
        excerpt.truncate(cut);
    }
    Some(excerpt)
}

/// The path in the tree of tests, with dots between the nodes.
fn path(test: &TestReport) -> String {
    let nodes = test.area.split('/').chain([test.test.as_str()]);
    let nodes: Vec<String> = nodes.map(node).collect();
    nodes.join(".")
}

/// A node of a path: letters, digits, `_` and `-`, not empty.
fn node(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let name: String = name
        .chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect();
    if name.is_empty() {
        "_".to_owned()
    } else {
        name
    }
}

fn line(text: &str) -> String {
    text::line(text.as_bytes()).replace('\0', "")
}

/// The status: `FAIL` is a result about the tested software, `MISS` and `ERROR` are not.
fn status(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "PASS",
        Outcome::Skipped { .. } => "SKIP",
        Outcome::HarnessError { .. } | Outcome::NotRun { .. } => "MISS",
        Outcome::QemuDidNotStart { .. } => "ERROR",
        Outcome::Failed { .. }
        | Outcome::TimedOut { .. }
        | Outcome::GuestPanicked { .. }
        | Outcome::GuestOopsed { .. }
        | Outcome::QemuCrashed { .. }
        | Outcome::LostGuest { .. } => "FAIL",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::report::samples;

    /// Checks an object against schema 5.3: its required and its optional properties.
    fn check(object: &Value, required: &[&str], optional: &[&str]) {
        let object = object.as_object().unwrap();
        let keys: BTreeSet<&str> = object.keys().map(String::as_str).collect();
        let known: BTreeSet<&str> = required.iter().chain(optional).copied().collect();
        assert!(keys.is_subset(&known), "{keys:?}");
        assert!(required.iter().all(|key| keys.contains(key)), "{keys:?}");
        let strings = object
            .iter()
            .filter_map(|(key, value)| Some((key, value.as_str()?)));
        for (key, text) in strings {
            assert!(!text.contains('\0'), "{key}");
        }
        let prefix = format!("{}:", object["origin"].as_str().unwrap());
        for key in ["id", "build_id", "checkout_id"] {
            let value = object.get(key).and_then(Value::as_str);
            assert!(value.is_none_or(|id| id.starts_with(&prefix)), "{key}");
        }
        assert!(object.values().all(|value| !value.is_null()), "{object:?}");
    }

    #[test]
    fn report_follows_the_schema_of_kcidb() {
        let run = samples::run();
        let text = render(&run).unwrap();
        assert_eq!(render(&run).unwrap(), text);
        let value: Value = serde_json::from_str(&text).unwrap();
        let list = |key: &str| value[key].as_array().unwrap().clone();
        let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["builds", "checkouts", "tests", "version"]);
        let common = ["comment", "misc", "start_time"];
        for checkout in list("checkouts") {
            check(&checkout, &["id", "origin"], &common);
        }
        let mut builds = BTreeSet::new();
        for build in list("builds") {
            let optional = [&common[..], &["architecture"]].concat();
            check(&build, &["id", "origin", "checkout_id"], &optional);
            assert_eq!(build["checkout_id"], value["checkouts"][0]["id"]);
            builds.insert(build["id"].as_str().unwrap().to_owned());
        }
        let path = regex_lite::Regex::new(r"^([a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*)?$").unwrap();
        let statuses = ["FAIL", "ERROR", "MISS", "PASS", "DONE", "SKIP"];
        let more = ["path", "status", "duration", "log_excerpt", "environment"];
        let optional = [&common[..], &more].concat();
        let (mut ids, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for test in list("tests") {
            check(&test, &["id", "origin", "build_id"], &optional);
            assert!(path.is_match(test["path"].as_str().unwrap()), "{test}");
            assert!(
                builds.contains(test["build_id"].as_str().unwrap()),
                "{test}"
            );
            assert!(ids.insert(test["id"].clone().to_string()), "{test}");
            let status = test["status"].as_str().unwrap();
            assert!(statuses.contains(&status), "{test}");
            seen.insert(status.to_owned());
            let excerpt = test.get("log_excerpt").and_then(Value::as_str);
            assert!(excerpt.is_none_or(|text| text.chars().count() <= EXCERPT));
        }
        assert!(seen.len() >= 4, "{seen:?}");
        let subtests: usize = run
            .tests
            .iter()
            .map(|test| test.evidence.subtests.len())
            .sum();
        assert_eq!(ids.len(), run.tests.len() + subtests);
    }

    #[test]
    fn names_become_nodes_of_a_path() {
        for (name, expect) in [
            ("nic", "nic"),
            ("a b: c.sh", "a_b__c_sh"),
            ("", "_"),
            ("é", "_"),
        ] {
            assert_eq!(node(name), expect);
        }
    }
}

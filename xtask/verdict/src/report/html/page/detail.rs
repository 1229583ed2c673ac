//! The details of one test that failed or passed with anomalies.

use std::time::Duration;

use plan::duration;
use serde::Serialize;

use crate::event::TestReport;
use crate::outcome::Outcome;
use crate::report::labels::{Kind, kind};
use crate::text;

/// A test.
#[derive(Serialize)]
pub(super) struct Detail<'a> {
    id: usize,
    name: &'a str,
    word: &'static str,
    kind: Kind,
    description: &'a str,
    cause: String,
    unstable: Option<&'a str>,
    facts: Vec<Fact>,
    reproduce: &'a str,
    tries: Vec<Tried<'a>>,
    diff: Vec<Line<'a>>,
    subtests: Vec<Sub<'a>>,
    subtests_count: usize,
    subtests_failed: usize,
    output: String,
    console: String,
    notes: &'a [String],
    logs: Option<&'a str>,
}

#[derive(Serialize)]
struct Fact {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
struct Tried<'a> {
    number: usize,
    word: &'static str,
    cause: String,
    time: String,
    logs: Option<&'a str>,
}

#[derive(Serialize)]
struct Line<'a> {
    class: &'static str,
    text: &'a str,
}

#[derive(Serialize)]
struct Sub<'a> {
    name: &'a str,
    word: &'static str,
    kind: Kind,
    cause: String,
}

impl<'a> Detail<'a> {
    /// `number` is the test's number in the run, from 1.
    pub(super) fn new(number: usize, test: &'a TestReport) -> Self {
        let failed = |sub: &&Sub<'_>| sub.kind == Kind::Bad;
        let subtests: Vec<Sub<'_>> = subtests(test);
        Self {
            id: number,
            name: &test.name,
            word: test.label(),
            kind: kind(test),
            description: &test.description,
            cause: cause(test),
            unstable: test.unstable.as_deref(),
            facts: facts(test),
            reproduce: &test.reproduce,
            tries: tries(test),
            diff: test.evidence.diff.iter().enumerate().map(line).collect(),
            subtests_count: subtests.len(),
            subtests_failed: subtests.iter().filter(failed).count(),
            subtests,
            output: text::plain(test.evidence.output_tail.join("\n").as_bytes()),
            console: text::plain(test.evidence.console_tail.join("\n").as_bytes()),
            notes: &test.evidence.notes,
            logs: test
                .evidence
                .log_dir
                .as_deref()
                .map(camino::Utf8Path::as_str),
        }
    }
}

/// The cause, with the outcome's label if another label is next to the name.
fn cause(test: &TestReport) -> String {
    let (word, cause) = (test.outcome.label(), test.outcome.cause());
    match &test.outcome {
        Outcome::Passed => {
            let tries = test.failed_tries.len();
            let tries = if tries == 1 {
                "one failed try".to_owned()
            } else {
                format!("{tries} failed tries")
            };
            format!("passed after {tries}")
        }
        _ if test.label() == word => cause,
        _ => format!("{word}: {cause}"),
    }
}

fn facts(test: &TestReport) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |name, value| facts.push(Fact { name, value });
    add("took", duration::show(test.duration()));
    if let Some(kind) = test.kind {
        add("kind", kind.label().to_owned());
    }
    if !test.setup.machine.is_empty() {
        add("machine", test.setup.machine.clone());
    }
    add(
        "QEMU",
        match test.setup.accel.as_str() {
            "" => test.setup.qemu.clone(),
            accel => format!("{}, {accel}", test.setup.qemu),
        },
    );
    for choice in &test.setup.choices {
        add("choice", choice.to_string());
    }
    for start in &test.setup.starts {
        add("start", start.to_string());
    }
    add("seed", test.setup.seed.to_string());
    if test.setup.round > 0 {
        add("round", test.setup.round.to_string());
    }
    if let Some(location) = test.location() {
        add("at", location);
    }
    facts
}

fn tries(test: &TestReport) -> Vec<Tried<'_>> {
    let tries = (1..).zip(&test.failed_tries);
    tries
        .map(|(number, tried)| Tried {
            number,
            word: tried.outcome.label(),
            cause: tried.outcome.cause(),
            time: duration::show(Duration::from_millis(tried.duration_ms)),
            logs: tried.log_dir.as_deref().map(camino::Utf8Path::as_str),
        })
        .collect()
}

fn subtests(test: &TestReport) -> Vec<Sub<'_>> {
    let subtests = test.evidence.subtests.iter();
    subtests
        .map(|sub| Sub {
            name: &sub.name,
            word: sub.outcome.label(),
            kind: match &sub.outcome {
                Outcome::Passed => Kind::Good,
                Outcome::Skipped { .. } => Kind::Mute,
                _ => Kind::Bad,
            },
            cause: sub.outcome.cause(),
        })
        .collect()
}

/// The first two lines of a diff are the names of the files.
fn line((number, text): (usize, &String)) -> Line<'_> {
    let class = match text.as_bytes().first() {
        _ if number < 2 => "place",
        Some(b'@') => "place",
        Some(b'+') => "added",
        Some(b'-') => "removed",
        _ => "same",
    };
    Line { class, text }
}

//! Every combination of all choices, counted before the run.

use std::ops::Range;

use guest::job::Job;
use plan::diagnostic::Diagnostic;
use start::platform::ArchRun;
use suite::choice::combine::{self, Words};
use suite::choice::offer::{Support, offered};
use suite::choice::scan::{Dialect, Found, scan};
use suite::requirement;

use crate::config::Config;

/// Why not every combination can be run.
#[derive(Debug, thiserror::Error)]
pub enum ExhaustiveError {
    /// A test file cannot be read.
    #[error("failed to read a test")]
    Io(#[from] std::io::Error),
    /// Some values are known only at run time.
    #[error("the values of {} choices are computed by the shell", .0.len())]
    Uncountable(Vec<Diagnostic>),
    /// There are too many combinations.
    #[error("all combinations need {count} test runs, more than the limit of {limit}")]
    TooMany {
        /// The number of combinations.
        count: u128,
        /// The limit.
        limit: usize,
    },
}

impl ExhaustiveError {
    /// The flag that fixes it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::TooMany { count, .. } => Some(format!(
                "narrow them with `--choose NAME=VALUE`, or allow them with `--max-combinations {count}`"
            )),
            Self::Io(_) | Self::Uncountable(_) => None,
        }
    }
}

/// Replaces each job by one job per combination. Adds a line for each test with several.
pub(super) fn expand<'a>(
    config: &Config,
    jobs: Vec<Job<'a>>,
    limit: usize,
) -> Result<(Vec<Job<'a>>, Vec<String>), ExhaustiveError> {
    let mut faults = Vec::new();
    let mut counted = Vec::new();
    for job in jobs {
        let words = match config.run_for(&job) {
            Some(run) => values(&job, run, &mut faults)?,
            None => Words::new(),
        };
        counted.push((job, words));
    }
    if !faults.is_empty() {
        // An error of a test is reported once for all architectures.
        faults.dedup();
        return Err(ExhaustiveError::Uncountable(faults));
    }
    let counts = counted.iter().map(|(_, words)| combine::count(words));
    let count = counts.fold(0, u128::saturating_add);
    if count > limit as u128 {
        return Err(ExhaustiveError::TooMany { count, limit });
    }
    let mut notes = Vec::new();
    let mut all = Vec::new();
    for (job, words) in counted {
        let combinations = combine::all(&words);
        if combinations.len() > 1 {
            let names: Vec<&str> = words.keys().map(String::as_str).collect();
            notes.push(format!(
                "{}: {} combinations of {}",
                job.test.name(),
                combinations.len(),
                names.join(", ")
            ));
        }
        for (round, combination) in (0..).zip(combinations) {
            let mut job = Job {
                round,
                ..job.clone()
            };
            job.forced.extend(combination);
            all.push(job);
        }
    }
    Ok((all, notes))
}

/// The values of each choice of a job. A forced choice has one.
fn values(
    job: &Job<'_>,
    run: &ArchRun,
    faults: &mut Vec<Diagnostic>,
) -> Result<Words, std::io::Error> {
    let test = job.test.test;
    if !test.header.body.is_script() {
        return Ok(Words::new());
    }
    let script = fs_err::read_to_string(&test.path)?;
    // A wrong machine is an error of the test, reported when it runs.
    let Ok((_, machine)) = requirement::machine(&test.header, job.test.arch, &run.arch.qemu) else {
        return Ok(Words::new());
    };
    let support = Support {
        facts: &run.facts,
        without_driver: run.without_driver(),
        machine,
    };
    let mut words = offered(&test.header.choices, job.test.arch, support);
    if words.values().any(Vec::is_empty) {
        // The test will be skipped with the reason.
        return Ok(Words::new());
    }
    let dialect = if test.header.calls_itself {
        Dialect::QemuTest
    } else {
        Dialect::Kiln
    };
    let problems = add_listed(&mut words, &script, dialect);
    faults.extend(problems.into_iter().map(|problem| Diagnostic {
        path: test.path.clone(),
        text: script.clone(),
        span: problem.span,
        title: problem.title,
        label: problem.label.to_owned(),
        help: Some("list the values there, or in the header as `choices.NAME`".to_owned()),
    }));
    for (name, word) in &job.forced {
        if let Some(words) = words.get_mut(name) {
            *words = vec![word.clone()];
        }
    }
    Ok(words)
}

/// Why a `choose` of a script cannot be counted.
#[derive(Debug)]
struct Problem {
    span: Range<usize>,
    title: String,
    label: &'static str,
}

/// Adds the values in a script to those in its header.
fn add_listed(words: &mut Words, script: &str, dialect: Dialect) -> Vec<Problem> {
    let mut problems = Vec::new();
    for found in scan(script, dialect) {
        let found = match found {
            Ok(found) => found,
            Err(unclear) => {
                problems.push(Problem {
                    span: unclear.span,
                    title: "the values are known only when the test runs".to_owned(),
                    label: "computed by the shell",
                });
                continue;
            }
        };
        if let Some((title, label)) = conflict(words, &found) {
            let span = found.span;
            problems.push(Problem { span, title, label });
        } else if !found.words.is_empty() {
            words.insert(found.name, found.words);
        }
    }
    problems
}

/// Why a `choose` contradicts others of the same name.
fn conflict(words: &Words, found: &Found) -> Option<(String, &'static str)> {
    let name = &found.name;
    match words.get(name) {
        None if found.words.is_empty() => Some((
            format!("`choose {name}` has no values"),
            "nothing to choose from",
        )),
        Some(known) if !found.words.is_empty() && *known != found.words => Some((
            format!("`choose {name}` has different values in one test"),
            "expected the same values as before",
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_from_header_and_script() {
        let check = |script: &str, dialect, expect: &[(&str, &[&str])], problems: &[&str]| {
            let listed = |(name, words): &(&str, &[&str])| {
                let words = words.iter().map(|&word| word.to_owned());
                ((*name).to_owned(), words.collect())
            };
            let mut words = Words::from([listed(&("bus", &["pci", "usb"]))]);
            let found = add_listed(&mut words, script, dialect);
            let expect: Words = expect.iter().map(listed).collect();
            assert_eq!(words, expect, "{script}");
            let found: Vec<String> = found
                .iter()
                .map(|problem| format!("{}: {}", &script[problem.span.clone()], problem.title))
                .collect();
            assert_eq!(found, problems, "{script}");
        };
        let bus: (&str, &[&str]) = ("bus", &["pci", "usb"]);
        let kiln = Dialect::Kiln;
        check("true\n", kiln, &[bus], &[]);
        check("choose bus\n", kiln, &[bus], &[]);
        check("choose bus pci usb\n", kiln, &[bus], &[]);
        check("choose nic a b\n", kiln, &[bus, ("nic", &["a", "b"])], &[]);
        let twice = "choose nic a\nchoose nic a\n";
        check(twice, kiln, &[bus, ("nic", &["a"])], &[]);
        check(
            "choose a b c\n",
            Dialect::QemuTest,
            &[bus, ("choice1", &["a", "b", "c"])],
            &[],
        );
        let different = "choose bus pci: `choose bus` has different values in one test";
        check("choose bus pci\n", kiln, &[bus], &[different]);
        let none = "choose nic: `choose nic` has no values";
        check("choose nic\n", kiln, &[bus], &[none]);
        let computed = "$x: the values are known only when the test runs";
        check("choose nic $x\n", kiln, &[bus], &[computed]);
    }
}

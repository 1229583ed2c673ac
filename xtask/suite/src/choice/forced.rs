//! `--choose NAME=VALUE`: checks before the run that a selected test makes such a choice.

use std::collections::{BTreeMap, BTreeSet};

use super::scan::{Dialect, scan};
use crate::files::Selected;
use crate::header::choices::Source;

/// A choice that no selected test makes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForcedError {
    /// No test has a choice of this name.
    #[error("no selected test has a choice `{name}`")]
    Name {
        /// The requested name.
        name: String,
        /// The existing names.
        known: Vec<String>,
    },
    /// No test offers this value.
    #[error("no selected test offers `{name}={value}`")]
    Value {
        /// The choice.
        name: String,
        /// The requested value.
        value: String,
        /// The offered values.
        known: Vec<String>,
    },
}

impl ForcedError {
    /// The command or advice that fixes the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let (text, known) = match self {
            Self::Name { name, known } => (name, known),
            Self::Value { value, known, .. } => (value, known),
        };
        let near = plan::suggest::closest(text, known.iter().map(String::as_str));
        match (near, &known[..]) {
            (Some(near), _) => Some(format!("did you mean `{near}`?")),
            (None, []) => None,
            (None, known) => Some(format!("there are {}", known.join(", "))),
        }
    }
}

/// The choices of one test, as far as its text shows them.
#[derive(Debug, Default)]
struct Offer {
    /// By name. `None` if only QEMU or the shell knows the values.
    choices: BTreeMap<String, Option<Vec<String>>>,
    /// Whether only the shell knows the names or the values of all choices.
    is_open: bool,
}

/// Checks each forced choice. `script` returns the text of a test.
pub fn check(
    forced: &BTreeMap<String, String>,
    tests: &[Selected<'_>],
    script: impl Fn(&Selected<'_>) -> std::io::Result<String>,
) -> std::io::Result<Result<(), ForcedError>> {
    if forced.is_empty() {
        return Ok(Ok(()));
    }
    let scripts = tests
        .iter()
        .filter(|test| test.test.header.body.is_script());
    let offers = scripts.map(|test| Ok(offer(test, &script(test)?)));
    let offers: Vec<Offer> = offers.collect::<std::io::Result<_>>()?;
    if offers.iter().any(|offer| offer.is_open) {
        return Ok(Ok(()));
    }
    Ok(forced
        .iter()
        .try_for_each(|(name, value)| check_one(name, value, &offers)))
}

fn check_one(name: &str, value: &str, offers: &[Offer]) -> Result<(), ForcedError> {
    let values: Vec<_> = offers
        .iter()
        .filter_map(|it| it.choices.get(name))
        .collect();
    if values.is_empty() {
        let names: BTreeSet<&String> = offers.iter().flat_map(|it| it.choices.keys()).collect();
        return Err(ForcedError::Name {
            name: name.to_owned(),
            known: names.into_iter().cloned().collect(),
        });
    }
    let Some(values) = values
        .into_iter()
        .map(Option::as_ref)
        .collect::<Option<Vec<_>>>()
    else {
        return Ok(());
    };
    let known: BTreeSet<&String> = values.into_iter().flatten().collect();
    if known.iter().any(|known| *known == value) {
        return Ok(());
    }
    Err(ForcedError::Value {
        name: name.to_owned(),
        value: value.to_owned(),
        known: known.into_iter().cloned().collect(),
    })
}

fn offer(test: &Selected<'_>, script: &str) -> Offer {
    let mut offer = Offer::default();
    for (name, offered) in &test.test.header.choices {
        let Some(source) = offered.source(test.arch) else {
            continue;
        };
        let values = match source {
            Source::Words(values) | Source::Devices(values) | Source::CpuModels(values) => {
                Some(values.clone())
            }
            Source::Cpus(_) | Source::Machines(_) => None,
        };
        offer.choices.insert(name.clone(), values);
    }
    let dialect = if test.test.header.calls_itself {
        Dialect::QemuTest
    } else {
        Dialect::Kiln
    };
    for found in scan(script, dialect) {
        match found {
            Err(_) => offer.is_open = true,
            Ok(found) if found.words.is_empty() => {}
            Ok(found) => {
                let known = offer.choices.entry(found.name).or_insert(Some(Vec::new()));
                if let Some(known) = known {
                    known.extend(found.words);
                }
            }
        }
    }
    offer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::suite;

    #[test]
    fn unknown_forced_choice_is_refused() {
        let (_dir, suite) = suite(&[
            (
                "net/nic.sh",
                "#: choices.nic = [\"e1000\", \"igb\"]\nin_host() { choose disk nvme ide; }",
            ),
            ("net/cpu.sh", "#: choices.cpu = { from = \"cpus\" }"),
            ("open/all.sh", "in_host() { choose \"$name\" a b; }"),
        ]);
        let arches = ["x86_64".to_owned()];
        let everything = suite.select(&crate::files::Filter::default(), &arches);
        let check = |area: &str, forced: (&str, &str), expect: Option<(&str, Option<&str>)>| {
            let tests = everything.iter().filter(|one| one.test.area == area);
            let tests: Vec<_> = tests.copied().collect();
            let forced = BTreeMap::from([(forced.0.to_owned(), forced.1.to_owned())]);
            let read = |test: &Selected<'_>| fs_err::read_to_string(&test.test.path);
            let found = super::check(&forced, &tests, read).unwrap().err();
            let found = found.map(|error| (error.to_string(), error.hint()));
            let own =
                |(text, hint): (&str, Option<&str>)| (text.to_owned(), hint.map(str::to_owned));
            assert_eq!(found, expect.map(own), "{forced:?}");
        };
        check("net", ("nic", "igb"), None);
        check("net", ("disk", "ide"), None);
        check("net", ("cpu", "max"), None);
        check("open", ("anything", "b"), None);
        check(
            "net",
            ("nci", "igb"),
            Some((
                "no selected test has a choice `nci`",
                Some("did you mean `nic`?"),
            )),
        );
        check(
            "net",
            ("nic", "tulip"),
            Some((
                "no selected test offers `nic=tulip`",
                Some("there are e1000, igb"),
            )),
        );
    }
}

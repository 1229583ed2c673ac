//! A whole measurement: on each architecture every test without any mutant, then the tests of each mutant.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::build::LeftOut;
use crate::score::{self, Control, Trial, Verdict};
use crate::set::Mutant;
use crate::trial::{Runner, TrialError};

/// An event of a measurement.
#[derive(Debug)]
pub enum Event<'a> {
    /// The control run of an architecture begins.
    ControlStarted {
        /// The architecture.
        arch: &'a str,
        /// How many tests run.
        tests: usize,
    },
    /// It passed.
    ControlPassed {
        /// The architecture.
        arch: &'a str,
        /// How many tests passed.
        tests: usize,
    },
    /// A mutant has a verdict. Contains all trials so far.
    Tried(&'a [Trial]),
}

/// Why the mutants cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// Tests could not be run.
    #[error(transparent)]
    Trial(#[from] TrialError),
    /// The control run failed, so a result would be meaningless.
    #[error("{count} tests fail without any mutant on {arch}: {first}")]
    NotGreen {
        /// The architecture.
        arch: String,
        /// How many.
        count: usize,
        /// The first one, with its cause.
        first: String,
    },
}

/// Tries every mutant on every architecture that has its device, `jobs` tests at a time.
pub fn measure(
    runner: &Runner<'_>,
    arches: &[String],
    (mutants, left_out): (&[Mutant], &LeftOut),
    jobs: usize,
    notify: &mut dyn FnMut(Event<'_>),
) -> Result<Vec<Trial>, MeasureError> {
    let mut trials = Vec::new();
    for arch in arches {
        let own = mutants.iter().filter(|mutant| mutant.is_for(arch));
        let (tried, others): (Vec<&Mutant>, Vec<&Mutant>) =
            own.partition(|mutant| !left_out.contains_key(&mutant.name));
        trials.extend(others.into_iter().map(|mutant| Trial {
            mutant: mutant.clone(),
            target: arch.clone(),
            verdict: Verdict::LeftOut {
                why: left_out[&mutant.name].clone(),
            },
        }));
        let selected = runner.selected(arch)?;
        let mut tests: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for mutant in &tried {
            let expression = mutant.expression();
            if let Entry::Vacant(vacant) = tests.entry(expression) {
                let mut names = runner.tests_of(arch, mutant)?;
                names.retain(|name| selected.as_ref().is_none_or(|them| them.contains(name)));
                vacant.insert(names);
            }
        }
        let all: BTreeSet<&String> = tests.values().flatten().collect();
        let all: Vec<&String> = all.into_iter().collect();
        let controls = control(runner, (arch, &all), jobs, notify)?;
        let tests_of = |mutant: &Mutant| -> Vec<&Control> {
            let names = tests[&mutant.expression()].iter();
            names.map(|name| &controls[name]).collect()
        };
        let work = |mutant: &&Mutant| try_mutant(runner, mutant, &tests_of(mutant));
        for_each(jobs, &tried, work, &mut |mutant, verdict| {
            trials.push(Trial {
                mutant: (*mutant).clone(),
                target: arch.clone(),
                verdict,
            });
            notify(Event::Tried(&trials));
        })?;
    }
    Ok(trials)
}

/// Runs tests without a mutant; all must pass.
fn control(
    runner: &Runner<'_>,
    (arch, tests): (&str, &[&String]),
    jobs: usize,
    notify: &mut dyn FnMut(Event<'_>),
) -> Result<BTreeMap<String, Control>, MeasureError> {
    notify(Event::ControlStarted {
        arch,
        tests: tests.len(),
    });
    let mut controls = BTreeMap::new();
    for_each(
        jobs,
        tests,
        |test| runner.control(test),
        &mut |_, control: Control| {
            controls.insert(control.test.clone(), control);
        },
    )?;
    let failed = controls.values().filter_map(|test| {
        let cause = test.failure.as_ref()?;
        Some(format!("{}: {cause}", test.test))
    });
    let failed: Vec<String> = failed.collect();
    if let Some(first) = failed.first() {
        return Err(MeasureError::NotGreen {
            arch: arch.to_owned(),
            count: failed.len(),
            first: first.clone(),
        });
    }
    let passed = controls.values().filter(|test| test.is_passed);
    let tests = passed.count();
    notify(Event::ControlPassed { arch, tests });
    Ok(controls)
}

/// Runs the tests that can notice a mutant until one does.
fn try_mutant(
    runner: &Runner<'_>,
    mutant: &Mutant,
    controls: &[&Control],
) -> Result<Verdict, TrialError> {
    let candidates = score::candidates(controls, &mutant.name);
    for control in &candidates {
        if let Some(report) = runner.earlier_failure(&control.test, mutant)? {
            return Ok(score::caught(&report));
        }
    }
    for control in &candidates {
        let report = runner.mutant(&control.test, mutant)?;
        if score::is_failure(&report) {
            return Ok(score::caught(&report));
        }
    }
    Ok(match candidates.len() {
        0 => {
            let passed = controls.iter().filter(|test| test.is_passed);
            let tests = passed.count();
            Verdict::NotReached { tests }
        }
        tests => Verdict::Survived { tests },
    })
}

/// Works on items, some at a time, and hands each result over at once. Ends with the first error.
fn for_each<T: Sync, R: Send, E: Send>(
    jobs: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
    put: &mut dyn FnMut(&T, R),
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (sender, results) = mpsc::channel();
        for _ in 0..jobs.min(items.len()) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if sender.send((item, work(item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (item, result) in results {
            put(item, result?);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_until_one_fails() {
        let items: Vec<usize> = (0..50).collect();
        let mut results = Vec::new();
        let done = for_each(
            4,
            &items,
            |item| Ok::<_, ()>(item * 2),
            &mut |item, twice| {
                assert_eq!(twice, item * 2);
                results.push(*item);
            },
        );
        results.sort_unstable();
        assert_eq!((done, &results), (Ok(()), &items));

        let mut count = 0;
        let fails = |item: &usize| if *item == 7 { Err("seven") } else { Ok(()) };
        let done = for_each(1, &items, fails, &mut |_, ()| count += 1);
        assert_eq!((done, count), (Err("seven"), 7));
    }
}

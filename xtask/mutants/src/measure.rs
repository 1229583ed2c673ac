//! A whole measurement: on each architecture a control run without any mutant, then the tests of each mutant.

use crate::build::LeftOut;
use crate::score::{Trial, Verdict};
use crate::set::Mutant;
use crate::trial::{Runner, TrialError};

/// An event of a measurement.
#[derive(Debug)]
pub enum Event<'a> {
    /// The control run of an architecture begins.
    ControlStarted {
        /// The architecture.
        arch: &'a str,
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

/// Tries every mutant on every architecture that has its device.
pub fn measure(
    runner: &Runner<'_>,
    arches: &[String],
    (mutants, left_out): (&[Mutant], &LeftOut),
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
        if tried.is_empty() {
            continue;
        }
        notify(Event::ControlStarted { arch });
        let control = runner.control(arch, &tried)?;
        if let Some((test, cause)) = control.failed.first() {
            return Err(MeasureError::NotGreen {
                arch: arch.clone(),
                count: control.failed.len(),
                first: format!("{test}: {cause}"),
            });
        }
        let tests = control.passed.len();
        notify(Event::ControlPassed { arch, tests });
        for mutant in tried {
            trials.push(Trial {
                mutant: mutant.clone(),
                target: arch.clone(),
                verdict: runner.mutant(arch, mutant, &control)?,
            });
            notify(Event::Tried(&trials));
        }
    }
    Ok(trials)
}

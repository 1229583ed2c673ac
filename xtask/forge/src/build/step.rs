//! Builds one step, from its lock to its entry in the store.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use camino::Utf8PathBuf;
use plan::step::{Action, Mount, Plan, Step};

use super::canary;
use super::context::Run;
use super::error::{BuildError, StepError};
use super::{leaks, script};
use crate::event::Event;
use crate::gather::{Inputs, gather};
use crate::{generated, initramfs};
use sandbox::Places;
use store::{About, EntryName, EntryState, Guard, Ready, StoreError};

/// Interval at which a wait for another process checks for an interruption.
const LOOK: Duration = Duration::from_millis(500);

/// Builds a step, unless another process has built it meanwhile. A full disk is reported as an
/// error of the store.
pub(super) fn make(run: &Run, step: &Step, inputs: &[Ready]) -> Result<Ready, StepError> {
    make_locked(run, step, inputs).map_err(|error| match error {
        StepError::Io(error) => StoreError::io(run.store.root(), error).into(),
        error => error,
    })
}

fn make_locked(run: &Run, step: &Step, inputs: &[Ready]) -> Result<Ready, StepError> {
    let name = run.entry_name(step).map_err(|error| match error {
        BuildError::Host(error) => StepError::Process(error),
        BuildError::Interrupted(interrupted) => StepError::Interrupted(interrupted),
        error => StepError::Io(std::io::Error::other(error)),
    })?;
    let _guard = lock(run, step, &name)?;
    let vacant = match run.store.entry(&name)? {
        EntryState::Ready(ready) => {
            run.check(step, &ready)?;
            return Ok(ready);
        }
        EntryState::Vacant(vacant) => vacant,
    };
    canary::check_inputs(run, step, inputs)?;
    let sources = unpacked(run, step)?;
    let made_from: Vec<_> = sources
        .values()
        .cloned()
        .chain(inputs.iter().map(Ready::path))
        .collect();
    let staging = vacant.stage()?;
    let start = match &step.action {
        Action::Script(script) => {
            let places = directories(step, inputs, sources, staging.scratch(), staging.path());
            let start = script::run(run, step, script, &places)?;
            if let Some(table) = run.options.generated.get(&step.recipe) {
                let made = generated::record(table, &places.work.join("build"))?;
                staging.note(generated::NOTE, &made)?;
            }
            start
        }
        Action::Initramfs(entries) => {
            let start = run.started(step, None);
            let archive =
                initramfs::archive(entries, &by_recipe(step, inputs), epoch(run.plan, step))?;
            let file = staging.path().join(initramfs::FILE);
            fs_err::write(&file, archive)?;
            fs_err::set_permissions(&file, Permissions::from_mode(0o644))?;
            start
        }
        Action::Gather(files) => {
            let start = run.started(step, None);
            gather(files, &by_recipe(step, inputs), &staging.path())?;
            start
        }
    };
    host::interrupt::check()?;
    let seconds = start.elapsed().as_secs_f64();
    leaks::check(run, step, &made_from, &staging.path())?;
    let ready = staging.commit(About::step(step, seconds))?;
    let (recipe, arch) = (step.recipe.clone(), step.arch.clone());
    run.emit(Event::StepFinished {
        recipe,
        arch,
        seconds,
    });
    run.check(step, &ready)?;
    Ok(ready)
}

/// Prevents other processes, and other runs in this process, from building the same step.
fn lock(run: &Run, step: &Step, name: &EntryName) -> Result<Guard, StepError> {
    let mut reported = false;
    loop {
        host::interrupt::check()?;
        let notice = || {
            if !std::mem::replace(&mut reported, true) {
                run.emit(Event::Waiting {
                    on: format!("`{step}`, which another process is building"),
                });
            }
        };
        match run
            .store
            .lock_within(&format!("entry-{name}"), LOOK, notice)
        {
            Err(StoreError::LockTimeout { .. }) => {}
            result => return Ok(result?),
        }
    }
}

fn unpacked(run: &Run, step: &Step) -> Result<BTreeMap<String, Utf8PathBuf>, StepError> {
    let mut trees = BTreeMap::new();
    for source in &step.sources {
        if let Some(error) = run.prefetch.wait(&source.pin)? {
            return Err(error.into());
        }
        let archive = fetch::fetch(run.store, &source.pin, &run.options.remotes, &mut |event| {
            run.emit(event);
        })?;
        host::interrupt::check()?;
        let place = unpack::Destination {
            store: run.store,
            order: run.options.variation.order,
        };
        let tree = unpack::tree(place, source, &archive, &mut |event| run.emit(event))?;
        trees.insert(source.name.clone(), tree);
    }
    Ok(trees)
}

fn by_recipe(step: &Step, inputs: &[Ready]) -> Inputs {
    let named = step.inputs.iter().zip(inputs);
    named
        .map(|(input, ready)| (input.recipe.clone(), ready.path()))
        .collect()
}

fn directories(
    step: &Step,
    inputs: &[Ready],
    sources: BTreeMap<String, Utf8PathBuf>,
    work: Utf8PathBuf,
    out: Utf8PathBuf,
) -> Places {
    let mut places = Places {
        work,
        out,
        sources,
        inputs: BTreeMap::new(),
        toolchain: None,
    };
    for (input, ready) in step.inputs.iter().zip(inputs) {
        match input.mount {
            Mount::In => drop(places.inputs.insert(input.recipe.clone(), ready.path())),
            Mount::Toolchain => places.toolchain = Some(ready.path()),
        }
    }
    places
}

/// The date of a step's archive: `SOURCE_DATE_EPOCH` of its scripts, which is part of the key, or
/// 1970 without one.
fn epoch(plan: &Plan, step: &Step) -> u64 {
    let inputs = step.inputs.iter().map(|input| plan.closure(input.step));
    let mut dates = inputs
        .flatten()
        .filter_map(|id| match &plan.step(id).action {
            Action::Script(script) => script.env.get("SOURCE_DATE_EPOCH"),
            _ => None,
        });
    dates.find_map(|text| text.parse().ok()).unwrap_or_default()
}

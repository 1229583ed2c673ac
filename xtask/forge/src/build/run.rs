//! One run: finds present steps, and builds missing ones in several threads.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, OnceLock};
use std::thread;

use camino::Utf8Path;
use host::jobs::JobServer;
use plan::canary::CanaryLock;
use plan::source::SourcePin;
use plan::step::{Action, Plan, Step, StepId};

use super::context::{Frozen, Run};
use super::error::{BuildError, StepFailure};
use super::graph::{self, Queue};
use super::prefetch::Prefetch;
use super::{Options, canary, history, step};
use crate::event::Event;
use fetch::{self, FetchError};
use sandbox::{HostRoot, Sandboxing, Toolbox, foreign_root, probe};
use store::{EntryState, Ready, Store};

pub(super) fn perform(
    store: &Store,
    plan: &Plan,
    wanted: &[StepId],
    options: &Options,
    events: &Sender<Event>,
    frozen: Frozen,
) -> Result<BTreeMap<StepId, Ready>, BuildError> {
    host::interrupt::check()?;
    let mut run = new(store, plan, options, events, frozen)?;
    let mut ready = BTreeMap::new();
    let needed = graph::needed(plan, wanted, |id| run.look_up(id, &mut ready))?;
    run.prepare(&needed)?;
    run.make(&needed, &mut ready)?;
    ready.retain(|id, _| wanted.contains(id));
    run.check_wanted(&ready)?;
    Ok(ready)
}

/// The objects that the toolchains among some entries compile from the canaries now, by
/// architecture.
pub(super) fn canaries(
    store: &Store,
    plan: &Plan,
    made: &BTreeMap<StepId, Ready>,
    options: &Options,
    events: &Sender<Event>,
) -> Result<BTreeMap<String, CanaryLock>, BuildError> {
    let mut run = new(store, plan, options, events, Frozen::Ignored)?;
    run.prepare_sandbox(BTreeSet::new())?;
    let mut locks = BTreeMap::new();
    for (id, ready) in made {
        let Some((user, arch)) =
            canary::user(plan, *id).and_then(|user| Some((user, user.arch.clone()?)))
        else {
            continue;
        };
        let lock = canary::lock(&run, user, ready);
        let lock =
            lock.map_err(|error| BuildError::Steps(vec![StepFailure::of(plan.step(*id), error)]))?;
        locks.insert(arch, lock);
    }
    Ok(locks)
}

fn new<'a>(
    store: &'a Store,
    plan: &'a Plan,
    options: &'a Options,
    events: &'a Sender<Event>,
    frozen: Frozen,
) -> Result<Run<'a>, BuildError> {
    Ok(Run {
        store,
        plan,
        options,
        events,
        jobs: JobServer::new(options.jobs)?.and_flags(&options.variation.make_flags()),
        prefetch: Prefetch::default(),
        tools: Toolbox::default(),
        sandboxing: Sandboxing::None { why: None },
        frozen,
        host_id: OnceLock::new(),
        trial: Mutex::new(()),
    })
}

impl Run<'_> {
    /// Looks up a step in the store and records its entry.
    fn look_up(&self, id: StepId, ready: &mut BTreeMap<StepId, Ready>) -> Result<bool, BuildError> {
        host::interrupt::check()?;
        let step = self.plan.step(id);
        match self.store.entry(&self.entry_name(step)?)? {
            EntryState::Ready(found) => {
                self.check(step, &found)
                    .map_err(|error| BuildError::Steps(vec![StepFailure::of(step, error)]))?;
                ready.insert(id, found);
                Ok(true)
            }
            EntryState::Vacant(vacant) => {
                if let Some(why) = vacant.corrupt() {
                    self.emit(Event::Note {
                        text: format!("{why}; rebuilding `{step}`"),
                    });
                }
                Ok(false)
            }
        }
    }

    /// Tests toolchains that were requested directly, not as an input of a step.
    fn check_wanted(&mut self, wanted: &BTreeMap<StepId, Ready>) -> Result<(), BuildError> {
        if self.frozen == Frozen::Ignored || self.options.canaries.sources.is_empty() {
            return Ok(());
        }
        for (id, ready) in wanted {
            let Some(user) = canary::user(self.plan, *id) else {
                continue;
            };
            if self.tools.program("sh").is_none() {
                self.prepare_sandbox(BTreeSet::new())?;
            }
            canary::check(self, user, ready).map_err(|error| {
                BuildError::Steps(vec![StepFailure::of(self.plan.step(*id), error)])
            })?;
        }
        Ok(())
    }

    /// Checks that all steps can be built before any of them starts.
    fn prepare(&mut self, needed: &BTreeSet<StepId>) -> Result<(), BuildError> {
        let steps = || needed.iter().map(|id| self.plan.step(*id));
        let pins = steps()
            .flat_map(|step| &step.sources)
            .map(|source| &source.pin);
        fetch::check_offline(self.store, pins, &self.options.remotes)
            .map_err(BuildError::Offline)?;
        let scripts = steps().filter_map(|step| match &step.action {
            Action::Script(script) => Some(script),
            _ => None,
        });
        let names: BTreeSet<&str> = scripts
            .flat_map(|script| &script.tools)
            .map(String::as_str)
            .collect();
        if names.is_empty() {
            return Ok(());
        }
        self.prepare_sandbox(names)
    }

    /// Finds the tools of these names, and how to run scripts.
    fn prepare_sandbox(&mut self, names: BTreeSet<&str>) -> Result<(), BuildError> {
        let options = self.options;
        let system = options.variation.root.as_deref();
        // The shell runs the script even if the script does not call one.
        let names = names.into_iter().chain(["sh"]);
        let tools = match system {
            Some(root) => Toolbox::find_in_system(names, root),
            None => Toolbox::find(names, &options.path),
        };
        if !tools.missing().is_empty() {
            return Err(BuildError::Tools {
                missing: tools.missing().to_vec(),
                root: system.map(Utf8Path::to_owned),
            });
        }
        let mut root = HostRoot::probe(system);
        tools
            .programs()
            .for_each(|program| root.show_program(program));
        let mut sandboxing = probe(options.sandbox, &root, &options.path);
        match (&mut sandboxing, system) {
            (Sandboxing::Bubblewrap { clock, .. }, _) => {
                clock.clone_from(&options.variation.clock);
            }
            (Sandboxing::None { why }, Some(root)) => {
                let refused = foreign_root::refused(root, &options.path, why.clone());
                return Err(BuildError::Root(refused));
            }
            (Sandboxing::None { .. }, None) => {}
        }
        if let Sandboxing::None { why: Some(why) } = &sandboxing {
            let text = format!(
                "building without the sandbox: {why}; what comes out is the same, but a recipe that \
                 uses an undeclared file or the network would go unnoticed"
            );
            self.emit(Event::Note { text });
        }
        self.tools = tools;
        self.sandboxing = sandboxing;
        Ok(())
    }

    /// Fetches a source that is not in the store. Returns the error.
    fn fetch(&self, pin: &SourcePin) -> Option<FetchError> {
        if self.store.has_blob(&pin.sha256) {
            return None;
        }
        let mut emit = |event| self.emit(event);
        fetch::fetch(self.store, pin, &self.options.remotes, &mut emit).err()
    }

    fn make(
        &self,
        needed: &BTreeSet<StepId>,
        ready: &mut BTreeMap<StepId, Ready>,
    ) -> Result<(), BuildError> {
        let history = history::seconds(self.store);
        let took = |step: &Step| {
            history
                .get(&(step.recipe.clone(), step.arch.clone()))
                .copied()
        };
        let mut queue = Queue::new(self.plan, needed, took);
        let mut failures = Vec::new();
        let stop = AtomicBool::new(needed.is_empty());
        let sources = queue
            .by_urgency()
            .into_iter()
            .flat_map(|id| &self.plan.step(id).sources);
        let pins: Vec<_> = sources.map(|source| &source.pin).collect();
        thread::scope(|scope| {
            scope.spawn(|| self.prefetch.fetch(&pins, &stop, |pin| self.fetch(pin)));
            let (ended, ends) = mpsc::channel();
            let mut running = BTreeMap::new();
            loop {
                let room = self.options.jobs.max(1).saturating_sub(running.len());
                let go_on = failures.is_empty() && host::interrupt::received().is_none();
                let room = if go_on { room } else { 0 };
                for id in (0..room).map_while(|_| queue.next()) {
                    let inputs = inputs(self.plan.step(id), ready);
                    let end = EndNotice {
                        ended: ended.clone(),
                        id,
                    };
                    let thread = scope.spawn(move || {
                        let _end = end;
                        step::make(self, self.plan.step(id), &inputs)
                    });
                    running.insert(id, thread);
                }
                if running.is_empty() {
                    break;
                }
                // Every thread sends its end, even if it panics, and this function holds one
                // sender.
                let Ok(id) = ends.recv() else { break };
                match running
                    .remove(&id)
                    .map_or(Ok(None), |thread| thread.join().map(Some))
                {
                    Ok(None) => {}
                    Ok(Some(Ok(made))) => {
                        queue.finished(id);
                        ready.insert(id, made);
                    }
                    Ok(Some(Err(error))) => {
                        stop.store(true, Ordering::Relaxed);
                        failures.push(StepFailure::of(self.plan.step(id), error));
                    }
                    Err(panic) => {
                        stop.store(true, Ordering::Relaxed);
                        resume_unwind(panic)
                    }
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        host::interrupt::check()?;
        if failures.is_empty() {
            Ok(())
        } else {
            Err(BuildError::Steps(failures))
        }
    }
}

/// The entries of a step's inputs in order. All of them are built before the step starts.
fn inputs(step: &Step, ready: &BTreeMap<StepId, Ready>) -> Vec<Ready> {
    step.inputs
        .iter()
        .filter_map(|input| ready.get(&input.step).cloned())
        .collect()
}

/// Sends a notice when a thread ends for any reason.
struct EndNotice {
    ended: Sender<StepId>,
    id: StepId,
}

impl Drop for EndNotice {
    fn drop(&mut self) {
        // The receiver outlives all threads.
        let _ = self.ended.send(self.id);
    }
}

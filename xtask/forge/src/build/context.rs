//! The state that all steps of a run share.

use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use camino::Utf8PathBuf;
use host::jobs::JobServer;
use plan::step::{Plan, Product, Step};
use store::{EntryName, Ready, Store};

use super::error::{BuildError, StepError};
use super::prefetch::Prefetch;
use super::{Options, frozen};
use crate::event::Event;
use sandbox::{Sandboxing, Toolbox};

/// What frozen outputs are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frozen {
    /// The files in the repository.
    Checked,
    /// Nothing, because they are about to be replaced.
    Ignored,
}

/// The state that all steps of a run share.
pub(super) struct Run<'a> {
    pub(super) store: &'a Store,
    pub(super) plan: &'a Plan,
    pub(super) options: &'a Options,
    pub(super) events: &'a Sender<Event>,
    pub(super) jobs: JobServer,
    pub(super) prefetch: Prefetch,
    pub(super) tools: Toolbox,
    pub(super) sandboxing: Sandboxing,
    pub(super) frozen: Frozen,
    pub(super) host_id: OnceLock<String>,
    pub(super) trial: Mutex<()>,
}

impl Run<'_> {
    pub(super) fn emit(&self, event: impl Into<Event>) {
        // The receiver may be closed without an effect on the run.
        let _ = self.events.send(event.into());
    }

    pub(super) fn entry_name(&self, step: &Step) -> Result<EntryName, BuildError> {
        Ok(match step.product {
            Product::Image => EntryName::image(step.key),
            Product::Toolchain => EntryName::of(step, self.host_id()?),
        })
    }

    fn host_id(&self) -> Result<&str, BuildError> {
        if let Some(id) = &self.options.host_id {
            return Ok(id);
        }
        if self.host_id.get().is_none() {
            let id = self.options.ask_host_id()?;
            // Another thread may have set the same id.
            let _ = self.host_id.set(id);
        }
        Ok(self.host_id.get().map_or("", String::as_str))
    }

    /// Reports the start of a step and returns the time.
    pub(super) fn started(&self, step: &Step, log: Option<Utf8PathBuf>) -> Instant {
        self.emit(Event::StepStarted {
            recipe: step.recipe.clone(),
            arch: step.arch.clone(),
            log,
        });
        host::clock::monotonic()
    }

    /// Held while a toolchain is tested.
    pub(super) fn trial(&self) -> MutexGuard<'_, ()> {
        self.trial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks frozen outputs also in existing entries, because they are not part of the key.
    pub(super) fn check(&self, step: &Step, ready: &Ready) -> Result<(), StepError> {
        match self.frozen {
            Frozen::Checked => frozen::check(step, &ready.path()),
            Frozen::Ignored => Ok(()),
        }
    }
}

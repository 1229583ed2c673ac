//! Performs a plan: walks back from what is wanted, and fetches, unpacks and makes what is missing.
//!
//! `xtask images` and `verify-release` call [`perform`]; `images --plan` prints [`status`]. What is
//! in the store is not made again, nor are its inputs looked at. Independent steps run at once, as
//! many as there are jobs, under one job server. A failed step lets the running ones finish, for
//! their results are kept; no new one is started then. Any number of processes may work on one
//! store: each step is made by one of them. Nothing here knows a recipe's name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use camino::Utf8PathBuf;
use plan::canary::Canaries;
use plan::generated::GeneratedFiles;
use plan::source::SourcePin;
use plan::step::{Plan, Product, Step, StepId};

use crate::event::Event;
use crate::fetch::Remotes;
use crate::sandbox::SandboxChoice;
use crate::scan::Tokens;
use store::{EntryName, Ready, Store};

mod canary;
mod canary_error;
mod context;
mod error;
mod frozen;
mod graph;
mod history;
mod leaks;
mod log;
mod prefetch;
mod run;
mod script;
mod step;
mod variation;

pub use canary_error::CanaryError;
pub use error::{BuildError, StepError, StepFailure};
pub use variation::Variation;

/// How a plan is performed. Nothing in here changes a byte of what comes out.
#[derive(Clone)]
pub struct Options {
    /// Steps, and jobs of all `make`s together, that run at once.
    pub jobs: usize,
    /// From where sources may come; without a client no server is contacted.
    pub remotes: Remotes,
    /// Whether scripts run in the sandbox.
    pub sandbox: SandboxChoice,
    /// Directories in which host tools are looked for, in order.
    pub path: Vec<Utf8PathBuf>,
    /// Short id of the host, which names what its compiler made; asked from the host where absent.
    pub host_id: Option<String>,
    /// Keeps the work area of a step that failed.
    pub keep_failed: bool,
    /// Time that one script may take.
    pub script_limit: Duration,
    /// What is done otherwise.
    pub variation: Variation,
    /// Words of this machine that no output may hold.
    pub machine: Tokens,
    /// What a toolchain is tried with before it is used.
    pub canaries: Arc<Canaries>,
    /// What programs of the host make during steps; the digests are noted next to the entry.
    pub generated: Arc<GeneratedFiles>,
}

impl Options {
    /// As many jobs as there are processors, and six hours for a script: longer than the longest
    /// build on a slow machine.
    #[must_use]
    pub fn new(remotes: Remotes, path: Vec<Utf8PathBuf>) -> Self {
        Self {
            jobs: host::clock::cpu_count(),
            remotes,
            sandbox: SandboxChoice::Auto,
            path,
            host_id: None,
            keep_failed: false,
            script_limit: Duration::from_secs(6 * 60 * 60),
            variation: Variation::default(),
            machine: Tokens::default(),
            canaries: Arc::default(),
            generated: Arc::default(),
        }
    }
}

/// Makes what is wanted, and all that it needs and the store lacks; returns the wanted entries.
pub fn perform(
    store: &Store,
    plan: &Plan,
    wanted: &[StepId],
    options: &Options,
    events: &Sender<Event>,
) -> Result<BTreeMap<StepId, Ready>, BuildError> {
    run::perform(
        store,
        plan,
        wanted,
        options,
        events,
        context::Frozen::Checked,
    )
}

/// The entries of some steps, without making any: those that are in the store and as they should be.
pub fn present(
    store: &Store,
    plan: &Plan,
    wanted: &[StepId],
    options: &Options,
) -> Result<BTreeMap<StepId, Ready>, BuildError> {
    let mut found = BTreeMap::new();
    for id in wanted {
        let name = options.entry_name(plan.step(*id))?;
        if let Some(ready) = store.entry(&name)?.ready() {
            found.insert(*id, ready);
        }
    }
    Ok(found)
}

/// Makes every step below what is wanted that has frozen outputs, and the toolchains that those use, and
/// returns what is not as the repository holds it, with the canaries' locks: path in the repository
/// and new bytes. Steps beyond them are not made: they get the new bytes only with a new plan.
pub fn refreeze(
    store: &Store,
    plan: &Plan,
    wanted: &[StepId],
    options: &Options,
    events: &Sender<Event>,
) -> Result<Vec<(Utf8PathBuf, Vec<u8>)>, BuildError> {
    let below = graph::closure(plan, wanted);
    let has_canaries = !options.canaries.sources.is_empty();
    let owners: Vec<_> = below
        .into_iter()
        .filter(|id| {
            let freezes = !plan.step(*id).frozen.is_empty();
            freezes || (has_canaries && canary::user(plan, *id).is_some())
        })
        .collect();
    let made = run::perform(
        store,
        plan,
        &owners,
        options,
        events,
        context::Frozen::Ignored,
    )?;
    let mut changed = Vec::new();
    for (id, ready) in &made {
        let step = plan.step(*id);
        let files = frozen::changed(step, &ready.path())
            .map_err(|error| BuildError::Steps(vec![StepFailure::of(step, error)]))?;
        changed.extend(
            files
                .into_iter()
                .map(|(frozen, made)| (frozen.path.clone(), made)),
        );
    }
    if has_canaries {
        let locks = run::canaries(store, plan, &made, options, events)?;
        let known = &options.canaries.locks;
        let other = locks
            .into_iter()
            .filter(|(arch, lock)| known.get(arch) != Some(lock));
        changed.extend(
            other.map(|(arch, lock)| (Canaries::lock_path(&arch), lock.render().into_bytes())),
        );
    }
    Ok(changed)
}

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// Every step of the plan, in its order.
    pub steps: Vec<(StepId, State)>,
    /// Sources that would be fetched.
    pub fetch: Vec<SourcePin>,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is in the store.
    Ready,
    /// It would be made.
    Missing,
    /// It is not in the store, and nothing that would be made needs it.
    Unneeded,
}

/// What [`perform`] would do, without doing anything: no bytes are hashed and no server is contacted.
/// Where the host is unknown, what its compiler makes counts as not there.
#[must_use]
pub fn status(store: &Store, plan: &Plan, wanted: &[StepId], host_id: Option<&str>) -> Status {
    let present = |step: &Step| match (step.product, host_id) {
        (Product::Image, _) => store.has_entry(&EntryName::image(step.key)),
        (Product::Toolchain, Some(host)) => store.has_entry(&EntryName::of(step, host)),
        (Product::Toolchain, None) => false,
    };
    let looked: Result<_, std::convert::Infallible> =
        graph::needed(plan, wanted, |id| Ok(present(plan.step(id))));
    let Ok(needed) = looked;
    let state = |id: StepId| match plan.step(id) {
        _ if needed.contains(&id) => State::Missing,
        step if present(step) => State::Ready,
        _ => State::Unneeded,
    };
    let mut fetch: Vec<SourcePin> = Vec::new();
    for source in needed.iter().flat_map(|id| &plan.step(*id).sources) {
        let known = fetch.iter().any(|pin| pin.sha256 == source.pin.sha256);
        if !known && !store.has_blob(&source.pin.sha256) {
            fetch.push(source.pin.clone());
        }
    }
    Status {
        steps: plan.ids().map(|id| (id, state(id))).collect(),
        fetch,
    }
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

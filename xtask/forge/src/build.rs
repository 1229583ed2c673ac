//! Performs a plan: walks back from the wanted steps, and fetches, unpacks and builds what is
//! missing.
//!
//! `xtask images` and `verify-release` call [`perform`]. `images --plan` prints [`status`]. A step
//! in the store is not built again and its inputs are not checked. Independent steps run
//! concurrently under one job server, as many as there are jobs. After a failed step no new one
//! starts, but running ones finish, because their results are kept. Any number of processes may use
//! one store: each step is built by one of them. Nothing in here knows a recipe's name.

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
use fetch::Remotes;
use inspect::scan::Tokens;
use sandbox::SandboxChoice;
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

/// Options of a run. None of them changes a byte of the results.
#[derive(Clone)]
pub struct Options {
    /// Maximum number of concurrent steps, and of concurrent jobs of all `make`s together.
    pub jobs: usize,
    /// The permitted remotes. Without a client no server is contacted.
    pub remotes: Remotes,
    /// Whether scripts run in the sandbox.
    pub sandbox: SandboxChoice,
    /// Directories that are searched for host tools, in order.
    pub path: Vec<Utf8PathBuf>,
    /// Short id of the host, part of the names of its toolchains. Computed if absent.
    pub host_id: Option<String>,
    /// Keeps the work area of a failed step.
    pub keep_failed: bool,
    /// Time limit per script.
    pub script_limit: Duration,
    /// Deviations from an ordinary build.
    pub variation: Variation,
    /// Strings of this machine that no output may contain.
    pub machine: Tokens,
    /// The canaries that test a toolchain before its use.
    pub canaries: Arc<Canaries>,
    /// Files that programs of the host generate during steps. Their digests are recorded next to
    /// the entry.
    pub generated: Arc<GeneratedFiles>,
}

impl Options {
    /// Default options: as many jobs as processors, and six hours per script, which is longer than
    /// the longest build on a slow machine.
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

/// Builds the wanted steps and everything missing that they need. Returns the wanted entries.
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

/// The valid entries of some steps that are already in the store. Builds nothing.
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

/// Builds every step with frozen outputs below the wanted ones, and the toolchains of these steps.
/// Returns the frozen files and the locks of canaries that differ from the repository: path in the
/// repository and new bytes. Later steps are not built, because they depend on the new bytes only
/// through a new plan.
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

/// The state of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is in the store.
    Ready,
    /// It would be built.
    Missing,
    /// It is not in the store, but nothing needs it.
    Unneeded,
}

/// Predicts what [`perform`] would do, without hashing any bytes or contacting a server. If the
/// host is unknown, the outputs of its compiler count as missing.
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

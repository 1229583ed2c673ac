//! Creates templates, restores guests from them, and remembers what cannot be restored. Shared by
//! all tests of a run.
//!
//! A template is used only if a guest that was restored from it on trial runs on all its processors.
//! A restored guest is accepted only if it answers with the nonce of this start and the name under
//! which it was saved. If a restore fails after QEMU has started, the test starts over with guests that boot.

mod conversation;
mod known;
mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use host::load;
use host::test_time::TestClock;
use host::wait::Limit;
use plan::arch::Machine;
use plan::digest::Digest;
use qemu::saving::{self, SavingError};
use qemu::{Launch, Vm};
use session::protocol::Nonce;
use store::{SavedGuest, Store, StoreError, TEMPLATE_FORMAT, Template, TemplateStaging};

use crate::decision::{StartDecision, StartFacts, StartPolicy, decide, device_types};
use crate::platform::ArchRun;
pub use conversation::Resumed;
use known::Known;

/// The command that the shell runs before a guest is saved: it loads the tools that tests use most.
const PREPARE: &str = "for tool in cat cut dd dmesg find grep head hexdump ls mount printf readlink \
    sed seq sleep sort tail test tr wc; do $tool --help; done; \
    sh -c 'cat /proc/uptime | grep -q . && test -e /sys'; ls /sys/bus/*/devices; exit 0";

/// The templates of a run.
#[derive(Debug)]
pub struct Templates {
    store: Store,
    /// The variables that change what a guest of the same QEMU does.
    environment: String,
    slots: Mutex<BTreeMap<Digest, Arc<Slot>>>,
    known: Mutex<BTreeMap<String, Known>>,
}

/// One bare machine of the run.
#[derive(Debug, Default)]
struct Slot {
    /// Its state. The lock is held while its template is created.
    state: Mutex<SlotState>,
}

#[derive(Debug, Default)]
struct SlotState {
    starts: usize,
    looked: bool,
    template: Option<Template>,
    /// Why this run cannot have a template of it.
    failure: Option<String>,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The template for a start.
struct Found {
    template: Template,
    /// The QEMU with its firmware and environment.
    emulator: Digest,
    key: Digest,
    slot: Arc<Slot>,
}

/// A request to restore a guest.
#[derive(Clone, Copy)]
pub struct WarmRequest<'a> {
    /// The QEMU and the image.
    pub arch: &'a ArchRun,
    /// The machine of the guest.
    pub machine: &'a Machine,
    /// How the guest would boot.
    pub launch: &'a Launch,
    /// The caller's policy.
    pub policy: StartPolicy,
    /// Whether the header of the test says `start = "cold"`.
    pub asks_for_cold: bool,
    /// Whether QEMU is expected to refuse to start.
    pub refused: bool,
    /// Whether QEMU runs under another program, such as a debugger.
    pub wrapped: bool,
    /// The run directory of a QEMU.
    pub run_dir: &'a Utf8Path,
    /// The base of relative paths in the test's arguments.
    pub directory: &'a Utf8Path,
    /// The clock of the limit.
    pub clock: &'a TestClock,
    /// Time limit of a boot, and of a restore.
    pub limit: Duration,
}

/// A restored guest that waits for its test.
pub struct Restored {
    /// Its QEMU.
    pub vm: Vm,
    /// The launch that was used.
    pub launch: Launch,
    /// Its answer.
    pub resumed: Resumed,
    /// The CPU time that a boot would have taken.
    pub boot: Duration,
}

/// A guest was not restored.
pub enum NotRestored {
    /// It has to boot, for this reason.
    Boots(String),
    /// A QEMU with the devices of the test was started for it: a file server, a pipe or a disk of the test
    /// may have noticed.
    Failed(String),
}

/// Why a guest was not restored.
enum Failure {
    /// Every start with these devices will fail.
    Devices(String),
    /// Every guest that is restored on this machine will fail.
    Machine(String),
    /// Every guest of this image will fail.
    Image,
    /// The guest runs and did not answer, which takes the whole limit to find out.
    Silent(String),
    /// It failed this time.
    Once(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Once(error.to_string())
    }
}

impl From<SavingError> for Failure {
    fn from(error: SavingError) -> Self {
        match error {
            SavingError::Impossible(why) => Self::Devices(why),
            SavingError::Failed(why) => Self::Once(why),
        }
    }
}

impl Failure {
    fn text(self) -> String {
        match self {
            Self::Devices(why) | Self::Machine(why) | Self::Silent(why) | Self::Once(why) => why,
            Self::Image => "the init of the image cannot be restored".to_owned(),
        }
    }
}

impl Templates {
    /// The templates in a store, for QEMUs that start with these environment variables.
    #[must_use]
    pub fn new(store: Store, environment: String) -> Self {
        Self {
            store,
            environment,
            slots: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// Restores a guest, or says why it has to boot.
    pub fn restore(&self, request: &WarmRequest<'_>) -> Result<Restored, NotRestored> {
        let found = self.template(request).map_err(NotRestored::Boots)?;
        load_guest(request, &SavedFiles::of(&found.template)).map_err(|failure| {
            self.note_failure(request, &found, &failure);
            let why = format!("failed to restore the template: {}", failure.text());
            NotRestored::Failed(why)
        })
    }

    /// What is learnt from a guest that was not restored.
    fn note_failure(&self, request: &WarmRequest<'_>, found: &Found, failure: &Failure) {
        match failure {
            Failure::Devices(why) => {
                let types = device_types(request.launch);
                self.learn(&found.emulator, |known| {
                    if types.is_empty() {
                        known.note_machine(&found.key, why);
                    } else {
                        known.note_devices(blamed(types, why));
                    }
                });
            }
            Failure::Silent(why) => {
                let mut state = found.slot.lock();
                let why = format!("an earlier guest of the machine was not restored: {why}");
                state.failure.get_or_insert(why);
            }
            Failure::Image | Failure::Machine(_) | Failure::Once(_) => {}
        }
    }

    /// The template for a start, which is made if it has to be; or why the guest has to boot.
    fn template(&self, request: &WarmRequest<'_>) -> Result<Found, String> {
        if let StartPolicy::Cold(reason) = request.policy {
            // Nothing is looked up for a run without warm starts.
            return Err(reason.to_owned());
        }
        let image = request.arch.image.as_ref().map(|image| image.content);
        let image = image.ok_or_else(|| "the run has no image".to_owned())?;
        let emulator = known::digest(&self.store, &request.arch.binary)?;
        let data = known::data_files(&request.arch.facts.data_directories)?;
        let emulator = format!("{emulator} {data} {}", self.environment);
        let emulator = Digest::of(emulator.as_bytes());
        let known = self.known(&emulator);
        let key = key(request, &emulator, &image);
        if let Some(why) = known.machine(&key) {
            return Err(why);
        }
        let slot = self.slot(key);
        let mut state = slot.lock();
        if let Some(why) = &state.failure {
            return Err(why.clone());
        }
        // Decided first without the store, which hashes the template, if no template can help.
        let reason = decision(request, &known, true, 1);
        if !reason.is_empty() {
            return Err(reason);
        }
        let earlier = state.starts;
        state.starts += 1;
        if !state.looked {
            state.looked = true;
            state.template = self
                .store
                .template(&key)
                .map_err(|error| error.to_string())?;
        }
        let reason = decision(request, &known, state.template.is_some(), earlier);
        if !reason.is_empty() {
            return Err(reason);
        }
        if state.template.is_none() {
            match self.make(request, &key) {
                Ok(template) => state.template = Some(template),
                Err(failure) => {
                    let lasting = matches!(failure, Failure::Devices(_) | Failure::Machine(_));
                    if matches!(failure, Failure::Image) {
                        self.learn(&emulator, |known| known.note_image(image));
                    }
                    let why = format!("failed to make a template: {}", failure.text());
                    if lasting {
                        self.learn(&emulator, |known| known.note_machine(&key, &why));
                    }
                    state.failure = Some(why.clone());
                    return Err(why);
                }
            }
        }
        let Some(template) = state.template.clone() else {
            return Err("no template".to_owned());
        };
        drop(state);
        if !template.is_unchanged() {
            let mut state = slot.lock();
            (state.template, state.looked) = (None, false);
            return Err("the template was changed during the run".to_owned());
        }
        Ok(Found {
            template,
            emulator,
            key,
            slot,
        })
    }

    fn slot(&self, key: Digest) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(key).or_default())
    }

    fn known(&self, emulator: &Digest) -> Known {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(emulator.to_string());
        known
            .or_insert_with(|| Known::read(&self.store, emulator))
            .clone()
    }

    fn learn(&self, emulator: &Digest, change: impl FnOnce(&mut Known)) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(emulator.to_string()).or_default();
        change(known);
        known.write(&self.store, emulator);
    }

    /// Creates the template of a key, unless another process was faster.
    fn make(&self, request: &WarmRequest<'_>, key: &Digest) -> Result<Template, Failure> {
        let _guard = self.store.lock(&format!("template-{key}"), || {})?;
        if let Some(template) = self.store.template(key)? {
            return Ok(template);
        }
        let staging = self.store.stage_template()?;
        let facts = &request.arch.facts;
        let launch = request.launch.bare(facts, &staging.ram());
        let launch = launch.ok_or_else(|| Failure::Once("no size of memory".to_owned()))?;
        let run_dir = request.run_dir.join("template");
        host::scratch::create_private(&run_dir)
            .map_err(|error| Failure::Once(error.to_string()))?;
        let id = nonce()?;
        let since = request.clock.now();
        let until = request.clock.deadline(request.limit);
        let mut vm = spawn(request, &launch, &run_dir, &run_dir)?;
        vm.release();
        let resumes = conversation::hello(&mut vm, &until).map_err(Failure::Once)?;
        if !resumes {
            return Err(Failure::Image);
        }
        let boot = load::ran(vm.pid());
        conversation::prepare(&mut vm, &id, PREPARE, &until).map_err(Failure::Once)?;
        let limit = Limit::while_left(&until);
        let pci = match request.machine.connectors {
            Some(_) => saving::pci_functions(&vm, limit)?,
            None => Vec::new(),
        };
        saving::save(&vm, &staging.state(), limit)?;
        let effort = request.clock.now().saturating_sub(since);
        // Ends QEMU before the memory is read.
        drop(vm);
        let machine = request.launch.machine.machine.split(',').next();
        let mut guest = SavedGuest {
            about: format!("{} {}", request.arch.arch.name, machine.unwrap_or_default()),
            id: id.as_str().to_owned(),
            pci,
            boot,
            restore: Duration::ZERO,
        };
        guest.restore = trial::restore(
            request,
            &launch,
            &SavedFiles::staged(&staging, &guest),
            effort,
        )?;
        Ok(self.store.commit_template(staging, key, guest)?)
    }
}

/// Empty if the guest is to be restored.
fn decision(
    request: &WarmRequest<'_>,
    known: &Known,
    has_template: bool,
    earlier: usize,
) -> String {
    let image = request.arch.image.as_ref();
    let decision = decide(&StartFacts {
        policy: request.policy,
        asks_for_cold: request.asks_for_cold,
        refused: request.refused,
        wrapped: request.wrapped,
        accel: request.arch.accel,
        launch: request.launch,
        migrates: request.machine.migration,
        has_pci: request.machine.virtio.as_deref() == Some("pci"),
        facts: &request.arch.facts,
        unmovable: known.unmovable(),
        image_resumes: image.is_none_or(|image| known.image_resumes(&image.content)),
        has_template,
        earlier,
    });
    match decision {
        StartDecision::Cold(reason) => reason,
        StartDecision::Restore | StartDecision::Make => String::new(),
    }
}

/// The device type in QEMU's message that it cannot load, or all types of the test if the message
/// contains none (`State blocked by non-migratable device '0000:00:03.0/nvme'`).
fn blamed(types: BTreeSet<String>, why: &str) -> BTreeSet<String> {
    let named = |name: &&String| why.contains(&format!("/{name}'"));
    match types.iter().find(named) {
        Some(name) => BTreeSet::from([name.clone()]),
        None => types,
    }
}

/// The files of a template, and the facts about its guest.
struct SavedFiles<'a> {
    ram: Utf8PathBuf,
    state: Utf8PathBuf,
    guest: &'a SavedGuest,
}

impl<'a> SavedFiles<'a> {
    fn of(template: &'a Template) -> Self {
        Self {
            ram: template.ram(),
            state: template.state(),
            guest: template.guest(),
        }
    }

    fn staged(staging: &TemplateStaging, guest: &'a SavedGuest) -> Self {
        Self {
            ram: staging.ram(),
            state: staging.state(),
            guest,
        }
    }

    /// The CPU time that a boot would have taken on a host that restores a guest in this time.
    fn boot(&self, restore: Duration) -> Duration {
        let slower = restore.as_secs_f64() / self.guest.restore.as_secs_f64();
        if slower.is_finite() {
            self.guest.boot.mul_f64(slower)
        } else {
            self.guest.boot
        }
    }
}

/// Loads a saved guest into a QEMU with the devices of the test, and lets it find them.
fn load_guest(request: &WarmRequest<'_>, saved: &SavedFiles<'_>) -> Result<Restored, Failure> {
    let facts = &request.arch.facts;
    let launch = request.launch.restored(facts, &saved.ram);
    let launch = launch.ok_or_else(|| Failure::Once("no size of memory".to_owned()))?;
    let until = request.clock.deadline(request.limit);
    let mut vm = spawn(request, &launch, request.run_dir, request.directory)?;
    let limit = Limit::while_left(&until);
    saving::load(&mut vm, &saved.state, limit)?;
    let connectors = match request.machine.connectors {
        Some(first) => new_connectors(&vm, saved.guest, first, limit)?,
        None => Vec::new(),
    };
    vm.release();
    let nonce = nonce()?;
    let entropy = [self::nonce()?, self::nonce()?].map(|half| half.as_str().to_owned());
    let resume = session::protocol::Resume {
        template: &saved.guest.id,
        entropy: entropy.concat(),
        rescan: !device_types(&launch).is_empty(),
        connectors,
    };
    let resumed = conversation::resume(&mut vm, nonce, &resume, &until).map_err(Failure::Silent)?;
    Ok(Restored {
        boot: saved.boot(load::ran(vm.pid())),
        vm,
        launch,
        resumed,
    })
}

/// The firmware's indices of the functions that the guest was saved without.
fn new_connectors(
    vm: &Vm,
    saved: &SavedGuest,
    first: u64,
    limit: Limit<'_>,
) -> Result<Vec<u64>, Failure> {
    let functions = saving::pci_functions(vm, limit)?;
    let new = functions
        .into_iter()
        .filter(|function| !saved.pci.contains(function));
    Ok(new
        .map(|(device, function)| first + 8 * device + function)
        .collect())
}

/// Starts a QEMU that the clock of the request follows.
fn spawn(
    request: &WarmRequest<'_>,
    launch: &Launch,
    run_dir: &Utf8Path,
    directory: &Utf8Path,
) -> Result<Vm, Failure> {
    let vm = Vm::spawn(launch, run_dir, directory);
    let vm = vm.map_err(|error| Failure::Once(error.to_string()))?;
    request.clock.follow(vm.pid());
    Ok(vm)
}

fn nonce() -> Result<Nonce, Failure> {
    Nonce::random().map_err(|error| Failure::Once(format!("no random numbers: {error}")))
}

/// The digest of everything that a saved guest depends on.
fn key(request: &WarmRequest<'_>, emulator: &Digest, image: &Digest) -> Digest {
    let machine = request.launch.key().digest();
    let sandbox = request.launch.sandbox;
    let text = format!("{TEMPLATE_FORMAT} {image} {emulator} {machine} {sandbox}");
    Digest::of(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restore_measures_the_host_like_a_boot() {
        let check = |restore: f64, now: f64, expect: f64| {
            let guest = SavedGuest {
                about: String::new(),
                id: String::new(),
                pci: Vec::new(),
                boot: Duration::from_secs(2),
                restore: Duration::from_secs_f64(restore),
            };
            let saved = SavedFiles {
                ram: Utf8PathBuf::new(),
                state: Utf8PathBuf::new(),
                guest: &guest,
            };
            let found = saved.boot(Duration::from_secs_f64(now));
            assert_eq!(found, Duration::from_secs_f64(expect), "{restore} {now}");
        };
        check(0.5, 0.5, 2.0);
        check(0.5, 1.5, 6.0);
        // Without the kernel's accounting, nothing is known.
        check(0.0, 1.0, 2.0);
        check(0.0, 0.0, 2.0);
    }

    #[test]
    fn only_the_device_in_the_message_is_blamed() {
        let check = |why: &str, expect: &[&str]| {
            let types = BTreeSet::from(["nvme", "virtio-blk-pci"].map(str::to_owned));
            let found: Vec<String> = blamed(types, why).into_iter().collect();
            assert_eq!(found, expect, "{why}");
        };
        let blocked = "State blocked by non-migratable device '0000:00:03.0/nvme'";
        check(blocked, &["nvme"]);
        check(
            "State blocked by non-migratable device '0000:00:03.0/nvme-ns'",
            &["nvme", "virtio-blk-pci"],
        );
        check("Unknown ramblock \"x\"", &["nvme", "virtio-blk-pci"]);
    }
}

//! Chooses the accelerator of a run: `qemu` decides, and this module makes the trial boot that the
//! decision may need.
//!
//! `/dev/kvm` may open and still not run Linux, so the real image is booted once with KVM and a
//! deadline. The verdict is cached in a file as long as host boot, binary and image are the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8Path;
use host::scratch::Scratch;
use plan::arch::Arch;
use qemu::accel::{AccelRequest, Decision, HostKvm, Verdict, decide, device};
use qemu::{Accel, BootFiles, Emulator, Facts, LaunchRequest, Vm};
use session::fold::Happened;
use session::protocol::Call;
use session::{Handover, Host, Policy, Replies, conduct};
use suite::header::Channel;
use verdict::outcome::Outcome;

/// The input of a trial boot.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a> {
    /// The architecture.
    pub arch: &'a Arch,
    /// The QEMU binary.
    pub binary: &'a Utf8Path,
    /// The capabilities of the binary.
    pub facts: &'a Facts,
    /// The image.
    pub boot: &'a BootFiles,
    /// The folder of cached verdicts.
    pub verdicts: &'a Utf8Path,
    /// The directory for sockets and logs of a trial boot.
    pub temp_dir: &'a Utf8Path,
}

/// Time limit of a trial boot with KVM, relative to the boot limit with TCG.
const TRIAL_FACTOR: f64 = 0.25;

/// KVM was required and is not available.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to use KVM: {0}")]
pub struct NoKvm(pub String);

impl NoKvm {
    /// The command or advice that continues without it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some("`--accel auto` falls back to TCG if KVM does not work".to_owned())
    }
}

/// As `uname -m` prints it.
fn machine() -> String {
    let uname = rustix::system::uname();
    uname.machine().to_string_lossy().into_owned()
}

/// Whether the programs of this host run in guests of an architecture.
#[must_use]
pub fn is_native(arch: &Arch) -> bool {
    arch.uname == machine()
}

/// The accelerator, with a line for people where one is due.
pub fn choose(request: AccelRequest, trial: &Trial<'_>) -> Result<(Accel, Option<String>), NoKvm> {
    let device = device();
    let machine = machine();
    let ask = |verdict: Option<&Verdict>| {
        let host = HostKvm {
            machine: &machine,
            device,
            verdict,
        };
        decide(request, &trial.arch.qemu, trial.facts, &host)
    };
    let decision = match ask(None) {
        Decision::Try => ask(Some(&verdict(trial))),
        decided => decided,
    };
    match decision {
        Decision::Use(accel, why) => Ok((accel, why)),
        Decision::Refuse(why) => Err(NoKvm(why)),
        Decision::Try => Ok((Accel::Tcg, None)),
    }
}

/// The cached verdict, or that of a trial boot.
fn verdict(trial: &Trial<'_>) -> Verdict {
    let key = identity(trial);
    let cache = trial.verdicts.join("kvm.json");
    let mut kept = kept(&cache);
    if let Some(verdict) = key.as_ref().and_then(|key| kept.remove(key)) {
        return verdict;
    }
    let scratch = match Scratch::new_in(trial.temp_dir, "kvm") {
        Ok(scratch) => scratch,
        // Not cached, because it says nothing about KVM.
        Err(error) => {
            let why = format!("failed to try KVM in `TMPDIR`: {error}");
            return Verdict::Fails { why };
        }
    };
    let verdict = match boot(trial, scratch.path()) {
        Ok(Outcome::Passed) => Verdict::Works,
        Ok(outcome) => {
            let why = format!(
                "KVM does not run the image on this host ({})",
                outcome.cause()
            );
            Verdict::Fails { why }
        }
        Err(why) => Verdict::Fails { why },
    };
    if host::interrupt::received().is_none()
        && let Some(key) = key
    {
        kept.insert(key, verdict.clone());
        // Without a cache the trial is repeated, which costs a second.
        let _ = keep(&cache, &kept);
    }
    verdict
}

/// The key of a verdict, or `None` if the host does not provide it.
fn identity(trial: &Trial<'_>) -> Option<String> {
    let file = |path: &Utf8Path| {
        host::files::identity(path)
            .ok()
            .map(|identity| format!("{path} {identity}"))
    };
    let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let (binary, kernel) = (file(trial.binary)?, file(&trial.boot.kernel)?);
    Some(format!("{} {binary} {kernel}", boot.trim()))
}

fn kept(cache: &Utf8Path) -> BTreeMap<String, Verdict> {
    let text = fs_err::read_to_string(cache).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Writes the verdicts, without those of earlier boots of the host.
fn keep(cache: &Utf8Path, verdicts: &BTreeMap<String, Verdict>) -> std::io::Result<()> {
    let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let present: BTreeMap<_, _> = verdicts
        .iter()
        .filter(|(key, _)| key.starts_with(boot.trim()))
        .collect();
    host::files::write(cache, &serde_json::to_vec_pretty(&present)?)
}

/// Boots the image with KVM. Its init runs nothing.
fn boot(trial: &Trial<'_>, scratch: &Utf8Path) -> Result<Outcome, String> {
    let profile = &trial.arch.qemu;
    let machine = profile.machines.get(&profile.machine);
    let machine = machine.ok_or_else(|| format!("no machine `{}`", profile.machine))?;
    let emulator = Emulator {
        binary: trial.binary,
        profile,
        facts: trial.facts,
        accel: Accel::Kvm,
    };
    let request = LaunchRequest::new(emulator, machine, trial.boot.clone());
    let limit = machine
        .boot_timeout
        .unwrap_or(profile.boot_timeout)
        .mul_f64(TRIAL_FACTOR);
    let policy = Policy::alone(Channel::Virtio.on(machine), limit);
    let run = "/kiln/run".to_owned();
    let files = vec![(run.clone(), 0o755, b"exit 0\n".to_vec())];
    let handover = Handover {
        files,
        environment: Vec::new(),
        run,
    };
    let started = (request.resolve()).and_then(|launch| Vm::spawn(&launch, scratch, scratch));
    let mut vm = started.map_err(|error| error.to_string())?;
    vm.release();
    Ok(conduct(&mut vm, &policy, &handover, &mut Nobody).outcome)
}

/// Receives the events of a trial boot and ignores them.
struct Nobody;

impl Host for Nobody {
    fn output(&mut self, _bytes: &[u8]) {}

    fn console(&mut self, _bytes: &[u8]) {}

    fn control(&mut self, _bytes: &[u8]) {}

    fn note(&mut self, _text: String) {}

    fn call(&mut self, _call: &Call, _: &Arc<Replies>) -> Option<(i32, String)> {
        Some((2, String::new()))
    }

    fn stop(&mut self) -> Option<Happened> {
        host::interrupt::received().map(|_| Happened::Interrupted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_verdicts_of_this_host_boot_count() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Utf8Path::from_path(dir.path())
            .unwrap()
            .join("new/kvm.json");
        assert_eq!(kept(&cache), BTreeMap::new());
        let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let ours = format!("{} qemu kernel", boot.trim());
        let verdicts = BTreeMap::from([
            (ours.clone(), Verdict::Works),
            (
                "old qemu kernel".to_owned(),
                Verdict::Fails {
                    why: "x".to_owned(),
                },
            ),
        ]);
        keep(&cache, &verdicts).unwrap();
        assert_eq!(kept(&cache), BTreeMap::from([(ours, Verdict::Works)]));
        fs_err::write(&cache, "damaged").unwrap();
        assert_eq!(kept(&cache), BTreeMap::new());
    }
}
